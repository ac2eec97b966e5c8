"""
The reference network in plain NumPy float64, written from its description and not from either backend.

Channels first, nine shifted products per convolution, up-sampling by copying: slow, and too simple to hide a mistake.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.architecture import Architecture
from ptycho.config import ModelConfig
from ptycho.weights import LOG_SCALE, Weights

Real = NDArray[np.float64]


def distance(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """‖actual − expected‖ / ‖expected‖, after shapes agree; NaN on either side is infinite."""
    assert actual.shape == expected.shape
    value = float(np.linalg.norm(np.ravel(actual - expected)) / np.linalg.norm(np.ravel(expected)))
    return math.inf if math.isnan(value) else value


def convolve(x: Real, kernel: Real, bias: Real) -> Real:
    """`(B, in, H, W)` with `(out, in, 3, 3)` -> `(B, out, H, W)`: cross-correlation, one pixel of zeros about."""
    batch, _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    result = np.zeros((batch, len(kernel), height * width)) + bias[:, None]
    for row in range(3):
        for column in range(3):
            window = padded[:, :, row : row + height, column : column + width]
            result += kernel[:, :, row, column] @ window.reshape(batch, -1, height * width)
    return result.reshape(batch, -1, height, width)


def _layer(x: Real, weights: Weights, name: str) -> Real:
    return convolve(x, *(np.asarray(weights[f"{name}.{kind}"], dtype=np.float64) for kind in ("weight", "bias")))


def _block(x: Real, weights: Weights, name: str) -> Real:
    for half in range(2):
        x = np.maximum(_layer(x, weights, f"{name}.{half}"), 0)
    return x


def _pool(x: Real) -> Real:
    batch, channels, height, width = x.shape
    return np.asarray(x.reshape(batch, channels, height // 2, 2, width // 2, 2).max(axis=(3, 5)))


def upsample(x: Real) -> Real:
    """Each pixel twice along both axes."""
    return x.repeat(2, axis=-2).repeat(2, axis=-1)


def _decode(code: Real, weights: Weights, name: str, model: ModelConfig) -> Real:
    architecture = Architecture.of(model)
    x = code
    for index in range(len(architecture.decoder)):
        x = upsample(_block(x, weights, f"{name}.{index}"))
    border = 4 if model.probe_big else 0
    inner = _layer(x[:, : x.shape[1] - border], weights, f"{name}.inner")
    activated = 1 / (1 + np.exp(-inner)) if name == "amplitude" else math.pi * np.tanh(inner)
    quarter = model.side // 4
    result = np.zeros((len(x), inner.shape[1], model.side, model.side))
    if border:
        outer = _layer(upsample(_block(x[:, -border:], weights, f"{name}.border.0")), weights, f"{name}.outer")
        result = outer / (1 + np.exp(-outer))
    result[:, :, quarter:-quarter, quarter:-quarter] = activated
    return result


def forward(x: Real, weights: Weights, model: ModelConfig, scale: float) -> NDArray[np.complex128]:
    """`(B, C, N, N)` normalised amplitudes to complex patches of the same shape."""
    hidden = np.asarray(x, dtype=np.float64) * scale / np.exp(weights[LOG_SCALE])
    for index in range(len(Architecture.of(model).encoder)):
        hidden = _pool(_block(hidden, weights, f"encoder.{index}"))
    amplitude, phase = (_decode(hidden, weights, name, model) for name in ("amplitude", "phase"))
    return np.asarray(amplitude * np.exp(1j * phase))
