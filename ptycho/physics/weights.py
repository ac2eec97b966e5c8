"""
Canonical weights: names, shapes, initial values. Drawn once here and handed to either backend.

Canonical layout is OIHW, `(out, in, 3, 3)`, float64; each backend maps to and from its own.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ptycho.config import ModelConfig
from ptycho.errors import CheckpointError
from ptycho.physics.architecture import KERNEL, Architecture

LOG_SCALE = "log_intensity_scale"
"""Canonical name of the scalar w; e^w is the intensity scale S."""

Weights = Mapping[str, NDArray[np.floating]]


def intensity_scale(nphotons: float, side: int) -> float:
    """S = √nphotons / (N/2): what turns the normalised amplitude X into the square root of photons."""
    return math.sqrt(nphotons) / (side / 2)


def shapes(model: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Canonical name to shape, in drawing order, the scalar w last."""
    table: dict[str, tuple[int, ...]] = {}
    for conv in Architecture.of(model).convolutions():
        table[f"{conv.name}.weight"] = (conv.outputs, conv.inputs, KERNEL, KERNEL)
        table[f"{conv.name}.bias"] = (conv.outputs,)
    return table | {LOG_SCALE: ()}


def initial(model: ModelConfig, *, nphotons: float, seed: int) -> dict[str, NDArray[np.float64]]:
    """
    Initial weights: Glorot uniform kernels, zero biases, w = ln S.

    Kernels are uniform in ±√(6 / (fan_in + fan_out)) with fans counted as channels × 9 (Glorot & Bengio 2010,
    eq. 16).
    """
    rng = np.random.default_rng([seed, 0x57])
    drawn: dict[str, NDArray[np.float64]] = {}
    for name, shape in shapes(model).items():
        if len(shape) == 4:
            limit = math.sqrt(6 / ((shape[0] + shape[1]) * KERNEL * KERNEL))
            drawn[name] = rng.uniform(-limit, limit, size=shape)
        else:
            drawn[name] = np.zeros(shape)
    drawn[LOG_SCALE] = np.array(math.log(intensity_scale(nphotons, model.side)))
    return drawn


def check(weights: Weights, model: ModelConfig) -> None:
    """
    Refuse weights that do not fit a model.

    Raises:
        CheckpointError: listing each missing, unknown and misshapen tensor.
    """
    wanted = shapes(model)
    problems = [f"missing {name} {shape}" for name, shape in wanted.items() if name not in weights]
    problems += [f"unknown {name}" for name in weights if name not in wanted]
    problems += [
        f"{name} has shape {weights[name].shape}, the model wants {shape}"
        for name, shape in wanted.items()
        if name in weights and weights[name].shape != shape
    ]
    problems += [f"{name} is not finite" for name, value in weights.items() if not np.isfinite(value).all()]
    if problems:
        raise CheckpointError("the weights do not fit the model:\n" + "\n".join(f"  - {item}" for item in problems))
