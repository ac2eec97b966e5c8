"""
Keys in which both backends describe the work that they did on a GPU, and the batch that both are asked with.

A device's name in a summary is a claim. Where the weights and a batch lie, how much memory was in use at the peak and
how many kernels ran are evidence, each read from the framework when the work is done. The harness judges them.
"""

from typing import TypedDict

import numpy as np

from ptycho.config import ModelConfig
from ptycho.training.engine import Batch


class DeviceWork(TypedDict):
    """
    Evidence of work on a device.

    Attributes:
        parameters: devices on which weights lie, such as `["cuda:0"]`.
        batch: devices on which a batch lies, as the loader puts it there.
        parameter_bytes: bytes of all weights.
        peak_bytes: largest memory that was in use on the device at once, since the process began.
        kernels: kernels that ran on the device during the evaluation of one batch.
    """

    parameters: list[str]
    batch: list[str]
    parameter_bytes: int
    peak_bytes: int
    kernels: int


def blank_batch(model: ModelConfig) -> Batch:
    """One group without light, at the origin: what lies where does not depend on values."""
    channels = model.channels
    return Batch(
        diffraction=np.zeros((1, channels, model.side, model.side), np.float32),
        coords_offsets=np.zeros((1, 1, 2, 1)),
        coords_relative=np.zeros((1, 1, 2, channels)),
        indices=np.zeros((1, channels), np.int64),
    )
