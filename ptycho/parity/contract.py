"""
Settings of the core, read off from a running process: constants, widths, defaults, and whether each option arrives.

A drifted default changes both backends alike, so that comparing them shows nothing: all of this is judged against a
table that was written from the description of the network (`harness.parity.reference.contract`), and not against this
code.
"""

from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

from ptycho.config import DEFAULT_NPHOTONS, PATCH_SIDES, Config, ModelConfig, flatten
from ptycho.data import grouping
from ptycho.physics import forward, stitching
from ptycho.physics.architecture import Architecture
from ptycho.physics.weights import intensity_scale, shapes
from ptycho.training import cli
from ptycho.training.schedule import Plateau

Exact = dict[str, Any]

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "n_images": ("7",),
    "batch_size": ("3",),
    "seed": ("11",),
    "device": ("cpu",),
    "precision": ("f64",),
    "threads": ("2",),
    "num_workers": ("3",),
    "layout": ("legacy",),
    "measurement_domain": ("counts",),
    "strict": (),
}
"""Arguments that both command lines take, each with a value that is not its default."""

TRAINING_OPTIONS: Mapping[str, tuple[str, ...]] = {
    **OPTIONS,
    "test_data_file": ("test.npz",),
    "nepochs": ("5",),
    "max_epochs": ("6",),
    "gridsize": ("2",),
    "N": ("128",),
    "learning_rate": ("0.25",),
    "schedule": ("cosine",),
    "warmup_steps": ("9",),
    "nphotons": ("1234.5",),
    "mae_weight": ("0.5",),
    "tv_weight": ("0.75",),
    "probe_mask": (),
    "intensity_scale_trainable": (),
    "disable_mlflow": (),
    "resume": (),
    "stitch": (),
    "store_dir": ("store",),
}

_ALWAYS = ("train_data_file", "output_dir")


def constants() -> Exact:
    """Constants of the description, and what is derived from them."""
    mask = forward.central_mask(64)
    plateau = asdict(Plateau(learning_rate=1e-3))
    found: Exact = {
        "canvas_side": [forward.canvas_side(64, gridsize) for gridsize in (1, 2)],
        "mask_floor": forward.MASK_FLOOR,
        "epsilon": {"f64": forward.EPSILON_F64, "f32": forward.EPSILON_F32},
        "central_mask": [int(mask.sum()), [int(axis.min()) for axis in mask.nonzero()]],
        "disk": int(forward.disk(64).sum()),
        "plateau": {name: plateau[name] for name in ("factor", "patience", "minimum", "threshold")},
        "validation_fraction": grouping.VALIDATION_FRACTION,
        "neighbours": grouping.NEIGHBOURS,
        "crop": stitching.CROP,
        "nphotons": DEFAULT_NPHOTONS,
        "intensity_scale": [intensity_scale(1e6, 64), intensity_scale(1e9, 128)],
        "patch_sides": list(PATCH_SIDES),
        "weights": sum(prod(shape) for shape in shapes(ModelConfig()).values()),
    }
    for side in PATCH_SIDES:
        widths = Architecture.of(ModelConfig(side=side))
        found[f"widths.{side}"] = [list(widths.encoder), list(widths.decoder), widths.border]
    return {f"constant.{name}": value for name, value in found.items()}


def training_defaults(path: Path, prog: str) -> Exact:
    """Every option's default, from the command line; the two paths that must be given are left out."""
    return _shown(_training(path, prog, ["--quiet"]))


def inference_defaults(path: Path, prog: str) -> Exact:
    """The same of the command line that reconstructs."""
    flat = _shown(_inference(path, prog, ["--quiet"]))
    return {name: value for name, value in flat.items() if name != "model_path"}


def responses(path: Path, package: str) -> Exact:
    """Return what each option, given alone, changes in the configuration: `option` -> `{key: value}`."""
    found: Exact = {}
    commands = (("train", _training, TRAINING_OPTIONS), ("inference", _inference, OPTIONS))
    for command, configured, options in commands:
        plain = _shown(configured(path, f"{package}.{command}", []))
        for name, values in options.items():
            changed = _shown(configured(path, f"{package}.{command}", [f"--{name}", *values]))
            found[f"{command}.{name}"] = {key: value for key, value in changed.items() if value != plain[key]}
    return found


def _shown(config: Config) -> Exact:
    return {name: value for name, value in flatten(config).items() if name not in _ALWAYS}


def _training(path: Path, prog: str, arguments: list[str]) -> Config:
    return cli.training_config(["--train_data_file", str(path), "--output_dir", "unused", *arguments], prog)


def _inference(path: Path, prog: str, arguments: list[str]) -> Config:
    return cli.inference_config(
        ["--model_path", "unused", "--test_data", str(path), "--output_dir", "unused", *arguments], prog
    )
