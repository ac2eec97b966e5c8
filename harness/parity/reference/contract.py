"""
The contract as the description of the network has it, typed out: what R0 expects of the constants and the options.

Nothing here is computed by the core. A default that drifts there moves both backends and an oracle that uses it alike;
only a table that somebody would have to change as well can see it.
"""

from collections.abc import Mapping
from typing import Any

CONSTANTS: Mapping[str, Any] = {
    "constant.canvas_side": [74, 78],
    "constant.mask_floor": 0.001,
    "constant.epsilon": {"f64": 1e-12, "f32": 1e-8},
    "constant.central_mask": [32 * 32, [16, 16]],
    # Pixels whose centre is nearer than N/4 to the middle, in half-pixels so that the count is exact.
    "constant.disk": sum(i * i + j * j < 32 * 32 for i in range(-63, 64, 2) for j in range(-63, 64, 2)),
    "constant.plateau": {"factor": 0.5, "patience": 2, "minimum": 1e-4, "threshold": 0.0},
    "constant.validation_fraction": 0.05,
    "constant.neighbours": 4,
    "constant.crop": 20,
    "constant.nphotons": 1e9,
    "constant.intensity_scale": [31.25, 1e9**0.5 / 64],
    "constant.patch_sides": [64, 128, 256],
    "constant.weights": 2_331_772 + 1,
    "constant.widths.64": [[64, 128, 256], [128, 64], 64],
    "constant.widths.128": [[32, 64, 128, 256], [256, 128, 64], 32],
    "constant.widths.256": [[16, 32, 64, 128, 256], [512, 256, 128, 64], 16],
}

_SHARED: Mapping[str, Any] = {
    "n_groups": None,
    "gridsize": 1,
    "seed": 42,
    "layout": None,
    "measurement_domain": None,
    "N": 64,
    "n_filters_scale": 2,
    "probe.big": True,
    "probe_scale": 4.0,
    "probe.mask": False,
    "intensity_scale.trainable": False,
    "device": "auto",
    "precision": "f32",
    "threads": 0,
    "num_workers": 0,
    "quiet": True,
    "strict": False,
}

TRAINING: Mapping[str, Any] = {
    **_SHARED,
    "test_data_file": None,
    "nepochs": 50,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "schedule": "plateau",
    "warmup_steps": 0,
    "nphotons": None,
    "mae_weight": 0.0,
    "tv_weight": 0.0,
    "resume": False,
    "stitch": False,
    "mlflow": True,
    "store_dir": None,
}
"""Defaults of `train` for a scan of 64 × 64 patterns, under their legacy names; `--quiet` is given."""

INFERENCE: Mapping[str, Any] = {**_SHARED, "batch_size": 64}
"""Defaults of `inference`; network and gridsize are those of the weights file and are not known to a command line."""

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "n_images": {"n_groups": 7},
    "batch_size": {"batch_size": 3},
    "seed": {"seed": 11},
    "device": {"device": "cpu"},
    "precision": {"precision": "f64"},
    "threads": {"threads": 2},
    "num_workers": {"num_workers": 3},
    "layout": {"layout": "legacy"},
    "measurement_domain": {"measurement_domain": "counts"},
    "strict": {"strict": True},
}

RESPONSES: Mapping[str, Mapping[str, Any]] = {
    **{f"{command}.{name}": changed for command in ("train", "inference") for name, changed in _OPTIONS.items()},
    "train.test_data_file": {"test_data_file": "test.npz"},
    "train.nepochs": {"nepochs": 5},
    "train.max_epochs": {"nepochs": 6},
    "train.gridsize": {"gridsize": 2},
    "train.N": {"N": 128},
    "train.learning_rate": {"learning_rate": 0.25},
    "train.schedule": {"schedule": "cosine"},
    "train.warmup_steps": {"warmup_steps": 9},
    "train.nphotons": {"nphotons": 1234.5},
    "train.mae_weight": {"mae_weight": 0.5},
    "train.tv_weight": {"tv_weight": 0.75},
    "train.probe_mask": {"probe.mask": True},
    "train.intensity_scale_trainable": {"intensity_scale.trainable": True},
    "train.disable_mlflow": {"mlflow": False},
    "train.resume": {"resume": True},
    "train.stitch": {"stitch": True},
    "train.store_dir": {"store_dir": "store"},
}
"""What each option, given alone, must change in the configuration, and nothing else."""


def parameters(scale: int, channels: int) -> dict[str, tuple[int, ...]]:
    """
    Name and shape of every weight at N = 64 with the border path, from the table of the description.

    Args:
        scale: s, the width of the network.
        channels: C.
    """
    found: dict[str, tuple[int, ...]] = {"log_intensity_scale": ()}

    def convolution(name: str, inputs: int, outputs: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (outputs, inputs, 3, 3), (outputs,)

    def pair(name: str, inputs: int, outputs: int) -> None:
        convolution(f"{name}.0", inputs, outputs)
        convolution(f"{name}.1", outputs, outputs)

    pair("encoder.0", channels, 32 * scale)
    pair("encoder.1", 32 * scale, 64 * scale)
    pair("encoder.2", 64 * scale, 128 * scale)
    for head in ("amplitude", "phase"):
        pair(f"{head}.0", 128 * scale, 64 * scale)
        pair(f"{head}.1", 64 * scale, 32 * scale)
        convolution(f"{head}.inner", 32 * scale - 4, channels)
        pair(f"{head}.border.0", 4, 32 * scale)
        convolution(f"{head}.outer", 32 * scale, channels)
    return found


def contract() -> dict[str, Any]:
    """All of the above by the names of R0."""
    return {
        **CONSTANTS,
        **{f"option.{name}": value for name, value in TRAINING.items()},
        **{f"inference.{name}": value for name, value in INFERENCE.items()},
        **{f"response.{name}": dict(changed) for name, changed in RESPONSES.items()},
    }
