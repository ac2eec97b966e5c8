"""
Rounding as an experiment: the oracle with every number that enters it, and every result on its way, off by one unit.

A computation in float32 is a float64 one whose every result is moved by up to 2^-24 of itself. Moving each by exactly
that, up or down at random, shows how much of it arrives at a tensor, without knowing anything about that tensor.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.reference.problem import changed
from ptycho.parity.request import Request
from ptycho.physics.network import MixedRounding, Rounding, exactly

Array = NDArray[Any]

BFLOAT16_UNIT = 2.0**-8
"""Unit roundoff of bfloat16: half of the distance between 1 and the next number, 2^-7."""

UNITS = {"f32": 2.0**-24, "f64": 2.0**-52, "bf16": 2.0**-24}
"""Move by precision. In float32 the unit roundoff; in float64, in which the oracle itself computes, the smallest that
can be made in both directions: 1 + 2^-53 is 1, and moves that only go down add up."""


class RoundingNoise:
    """
    Moves each element by one unit of itself, up or down at random; real and imaginary part each by its own.

    Args:
        unit: relative size of the move.
        seed: seed of the signs.
    """

    def __init__(self, unit: float, *seed: int) -> None:
        self._unit = unit
        self._bits = np.random.default_rng(seed)

    def __call__(self, value: Any) -> Array:
        """The value, moved."""
        array = np.asarray(value)
        if np.iscomplexobj(array):
            return np.asarray(self(array.real) + 1j * self(array.imag))
        drawn = np.frombuffer(self._bits.bytes(array.size // 8 + 1), dtype=np.uint8)
        up = np.unpackbits(drawn)[: array.size].reshape(array.shape)
        return np.asarray(array * (1 - self._unit + 2 * self._unit * up))


def to_bfloat16(value: Any) -> Array:
    """Numbers rounded to the nearest of bfloat16, ties to even, in the type they have."""
    array = np.asarray(value)
    bits = array.astype(np.float32).view(np.uint32)
    bits = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(array), bits.view(np.float32), array).astype(array.dtype)


def of_precision(precision: str) -> Rounding:
    """Return how the oracle rounds where a backend must: only bfloat16 is too coarse to be left to a limit."""
    return MixedRounding(wide=exactly, narrow=to_bfloat16) if precision == "bf16" else exactly


def noise_of(precision: str, *seed: int) -> Rounding:
    """
    The experiment for a precision: in bfloat16 what a convolution takes and gives is moved by that type's unit.

    Args:
        precision: of `UNITS`.
        seed: seed of the signs.
    """
    wide = RoundingNoise(UNITS[precision], *seed)
    return MixedRounding(wide=wide, narrow=RoundingNoise(BFLOAT16_UNIT, *seed, 1)) if precision == "bf16" else wide


def perturbed(asked: Request, noise: Rounding) -> Request:
    """A question whose every number is moved."""
    patterns = noise(asked.batch.diffraction.astype(np.float64))
    return replace(changed(asked, noise), batch=replace(asked.batch, diffraction=patterns))
