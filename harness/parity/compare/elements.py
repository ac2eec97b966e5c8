"""
The elements of a tensor that differ: which they are, the worst first, and what people call them.

An element that is equal on both sides is never listed, and one where only one side has NaN comes before all others.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.axes import axes, label

Array = NDArray[Any]

WORST = 3
"""Elements that are listed of a tensor that fails."""

FEW = 16
"""Of a tensor that has no more elements than this, all that differ are listed."""


@dataclass(frozen=True, kw_only=True)
class Element:
    """
    One element.

    Attributes:
        index: where it is.
        values: what each party has there.
        name: what people call it, for example `mae` or `channel 2, row 17`.
    """

    index: tuple[int, ...]
    values: Mapping[str, str]
    name: str = ""


def gap(actual: Array, expected: Array) -> NDArray[np.float64]:
    """|actual − expected| by element; 0 where both are the same NaN or infinity, infinite where only one of them is."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(actual - expected) if actual.dtype.kind != "b" else actual != expected
    same = (actual == expected) | ((actual != actual) & (expected != expected))
    return np.where(same, 0.0, np.nan_to_num(np.asarray(difference, np.float64), nan=math.inf, posinf=math.inf))


def apart(gaps: NDArray[np.float64], expected: Array, tolerance: float | None) -> NDArray[np.bool_]:
    """
    Mark elements that differ by more than their share of a tolerance, times the root mean square of what is expected.

    Where D is beyond the tolerance there is at least one. Where something else failed, all that are not equal.
    """
    size = np.abs(expected[np.isfinite(expected)]).astype(np.float64)
    with np.errstate(over="ignore"):
        share = float(np.sqrt(np.mean(size**2))) if size.size else 0.0
    beyond = gaps > (tolerance or 0.0) * share
    return beyond if np.any(beyond) else gaps > 0


def listed(
    tensor: str,
    values: Mapping[str, Array],
    gaps: NDArray[np.float64],
    differing: NDArray[np.bool_],
    said: Callable[[Any], str] = "{:.17g}".format,
) -> tuple[Element, ...]:
    """
    The elements that differ, the worst first.

    Args:
        tensor: `RUNG/NAME`.
        values: arrays by party, all of one shape.
        gaps: how much each element differs.
        differing: whether it counts as different.
        said: a value as text.
    """
    order = [int(k) for k in np.argsort(-gaps, axis=None, kind="stable") if differing.flat[k]]
    made = []
    for flat in order[: FEW if gaps.size <= FEW else WORST]:
        index = tuple(int(k) for k in np.unravel_index(flat, gaps.shape))
        given = {party: said(value[index]) for party, value in values.items()}
        made.append(Element(index=index, values=given, name=label(tensor, index)))
    return tuple(made)


def extent(tensor: str, differing: NDArray[np.bool_]) -> str:
    """
    Return where all elements that differ lie, along those axes where it is not everywhere; empty if it is everywhere.

    Example:
        >>> wrong = np.zeros((2, 3, 8, 8), bool)
        >>> wrong[:, 2, :3] = True
        >>> extent("R4/amplitude", wrong)
        'channel 2, rows 0 to 2'
    """
    if not differing.any():
        return ""
    region = _region(differing)
    said = []
    for axis, (name, length) in enumerate(zip(axes(tensor, differing.ndim), differing.shape, strict=True)):
        others = tuple(k for k in range(differing.ndim) if k != axis)
        where = np.flatnonzero(differing.any(axis=others))
        if len(where) == length or (region and axis >= differing.ndim - 2):
            continue
        if len(where) == 1:
            said.append(f"{name} {where[0]}")
        elif where[-1] - where[0] + 1 == len(where):
            said.append(f"{name}s {where[0]} to {where[-1]}")
        elif len(where) <= 4:
            said.append(f"{name}s {', '.join(str(k) for k in where)}")
        elif len(set(np.diff(where))) == 1:
            said.append(f"every {np.diff(where)[0]}. {name} from {where[0]}")
    return ", ".join([*said, *([region] if region else [])])


def _region(differing: NDArray[np.bool_]) -> str:
    """The part of images in which everything lies: their rim, or what the network itself keeps apart."""
    if differing.ndim < 2 or min(differing.shape[-2:]) < 8:
        return ""
    image = differing.any(axis=tuple(range(differing.ndim - 2)))
    rim = np.ones_like(image)
    rim[1:-1, 1:-1] = False
    regions = [(rim, "the outermost pixels")]
    side, other = image.shape
    if side == other:
        centre = np.zeros_like(image)
        centre[side // 4 : side - side // 4, side // 4 : side - side // 4] = True
        regions += [(centre, "the central square"), (~centre, "the frame")]
    for mask, name in regions:
        # Most of the region, or a few pixels that happen to lie in it would be said to be all of it.
        if not np.any(image & ~mask) and np.sum(image) > np.sum(mask) / 2:
            return name
    return ""
