"""
Is a scan near field? In the far field a pattern stays where it is when the sample moves; in the near field it follows.

There the detector sees a magnified shadow of the sample, and neighbouring patterns are shifted copies of each other.
The shift is measured by correlation, and must be proportional to the motion of the stage, the same along both axes.

A far field under a defocused probe does that, too, a little. What tells them apart is the size of the beam, by the
scale of its shadow: a far-field window of N object pixels, λz / p, must hold it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

_PAIRS = 64
_EXPLAINED = 0.9
_SMALLEST_SHIFT_PX = 2.0
_LIT = 0.05
_ALIKE = 0.3
_WIDER = 2.0
"""Times the far-field window that the beam must be: its diameter is measured to some tens of per cent."""


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """
    Motion of patterns with the stage.

    Attributes:
        shift_px: median shift between neighbours, detector pixels.
        per_unit: detector pixels per unit of motion.
        explained: share of the shifts that the motion explains.
        beam: diameter of the beam on the sample, in units of motion.
    """

    shift_px: float
    per_unit: float
    explained: float
    beam: float


def find(frames: NDArray[Any], x: Real, y: Real, window: float) -> Shadow | None:
    """
    The shadow that patterns show, or None where they do not follow the stage, or the far-field window holds the beam.

    Args:
        frames: `(M, H, W)` amplitudes or intensities.
        x: `(M,)` positions, in any unit.
        y: `(M,)` positions.
        window: N object pixels of the far field, in that unit; 0 where it is not known.
    """
    if len(frames) < 8:
        return None
    values = np.nan_to_num(np.asarray(frames, np.float64))
    mean = values.mean(axis=0)
    lit = mean > _LIT * mean.max()
    if not lit.any():
        return None
    relief = np.where(lit, values / np.where(lit, mean, 1) - 1, 0)
    relief -= np.where(lit, relief.sum(axis=(1, 2), keepdims=True) / lit.sum(), 0)
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    distance[distance == 0] = np.inf
    first = np.unique(np.linspace(0, len(values) - 1, min(_PAIRS, len(values))).astype(np.intp))
    second = distance[first].argmin(axis=1)
    motion = np.stack([x[second] - x[first], y[second] - y[first]], axis=1)
    shift = _shifts(relief[first], relief[second])
    size = float(np.median(np.hypot(*shift.T)))
    if size < _SMALLEST_SHIFT_PX or not np.isfinite(motion).all() or not motion.any():
        return None
    unit = np.abs(motion).max()
    gain = np.linalg.lstsq(motion / unit, shift, rcond=None)[0] / unit
    explained = 1 - float(((shift - motion @ gain) ** 2).sum() / (shift**2).sum())
    scale = np.linalg.svd(gain, compute_uv=False)
    if explained < _EXPLAINED or scale[1] < (1 - _ALIKE) * scale[0]:
        return None
    beam = 2 * float(np.sqrt(lit.sum() / np.pi)) / float(scale.mean())
    if beam <= _WIDER * window:
        return None
    return Shadow(shift_px=size, per_unit=float(scale.mean()), explained=explained, beam=beam)


def _shifts(one: Real, other: Real) -> Real:
    """`(K, 2)` by how many pixels (x, y) the second of each pair lies further."""
    height, width = one.shape[1:]
    spectrum = np.fft.fft2(one).conj() * np.fft.fft2(other)
    peak = np.fft.ifft2(spectrum).real.reshape(len(one), -1).argmax(axis=1)
    row, column = np.divmod(peak, width)
    row, column = (row + height // 2) % height - height // 2, (column + width // 2) % width - width // 2
    return np.stack([column, row], axis=1).astype(np.float64)
