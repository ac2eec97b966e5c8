"""
The second half of R8: trainings as users start them, from a file to a file, and a reconstruction from what they left.

The trajectory walks an engine through batches by hand. Here the core's own workflow does it: the engine that
`create_engine` gives, options that are not their defaults, the schedule, the checkpoint that a run resumes from, the
weights that inference reads. A last training has an engine that computes nothing and writes down what it is given, so
that order, rates and validation are seen exactly.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho import params
from ptycho.config import DataConfig, InferenceConfig, RuntimeConfig, TrainingConfig, update_legacy_dict
from ptycho.data import prepare
from ptycho.phase_timer import Clock
from ptycho.store.store import Store
from ptycho.training import checkpoint, epochs, history, train
from ptycho.training import inference as core_inference
from ptycho.training.engine import Batch, Losses
from ptycho.training.tracking import NullTracker

if TYPE_CHECKING:
    from ptycho.parity.request import Request

Array = NDArray[Any]
Named = Iterator[tuple[str, Array]]

GROUPS, BATCH = 8, 3
"""Groups that are drawn, and groups per step: neither training nor inference divides evenly."""

PREDICTED_AT_ONCE = 3
PHOTONS = 3e5
PROBE_SCALE = 3.0
VALIDATION_SCRIPT = (5.0, 4.0, 4.0, 4.5, 3.0, 3.5, 3.0, 2.5)
"""Validation losses of the training that computes nothing: better, equal, worse, and a drop of the rate between."""

INTERRUPTED_AFTER = 3


def plan(request: "Request", output_dir: Path) -> TrainingConfig:
    """
    The training, with no option at its default that decides a figure.

    One pattern a group: interrupted after an epoch and resumed. Four patterns a group: a cosine, which ends with its
    last epoch and is not interrupted.
    """
    single = request.model.gridsize == 1
    return TrainingConfig(
        data=DataConfig(
            path=request.scan.path, gridsize=request.model.gridsize, seed=request.scan.seed, n_groups=GROUPS
        ),
        output_dir=output_dir,
        test_path=request.scan.path,
        model=replace(request.model, probe_mask=single, probe_scale=PROBE_SCALE),
        runtime=RuntimeConfig(device=request.device, precision=request.precision, threads=request.threads, quiet=True),
        nepochs=2,
        batch_size=BATCH,
        learning_rate=2e-4,
        schedule="plateau" if single else "cosine",
        warmup_steps=4,
        nphotons=PHOTONS if single else None,
        mae_weight=request.mae_weight,
        tv_weight=request.tv_weight,
        mlflow=False,
    )


def script(request: "Request", output_dir: Path) -> TrainingConfig:
    """The training that computes nothing: the whole scan, and long enough for the rate to drop."""
    planned = plan(request, output_dir)
    data = replace(planned.data, n_groups=None)
    return replace(planned, data=data, schedule="plateau", nepochs=len(VALIDATION_SCRIPT))


def measure(request: "Request", package: str) -> Named:
    """
    Figures of all trainings and of the reconstruction.

    Args:
        request: scan, network and weights of the terms.
        package: the backend whose engine trains.
    """
    with tempfile.TemporaryDirectory() as scratch:
        yield from _trained(plan(request, Path(scratch) / "trained"), package)
        yield from _reconstructed(plan(request, Path(scratch) / "trained"), Path(scratch) / "inferred", package)
        yield from scripted(script(request, Path(scratch) / "scripted"))


def _trained(config: TrainingConfig, package: str) -> Named:
    if config.schedule == "plateau":
        train.run(replace(config, nepochs=1), package)
        config = replace(config, resume=True)
    result = train.run(config, package)
    rows = history.read(config.output_dir / history.FILE_NAME)
    for name in ("train_loss", "validation_loss", "train_deviance", "validation_deviance", "learning_rate"):
        yield name, np.array([getattr(row, name) for row in rows])
    for name in ("loss", "deviance"):
        yield f"test_{name}", np.array(result.summary["test"][name])
    tensors, meta = checkpoint.load(result.model_path)
    for name, value in tensors.items():
        yield f"model.{name}", value
    for name in ("normalisation", "nphotons"):
        yield name, np.array(meta.statistics[name])
    yield "epoch", np.array(meta.epoch)
    kept, _ = checkpoint.load(config.output_dir / checkpoint.CHECKPOINT)
    for name, value in kept.items():
        yield f"checkpoint.{name}", value


def _reconstructed(config: TrainingConfig, output_dir: Path, package: str) -> Named:
    inference = InferenceConfig(
        model_path=config.output_dir,
        data=DataConfig(path=config.data.path, seed=config.data.seed, n_groups=GROUPS),
        output_dir=output_dir,
        runtime=config.runtime,
        batch_size=PREDICTED_AT_ONCE,
    )
    found = core_inference.run(inference, package).reconstruction
    yield "object", found.obj
    yield "overlap", found.overlap
    yield "crop", np.array(found.crop)
    with np.load(output_dir / core_inference.RECONSTRUCTION, allow_pickle=False) as archive:
        # Rounded on its way to the file: how many pixels differ from the rounded ones, and not by how much.
        yield "written_otherwise", np.array(np.sum(archive["object"] != found.obj.astype(np.complex64)))
        yield "written_crop", archive["crop"]


class RecordingEngine:
    """An engine that computes nothing: it keeps what it is given and reports losses by a script."""

    device = "cpu"

    def __init__(self) -> None:
        self.epochs = 0
        self.trained: list[Array] = []
        self.validated: list[Array] = []
        self.rates: list[float] = []
        self.loaded: list[float] = []
        self.values: dict[str, Array] = {"weight": np.zeros(2), "adam.step": np.array(0)}

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        """Keep batches and rates; the loss falls steadily, unlike the validation's."""
        self.epochs += 1
        seen = list(batches)
        self.trained += [batch.indices for batch in seen]
        self.rates += list(learning_rates)
        self.values = {"weight": np.full(2, self.epochs + 0.1), "adam.step": np.array(len(self.rates))}
        return _losses(seen, 10.0 - self.epochs)

    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        """Keep the batches; the loss of this epoch by the script."""
        seen = list(batches)
        self.validated += [batch.indices for batch in seen]
        return _losses(seen, VALIDATION_SCRIPT[self.epochs - 1])

    def gradients(self, batch: Batch) -> dict[str, Array]:  # noqa: ARG002  # the protocol's
        """None: nothing is computed."""
        return {}

    def predict(self, batches: Iterable[Batch]) -> Iterator[Array]:  # noqa: ARG002  # the protocol's
        """None."""
        yield from ()

    def consistent_patches(self, patches: Array, coords_relative: Array) -> Array:  # noqa: ARG002  # the protocol's
        """As they are."""
        return patches

    def state(self) -> dict[str, Array]:
        """Return what tells one epoch from another."""
        return dict(self.values)

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Keep what a resumed training hands over."""
        self.loaded += [float(state["weight"][0]), float(state["adam.step"])]
        self.epochs = INTERRUPTED_AFTER

    def fingerprint(self) -> dict[str, Any]:
        """None."""
        return {}


def _losses(seen: list[Batch], value: float) -> Losses:
    """Each batch's loss is the value and a bit that grows with the batch: a plain mean over batches is another one."""
    totals = np.array([value + 0.01 * index for index in range(len(seen))])
    return Losses(total=totals, deviance=2 * totals, sizes=np.array([len(batch.indices) for batch in seen]))


def scripted(config: TrainingConfig) -> Named:
    """Yield what the training whose losses are scripted hands to its engine and writes into its history."""
    update_legacy_dict(params.cfg, config)
    dataset = prepare.load(config)
    prepared = prepare.prepare(config, dataset)
    config.output_dir.mkdir()
    first, second = RecordingEngine(), RecordingEngine()
    with Store.for_run(None, dataset, prepared) as store:
        for engine, part in ((first, replace(config, nepochs=INTERRUPTED_AFTER)), (second, config)):
            resumed = epochs.load(config.output_dir, part, prepared) if engine is second else None
            epochs.fit(part, config.output_dir, engine, store, prepared, NullTracker(), Clock(), resumed)
    rows = history.read(config.output_dir / history.FILE_NAME)
    yield "script.rates", np.array([*first.rates, *second.rates])
    yield "script.resumed", np.array(second.loaded)
    for name in ("train_loss", "validation_loss", "learning_rate"):
        yield f"script.{name}", np.array([getattr(row, name) for row in rows])
    yield "script.trained", np.concatenate([*first.trained, *second.trained])
    yield "script.validated", np.concatenate([*first.validated, *second.validated])
