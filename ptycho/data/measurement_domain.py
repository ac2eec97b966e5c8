"""
Decides what kind of values diffraction frames hold: counts, roots of counts, or neither.

Photons come in whole numbers. Their trace survives any common factor and float32: squares of an amplitude that are
whole multiples of one unit are counts in that unit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_FRAMES = 64
_LARGEST_COUNT = 1e5
"""Counts above this is indistinguishable from their neighbours once they were the square of a float32."""

_TOLERANCE = 0.05
_LARGEST_MINIMUM = 64
"""Largest count that the smallest value may represent."""

_FEWEST_VALUES = 8
"""Different values needed for a verdict at that tolerance: zeros and ones are their own squares."""

_FEW_VALUES, _FEW_TOLERANCE = 3, 1e-3
"""Counted electrons are 0, 1, 2, 3: of so few values each must be a multiple of the smallest to a thousandth."""


@dataclass(frozen=True, kw_only=True)
class DomainDiagnosis:
    """
    Description of the values of frames.

    Attributes:
        kind: `"amplitude"` (squares are whole numbers up to a factor), `"counts"` (values are) or `"unknown"`.
        unit: what one count is worth, in squares of the stored values or in these values; None where unknown.
        photons: mean counts per pattern that follow, or None where unknown.
        text: one sentence for people.
    """

    kind: str
    unit: float | None
    photons: float | None
    text: str


def diagnose(frames: NDArray[np.float32]) -> DomainDiagnosis:
    """
    Look at up to 64 frames, evenly spaced over the scan.

    Args:
        frames: `(M, N, N)` canonical amplitudes, finite and not negative.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(MAX_FRAMES, len(frames))).astype(np.intp))
    sample = frames[chosen].astype(np.float64)
    # Counts first: where values are whole numbers, so are their squares.
    for kind, values in (("counts", sample), ("amplitude", sample**2)):
        unit = counting_unit(values)
        if unit is not None:
            photons = float(values.sum() / unit / len(chosen))
            what = "squared values" if kind == "amplitude" else "the values themselves"
            factor = "" if abs(unit - 1) < 1e-6 else f" up to a factor of {unit:.6g}"
            meaning = (
                "roots of counts, as they should be"
                if kind == "amplitude"
                else "counts read as amplitude, unless they were rounded"
            )
            text = f"{what} are integers{factor}: {meaning}; {photons:.4g} counts per pattern"
            return DomainDiagnosis(kind=kind, unit=unit, photons=photons, text=text)
    different = len(np.unique(sample[sample > 0]))
    if different < _FEWEST_VALUES:
        text = f"{different} different values above 0: too few to tell counts from amplitudes"
        return DomainDiagnosis(kind="unknown", unit=None, photons=None, text=text)
    text = "neither values nor squared values are integers up to a factor: noise-free, binned or rescaled per frame"
    return DomainDiagnosis(kind="unknown", unit=None, photons=None, text=text)


def counting_unit(values: NDArray[np.float64]) -> float | None:
    """The unit of which all values are whole multiples, to the precision of float32, or None."""
    positive = np.unique(values[values > 0])
    if len(positive) < _FEWEST_VALUES:
        return _unit_of_few(positive)
    for smallest_count in range(1, _LARGEST_MINIMUM + 1):
        unit = float(positive[0]) / smallest_count
        counts = positive[positive <= _LARGEST_COUNT * unit] / unit
        whole = np.rint(counts)
        # Rounding put one count's squares on several floats: ask for different whole numbers, not different floats.
        if len(np.unique(whole)) >= _FEWEST_VALUES and (np.abs(counts - whole) <= _TOLERANCE).all():
            return float(np.vdot(whole, counts * unit) / np.vdot(whole, whole))
    return None


def _unit_of_few(positive: NDArray[np.float64]) -> float | None:
    """The smallest of a few values where all others are multiples of it, and not all of them square ones."""
    if len(positive) < _FEW_VALUES:
        return None
    counts = positive / positive[0]
    whole = np.rint(counts)
    squares = np.rint(np.sqrt(whole)) ** 2 == whole  # 1, 4, 9 may be counts, or the squares of counts
    if squares.all() or (np.abs(counts - whole) > _FEW_TOLERANCE * whole).any():
        return None
    return float(positive[0])
