"""Trainings and inferences of the fake backend in this process, and a backend that must not be imported."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ptycho.config import DataConfig, InferenceConfig, ModelConfig, RuntimeConfig, TrainingConfig
from ptycho.training import inference
from ptycho.training import train as core_training

BACKEND = "tests.support.fakes.fake_backend"


def train_config(scan: Path, output_dir: Path, *, gridsize: int = 1, **changes: Any) -> TrainingConfig:
    """Two quiet epochs, untracked, of a narrow network on a whole scan."""
    config = TrainingConfig(
        data=DataConfig(path=scan, gridsize=gridsize),
        output_dir=output_dir,
        model=ModelConfig(filter_scale=1, gridsize=gridsize),
        runtime=RuntimeConfig(quiet=True),
        nepochs=2,
        batch_size=4,
        mlflow=False,
    )
    return replace(config, **changes)


def infer_config(model: Path, scan: Path, output_dir: Path, **changes: Any) -> InferenceConfig:
    """Quiet inference of a whole scan."""
    config = InferenceConfig(
        model_path=model, data=DataConfig(path=scan), output_dir=output_dir, runtime=RuntimeConfig(quiet=True)
    )
    return replace(config, **changes)


def train(config: TrainingConfig) -> core_training.TrainingResult:
    """Train with the fake backend."""
    return core_training.run(config, BACKEND)


def infer(config: InferenceConfig) -> inference.InferenceResult:
    """Reconstruct with the fake backend."""
    return inference.run(config, BACKEND)


def plant_backend(folder: Path, name: str) -> str:
    """A backend whose import is an error, in a folder that the caller puts on the path."""
    package = folder / name
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "engine.py").write_text('raise ImportError("the backend was imported")\n')
    return name
