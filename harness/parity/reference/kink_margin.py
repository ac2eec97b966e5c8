"""
Checks that a problem keeps clear of the corners of its network: of each ReLU's zero, and of ties in the poolings.

On a corner, rounding decides which way a gradient goes. One such unit among two million moves the encoder's gradients
by a hundredth, a thousand times what rounding does elsewhere, and correct backends fall on another side of it than the
oracle. So float32 is compared on patterns that keep clear; which those are, the oracle's network says.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ptycho.physics.architecture import DECODERS
from ptycho.physics.network import convolve, upsample
from ptycho.physics.weights import Weights

Real = NDArray[np.float64]

MARGIN = 6e-7
"""Distance from a corner, in units of the root mean square of its layer: about twice what float32 errs there. One draw
of patterns in three keeps it; twice as much, one in ten."""

EVEN = 0.3
"""Spread of a pooling window, in the same units, up to which a tie in it does not matter: its four neighbours are then
much alike, and so is what the gradient meets at each."""


def distances(inputs: Mapping[str, Real], weights: Weights) -> Iterator[float]:
    """
    The smallest distance from a corner in each layer, in units of the root mean square of the layer.

    Args:
        inputs: what each stage of `ptycho.physics.network` was given.
        weights: canonical weights.
    """
    for name, x in inputs.items():
        head, _, part = name.partition(".")
        if part in ("inner", "outer"):
            continue
        x = upsample(x) if head in DECODERS and part != "0" else x
        for index in range(2):
            kernel, bias = (
                np.asarray(weights[f"{name}.{index}.{kind}"], dtype=np.float64) for kind in ("weight", "bias")
            )
            sums = convolve(x, kernel, bias)
            size = float(np.sqrt(np.mean(sums**2)))
            yield float(np.abs(sums).min()) / size
            x = np.maximum(sums, 0)
        if head not in DECODERS:
            yield lead(x, EVEN * size) / size


def lead(x: Real, even: float) -> float:
    """
    The smallest lead of a 2×2 window's largest over its second; infinite if no window counts.

    Args:
        x: `(B, C, H, W)`.
        even: spread up to which a window does not count.
    """
    batch, channels, height, width = x.shape
    cells = x.reshape(batch, channels, height // 2, 2, width // 2, 2).swapaxes(3, 4).reshape(-1, 4)
    ordered = np.sort(cells, axis=-1)
    uneven = ordered[:, 3] - ordered[:, 0] > even
    return float((ordered[:, 3] - ordered[:, 2])[uneven].min(initial=np.inf))


def is_clear(inputs: Mapping[str, Real], weights: Weights) -> bool:
    """Whether every layer keeps `MARGIN`; arguments as in `distances`."""
    return all(distance > MARGIN for distance in distances(inputs, weights))
