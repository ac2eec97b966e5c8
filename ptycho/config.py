"""
Frozen configurations, built once at the edge, and their way into the legacy dictionary (CONFIG-001).

Every default of the project is stated here once; the command lines of both backends and the legacy dictionary take
theirs from these classes, so that a default cannot drift between backends.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ptycho import params
from ptycho.errors import ConfigurationError

GRIDSIZES = (1, 2)
PRECISIONS = ("f32", "bf16", "f64")
DEVICES = ("auto", "cpu", "cuda")
LAYOUTS = ("canonical", "legacy")
DOMAINS = ("amplitude", "counts")
SCHEDULES = ("plateau", "cosine")
DEFAULT_NPHOTONS = 1e9


def _one_of(name: str, value: object, allowed: Sequence[object]) -> list[str]:
    return [] if value in allowed else [f"{name} = {value!r}; allowed: {', '.join(map(str, allowed))}"]


def _at_least(name: str, value: float | None, least: float) -> list[str]:
    if value is None or least <= value < math.inf:
        return []
    return [f"{name} = {value!r}; allowed: {least} or more{_finite(value)}"]


def _switches(owner: object, *names: str) -> list[str]:
    """A switch is true or false: the text "False" of somebody's file would count as true."""
    given = {name: getattr(owner, name) for name in names}
    return [f"{name} = {value!r}; allowed: True, False" for name, value in given.items() if type(value) is not bool]


def _positive(name: str, value: float) -> list[str]:
    return [] if 0 < value < math.inf else [f"{name} = {value!r}; allowed: more than 0{_finite(value)}"]


def _finite(value: float) -> str:
    return "" if math.isfinite(value) else ", and finite"


def _refuse(owner: object, mismatches: list[str]) -> None:
    if mismatches:
        listed = "\n".join(f"  - {mismatch}" for mismatch in mismatches)
        raise ConfigurationError(f"{type(owner).__name__} is out of range:\n{listed}")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """
    The reference network and its physics.

    Attributes:
        side: patch side N in pixels.
        gridsize: g; a group holds C = g² patterns.
        filter_scale: s, the width of the network.
        probe_big: whether the decoders have the border path outside the central N/2 square.
        probe_scale: divisor of the probe normalisation.
        probe_mask: whether the probe is cut to the disk r < N/4.
        intensity_scale_trainable: whether the log intensity scale w is trained.
    """

    side: int = 64
    gridsize: int = 1
    filter_scale: int = 2
    probe_big: bool = True
    probe_scale: float = 4.0
    probe_mask: bool = False
    intensity_scale_trainable: bool = False

    def __post_init__(self) -> None:
        _refuse(
            self,
            [
                *_one_of("N", self.side, PATCH_SIDES),
                *_one_of("gridsize", self.gridsize, GRIDSIZES),
                *_at_least("filter_scale", self.filter_scale, 1),
                *_positive("probe_scale", self.probe_scale),
                *_switches(self, "probe_big", "probe_mask", "intensity_scale_trainable"),
            ],
        )

    @property
    def channels(self) -> int:
        """Patterns per group, C = g²."""
        return self.gridsize**2


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """
    Data that are read and their groups: all that decides the bytes that a network sees, besides the file itself.

    Attributes:
        path: the NPZ file.
        n_groups: how many groups to draw (`--n_images`); None takes one per pattern.
        gridsize: g; C = g² patterns a group.
        seed: seed of the subsample, the groups, the split and the batch order.
        layout: `"canonical"`, `"legacy"`, or None to decide by the coordinates' length.
        measurement_domain: `"amplitude"`, `"counts"`, or None to ask the file.
    """

    path: Path
    n_groups: int | None = None
    gridsize: int = 1
    seed: int = 42
    layout: str | None = None
    measurement_domain: str | None = None

    def __post_init__(self) -> None:
        _refuse(
            self,
            [
                *_at_least("n_images", self.n_groups, 1),
                *_one_of("gridsize", self.gridsize, GRIDSIZES),
                *_at_least("seed", self.seed, 0),
                *_one_of("layout", self.layout, (None, *LAYOUTS)),
                *_one_of("measurement_domain", self.measurement_domain, (None, *DOMAINS)),
            ],
        )


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """
    Way of computing: nothing here changes what is computed, but for rounding.

    Attributes:
        device: `"auto"`, `"cpu"` or `"cuda"`.
        precision: `"f32"`, `"bf16"` (mixed) or `"f64"`.
        threads: threads of the framework; 0 leaves the choice to it, 1 makes runs repeatable bit for bit.
        num_workers: threads that read batches ahead; 0 reads in line.
        quiet: no progress bar and no table; warnings about the data are printed all the same.
        strict: refuse data that look wrong, and fail for a reconstruction no better than a flat object.
    """

    device: str = "auto"
    precision: str = "f32"
    threads: int = 0
    num_workers: int = 0
    quiet: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        _refuse(
            self,
            [
                *_one_of("device", self.device, DEVICES),
                *_one_of("precision", self.precision, PRECISIONS),
                *_at_least("threads", self.threads, 0),
                *_at_least("num_workers", self.num_workers, 0),
                *_switches(self, "quiet", "strict"),
            ],
        )


def _agree(data: DataConfig, model: ModelConfig) -> list[str]:
    if data.gridsize == model.gridsize:
        return []
    return [f"gridsize {data.gridsize} of the data ≠ {model.gridsize} of the model"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """
    One training, complete.

    Attributes:
        data: the training file and its groups.
        test_path: file whose loss is reported after training, or None.
        output_dir: folder of everything that the training leaves.
        model: the network and its physics.
        runtime: device, precision and threads.
        nepochs: number of epochs.
        batch_size: groups per optimiser step.
        learning_rate: of Adam, before schedule and warm-up.
        schedule: `"plateau"` lowers the rate when the validation loss stalls, `"cosine"` lets it fall to zero, too.
        warmup_steps: steps over which the rate rises to its full value.
        nphotons: mean photons per pattern; None takes the file's own, else 1e9.
        mae_weight: weight of the amplitude's mean absolute error in the loss.
        tv_weight: weight of the object's total variation in the loss.
        resume: continue from the checkpoint in `output_dir`.
        stitch: reconstruct the test file (or the training file) after training.
        mlflow: track with MLflow under `output_dir`.
        store_dir: folder of the memory-map store to keep and reuse; None builds one in TMPDIR and removes it.
    """

    data: DataConfig
    output_dir: Path
    test_path: Path | None = None
    model: ModelConfig = field(default_factory=ModelConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    nepochs: int = 50
    batch_size: int = 16
    learning_rate: float = 1e-3
    schedule: str = "plateau"
    warmup_steps: int = 0
    nphotons: float | None = None
    mae_weight: float = 0.0
    tv_weight: float = 0.0
    resume: bool = False
    stitch: bool = False
    mlflow: bool = True
    store_dir: Path | None = None

    def __post_init__(self) -> None:
        _refuse(
            self,
            [
                *_agree(self.data, self.model),
                *_at_least("nepochs", self.nepochs, 1),
                *_at_least("batch_size", self.batch_size, 1),
                *_positive("learning_rate", self.learning_rate),
                *_one_of("schedule", self.schedule, SCHEDULES),
                *_at_least("warmup_steps", self.warmup_steps, 0),
                *_at_least("nphotons", self.nphotons, 1),
                *_at_least("mae_weight", self.mae_weight, 0),
                *_at_least("tv_weight", self.tv_weight, 0),
                *_switches(self, "resume", "stitch", "mlflow"),
            ],
        )


@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """
    One inference, complete.

    Attributes:
        model_path: weights file, or the output folder of a training.
        data: the file to reconstruct.
        output_dir: folder of the reconstruction and its pictures.
        model: the network; the workflow takes it, and the gridsize of the data, from the weights file.
        runtime: device, precision and threads.
        batch_size: groups per forward pass.
    """

    model_path: Path
    data: DataConfig
    output_dir: Path
    model: ModelConfig = field(default_factory=ModelConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    batch_size: int = 64

    def __post_init__(self) -> None:
        _refuse(self, [*_agree(self.data, self.model), *_at_least("batch_size", self.batch_size, 1)])


Config = TrainingConfig | InferenceConfig

_LEGACY_NAMES = {
    "side": "N",
    "filter_scale": "n_filters_scale",
    "n_groups": "n_groups",
    "probe_big": "probe.big",
    "probe_mask": "probe.mask",
    "intensity_scale_trainable": "intensity_scale.trainable",
    "path": "train_data_file",
    "test_path": "test_data_file",
}
"""Field names that differ from their legacy key; every other field keeps its own."""


def flatten(config: Config) -> dict[str, Any]:
    """
    One flat dictionary of a configuration's fields under their legacy names.

    Paths become strings; every leaf field of the nested configuration is there exactly once.
    """
    flat: dict[str, Any] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        leaves = {item.name: value} if not hasattr(value, "__dataclass_fields__") else asdict(value)
        for name, leaf in leaves.items():
            flat[_LEGACY_NAMES.get(name, name)] = str(leaf) if isinstance(leaf, Path) else leaf
    return flat


def digest(config: Config) -> str:
    """Hex digest of a configuration's fields, by which the loader knows which one the legacy dictionary holds."""
    return hashlib.sha256(json.dumps(flatten(config), sort_keys=True).encode()).hexdigest()


def update_legacy_dict(cfg: dict[str, Any], config: Config) -> None:
    """
    Reset the legacy dictionary to its defaults, then write every field of a configuration (CONFIG-001).

    None is written like any other value: skipping it is how a gridsize of an earlier run survives.

    Args:
        cfg: `ptycho.params.cfg`, or another dictionary to fill. Keys that no configuration knows are removed.
        config: the configuration of the run.

    Example:
        >>> from ptycho import params
        >>> update_legacy_dict(params.cfg, TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("o")))
        >>> params.cfg["gridsize"]
        1
    """
    cfg.clear()
    cfg.update(params.DEFAULTS)
    cfg.update(flatten(config))
    cfg[params.CONFIGURED] = digest(config)


def require_legacy_dict(config: Config) -> None:
    """
    Refuse to load data before `update_legacy_dict(params.cfg, config)` has run for this very configuration.

    Raises:
        ConfigurationError: naming each value of `params.cfg` that belongs to another configuration.
    """
    if params.cfg.get(params.CONFIGURED) is None:
        raise ConfigurationError(
            "CONFIG-001: data was asked for before the configuration was applied; "
            "call ptycho.config.update_legacy_dict(ptycho.params.cfg, config) first"
        )
    wanted = flatten(config)
    stale = [
        f"{key}: params.cfg holds {params.cfg.get(key)!r}, the configuration {value!r}"
        for key, value in wanted.items()
        if params.cfg.get(key) != value
    ]
    if stale or params.cfg[params.CONFIGURED] != digest(config):
        listed = "\n".join(f"  - {item}" for item in stale)
        raise ConfigurationError(
            "CONFIG-001: params.cfg holds another run's values; "
            f"call update_legacy_dict(params.cfg, config) for this one:\n{listed}"
        )


PATCH_SIDES = (64, 128, 256)
"""Patch sides N that the reference network is defined for."""
