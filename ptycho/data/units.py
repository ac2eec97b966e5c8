"""
Are positions object pixels? Checked for every scan, with or without an object, before anything is allocated for them.

Step, extent and patch side must be plausible together. Positions in metres lie within a millionth of a pixel, those in
picometres need a canvas of 200 GiB; both would train without a word. A message names the unit of length that would fit.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.physics.canvas import canvas_excess

METRES: Mapping[str, float] = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "angstrom": 1e-10, "pm": 1e-12}
"""Units of length that positions are stored in, by the names that `--position-unit` takes."""

NAMES: Mapping[str, str] = {
    "m": "metres",
    "mm": "millimetres",
    "um": "micrometres",
    "nm": "nanometres",
    "angstrom": "angstroms",
    "pm": "picometres",
}

PIXELS_M = (2e-12, 2e-6)
"""Object pixels that are in use, from electrons to visible light."""

PIXEL_SIZE_KEYS = ("pixel_size_m", "object_pixel_size_m")
"""Entries of `_metadata` that give the object's pixel size."""

_TYPICAL_PIXEL_M = 1e-8
_STEPS_PER_PATCH = 16
_SMALLEST_STEP_PX = 0.1
_NOTHING_PX = 1e-3
_CROWDED_FROM = 16
_NEIGHBOURS = 64

Real = NDArray[np.float64]


def violations(x: Real, y: Real, side: int, metadata: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield what positions say against being object pixels.

    Args:
        x: `(M,)` positions along axis 1; positions that are not finite are someone else's to report.
        y: `(M,)` positions along axis 0.
        side: patch side N.
        metadata: the file's own; a pixel size in it makes the advice exact.
    """
    if len(x) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return
    span, step, room = float(max(np.ptp(x), np.ptp(y))), nearest_step(x, y), root_area(x, y)
    if span == 0:
        return
    for name, axis in (("xcoords", x), ("ycoords", y)):
        reach = float(np.abs(axis).max())
        if span >= 1 and np.ptp(axis) > 0 and reach < _NOTHING_PX:
            advised = advice(float(np.ptp(axis)) / math.sqrt(len(axis)), side, metadata)
            yield f"{name} are not object pixels: all lie within {reach:.3g} px of 0; {advised}"
            return
    shown = f"the scan spans {span:.3g} px, "
    if span < 1:
        wrong = f"{shown}less than one pixel; allowed: one or more"
    elif len(x) >= _CROWDED_FROM and room < _SMALLEST_STEP_PX:
        wrong = f"{shown}which leaves {room:.3g} px to each of {len(x)} positions; allowed: {_SMALLEST_STEP_PX} or more"
    elif step is not None and step > side:
        wrong = f"the nearest neighbour of a position is {step:.6g} px away (median); allowed: at most N = {side}"
    else:
        excess = canvas_excess(x, y, side)
        if excess is None:
            return
        wrong = f"{shown}{excess}"
    yield f"xcoords and ycoords are not object pixels: {wrong}; {advice(step or room, side, metadata)}"


def advice(step: float, side: int, metadata: Mapping[str, Any]) -> str:
    """Name the unit of length that would fit a step between neighbours, and the command that converts it."""
    fitting = fitting_units(step, side, metadata)
    if not fitting:
        return "no unit of length fits either: check by what they were divided"
    unit = fitting[0]
    also = f" (or {' or '.join(NAMES[name] for name in fitting[1:])})" if len(fitting) > 1 else ""
    given = "" if pixel_size(metadata) else " --pixel-size METRES"
    return (
        f"they look like {NAMES[unit]}{also}: a step would be {step * METRES[unit]:.3g} m; "
        f"python -m ptycho convert IN OUT --position-unit {unit}{given}"
    )


def fitting_units(step: float, side: int, metadata: Mapping[str, Any]) -> list[str]:
    """
    Units in which a step would be a sixteenth of a patch, give or take what is plausible; the likeliest first.

    Args:
        step: distance of neighbours, as stored.
        side: patch side N.
        metadata: the file's own; with its pixel size, the step must be 0.1 pixels to N.
    """
    pixel = pixel_size(metadata)
    found: list[tuple[float, str]] = []
    for unit, metres in METRES.items():
        if pixel is not None:
            pixels = step * metres / pixel
            if _SMALLEST_STEP_PX <= pixels <= side:
                found.append((abs(math.log(pixels * _STEPS_PER_PATCH / side)), unit))
        else:
            implied = step * metres * _STEPS_PER_PATCH / side
            if PIXELS_M[0] <= implied <= PIXELS_M[1]:
                found.append((abs(math.log(implied / _TYPICAL_PIXEL_M)), unit))
    return [unit for _, unit in sorted(found)][:2]


def pixel_size(metadata: Mapping[str, Any]) -> float | None:
    """The object's pixel size in metres, where the metadata give one that is a positive number."""
    for key in PIXEL_SIZE_KEYS:
        value = metadata.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
            return float(value)
    return None


def nearest_step(x: Real, y: Real) -> float | None:
    """Median distance of some positions to their nearest neighbour elsewhere, or None where all are one place."""
    some = np.unique(np.linspace(0, len(x) - 1, min(_NEIGHBOURS, len(x))).astype(np.intp))
    nearest = []
    for k in some:  # one row of distances at a time: a scan has more positions than a table of them should
        distance = np.hypot(x[k] - x, y[k] - y)
        elsewhere = distance[distance > 0]
        nearest += [float(elsewhere.min())] if elsewhere.size else []
    return float(np.median(nearest)) if nearest else None


def root_area(x: Real, y: Real) -> float:
    """Root of the area per position; on a line, the length per position."""
    width, height = float(np.ptp(x)), float(np.ptp(y))
    longer, shorter = max(width, height), min(width, height)
    return max(math.sqrt(longer * shorter / len(x)), longer / len(x))
