"""
Checks the values of a scan: the last stage of the contract, on arrays already in canonical form.

Every check runs without a temporary of the frames' size, so that loading a large scan costs that scan and no more.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data import detector, mapped_arrays, units
from ptycho.data.dataset import Dataset
from ptycho.data.masked_frames import Frames

_FRAMES_AT_ONCE = 128
_MAX_LISTED = 5

SMALLEST = float(np.finfo(np.float32).tiny)
"""Amplitudes below the smallest normal float32 are 0 for every network: processors that flush them to zero, and those
that do not, must see the same scan."""


def amplitude_of_counts(block: NDArray[Any]) -> NDArray[np.float64]:
    """
    √counts in float64, a negative count keeping its sign so that `violations` finds it.

    The cast comes first: the root of a uint16 array would be taken in float32, and that of a uint8 in float16.
    """
    counts = block.astype(np.float64)
    return np.copysign(np.sqrt(np.abs(counts)), counts)


def violations(dataset: Dataset, *, declared: bool) -> list[str]:
    """
    Everything wrong with the values of a scan.

    Args:
        dataset: the scan.
        declared: whether metadata or argument named the measurement domain. If not, whole numbers are refused:
            they are far more often counts than the roots of square counts.
    """
    found = [*_frame_violations(dataset.frames)]
    if found and (marks := _marks(dataset)):
        found[-1] += f"; {marks}"
    if not found and not declared:
        found += _domain_violations(dataset.frames)
    for name, array in (
        ("probeGuess", dataset.probe),
        ("objectGuess", dataset.obj),
        ("Y", dataset.patches),
        ("xcoords", dataset.xcoords),
        ("ycoords", dataset.ycoords),
        ("xcoords_start", dataset.xcoords_start),
        ("ycoords_start", dataset.ycoords_start),
    ):
        # Nominal coordinates that default to the corrected ones would be reported twice.
        default = name.endswith("_start") and array is getattr(dataset, name.removesuffix("_start"))
        if array is not None and not default and (bad := array.size - _finite(array)):
            found.append(f"{name}: {bad} of {array.size} values are NaN or infinite; allowed: finite values")
    if not dataset.probe.any():
        found.append("probeGuess is zero everywhere; allowed: a probe with some intensity")
    found += units.violations(dataset.xcoords, dataset.ycoords, dataset.side, dataset.metadata)
    found += _outside(dataset)
    return found


def _frame_violations(frames: Frames) -> Iterator[str]:
    low, high = np.empty(len(frames), frames.dtype), np.empty(len(frames), frames.dtype)
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        flat = frames[part].reshape(len(frames[part]), -1)
        # A NaN in a frame is its minimum and its maximum.
        low[part], high[part] = flat.min(axis=1), flat.max(axis=1)
        mapped_arrays.release(frames)
    damaged = ~(np.isfinite(low) & np.isfinite(high))
    negative = low < 0
    for bad, what in ((damaged, "NaN or infinite (in float32)"), (negative, "negative")):
        if bad.any():
            yield (
                f"diff3d has {what} values in {int(bad.sum())} of {len(frames)} frames ({_first(bad)}); "
                "allowed: finite, 0 or more; repair or leave out these frames"
            )
    if not damaged.any() and not (high >= SMALLEST).any():
        yield "diff3d is zero everywhere; allowed: frames with some intensity"


def _marks(dataset: Dataset) -> str | None:
    """Return where values that no frame may hold are a detector's mark for bad pixels, and how to leave them out."""
    flaws = detector.find(dataset)
    if not flaws.marks:
        return None
    where = [detector.pixels(flaws.marked)] if flaws.marked.any() else []
    where += [f"whole frames, index {detector.listed(flaws.broken)}"] if flaws.broken.size else []
    return (
        f"{', '.join(flaws.marks)} in {' and '.join(where)}: marks of a detector, if they are not a mistake; leave "
        "them out: python -m ptycho convert IN OUT --mask auto --drop-frames auto"
    )


def _domain_violations(frames: Frames) -> Iterator[str]:
    """Float frames that are counts: whole numbers, not constant, at least one of them no square."""
    low, high = np.inf, -np.inf
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        block = frames[start : start + _FRAMES_AT_ONCE]
        if (block[0] != np.rint(block[0])).any() or (block != np.rint(block)).any():
            return
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        mapped_arrays.release(frames)
    if high >= 2 and high != low:
        yield (
            f"diff3d holds whole numbers up to {high:g} although its domain is not declared: they look like counts, "
            "and an amplitude is sqrt(counts); declare `measurement_domain` (counts, or amplitude if they really are) "
            "with --measurement_domain or in _metadata"
        )


def _finite(array: NDArray[Any]) -> int:
    """Return how many values are finite."""
    count = 0
    for start in range(0, len(array), _FRAMES_AT_ONCE):
        count += int(np.isfinite(array[start : start + _FRAMES_AT_ONCE]).sum())
        mapped_arrays.release(array)
    return count


def _outside(dataset: Dataset) -> Iterator[str]:
    """Positions whose window leaves the object; `patches.extract` draws the same line."""
    if dataset.obj is None:
        return
    n = dataset.side
    for axis, name in ((1, "xcoords"), (0, "ycoords")):
        centres, length = getattr(dataset, name), dataset.obj.shape[axis]
        low, high = n // 2, length - n + n // 2
        outside = (centres < low) | (centres > high)
        if outside.any():
            yield (
                f"{name}: {int(outside.sum())} of {len(centres)} positions, from {centres.min():.6g} to "
                f"{centres.max():.6g}, leave no half patch to spare inside the object of {length} pixels along "
                f"axis {axis} ({_first(outside)}); allowed: {low} to {high}, object pixels of the patch centre, "
                "x along axis 1"
            )


def _first(bad: NDArray[np.bool_]) -> str:
    indices = np.flatnonzero(bad)[:_MAX_LISTED]
    return f"index {', '.join(map(str, indices))}{', …' if bad.sum() > _MAX_LISTED else ''}"
