"""
Functions that the command lines and other programs call to train and to reconstruct with TensorFlow.

The workflow itself is the core's, shared with the other backend; TensorFlow is imported only once the configuration
and the files have been found good.
"""

import os

from ptycho.config import InferenceConfig, TrainingConfig
from ptycho.training import inference, ranks
from ptycho.training import train as core_training
from ptycho.training.inference import InferenceResult
from ptycho.training.train import TrainingResult

BACKEND = "ptycho_tf"


def train(config: TrainingConfig) -> TrainingResult:
    """
    Train the reference network; see `ptycho.training.train.run`. Alone, or as the rank that `TF_CONFIG` says.

    Example:
        >>> from pathlib import Path
        >>> from ptycho.config import DataConfig, TrainingConfig
        >>> config = TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"))
        >>> train(config).model_path  # doctest: +SKIP
        PosixPath('out/model.safetensors')
    """
    return core_training.run(config, BACKEND, ranks.of_tf_config(os.environ))


def infer(config: InferenceConfig) -> InferenceResult:
    """Reconstruct a scan with trained weights; see `ptycho.training.inference.run`."""
    return inference.run(config, BACKEND)
