"""
Layouts of one array in two code bases: channels first or last, kernels turned, features reordered.

Only changes of layout that frameworks are known for are candidates. Rows are never exchanged with columns, so that an
image that was transposed by mistake is not taken for one of another layout.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.comparison import distance

Array = NDArray[Any]
ROLES = {
    **dict.fromkeys(("kernel", "gamma", "embeddings", "depthwise_kernel", "weight", "scale"), "weight"),
    **dict.fromkeys(("beta", "bias"), "bias"),
    **dict.fromkeys(("moving_mean", "running_mean"), "mean"),
    **dict.fromkeys(("moving_variance", "running_var"), "variance"),
}
"""What a weight is for, by the name that a framework gives it."""


def role(name: str) -> str:
    """Return what a weight is for; its own name where that is not known."""
    return ROLES.get(name, name)


def axes_between(one: str, two: str) -> tuple[int, ...] | None:
    """
    The axes in whose order a weight of layout `one` has layout `two`; None if the letters differ.

    Example:
        >>> axes_between("OIHW", "HWIO")
        (2, 3, 1, 0)
    """
    return tuple(one.index(letter) for letter in two) if one and sorted(one) == sorted(two) else None


def weight_axes(one: tuple[int, ...], two: tuple[int, ...], layouts: tuple[str, str]) -> tuple[int, ...] | None:
    """Axes that bring a weight of shape `one` to shape `two`; None if none does."""
    known = axes_between(*layouts)
    if known is not None:
        return known if tuple(one[k] for k in known) == two else None
    if one == two:
        return tuple(range(len(one)))
    turned = tuple(reversed(range(len(one))))
    return turned if one[::-1] == two else None


def carried(array: Array, axes: Sequence[int], rows: Sequence[int] = ()) -> Array:
    """
    A weight in the other code base's layout.

    Args:
        array: the weight.
        axes: order of its axes there.
        rows: `(C, H, W)` where its first axis there counts the pixels of an image that one side flattens with the
            channels first and the other with the channels last.
    """
    moved = np.transpose(array, axes)
    return features_last(moved, rows) if rows else moved


def features_last(array: Array, rows: Sequence[int]) -> Array:
    """The first axis in the order (H, W, C) instead of (C, H, W)."""
    return np.moveaxis(array.reshape(*rows, *array.shape[1:]), 0, 2).reshape(array.shape)


def orders(shape: Sequence[int], like: Sequence[int], *, other: bool) -> Iterator[tuple[int, ...]]:
    """
    Orders of axes that bring an array of one shape to another: as it is, channels moved last, channels moved first.

    Args:
        shape: of the first side's array.
        like: of the second side's.
        other: whether the frameworks differ, so that channels are likelier moved than not.
    """
    rank, seen = len(shape), set()
    found = [tuple(range(rank))]
    if rank >= 3:
        found += [(0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))]
    if other and rank >= 4:
        found = [*found[1:], found[0]]
    for order in found:
        if order not in seen and tuple(shape[k] for k in order) == tuple(like):
            seen.add(order)
            yield order


def candidates(array: Array, shape: Sequence[int], *, other: bool, rows: Sequence[int] = ()) -> Iterator[Array]:
    """
    An activation of one side in every layout in which the other may have it.

    Args:
        array: of the first side.
        shape: of the second side's.
        other: whether the frameworks differ.
        rows: `(C, H, W)` of the last image that was flattened.
    """
    shape = tuple(shape)
    yield from (np.transpose(array, order) for order in orders(array.shape, shape, other=other))
    if array.ndim == 2 and array.shape == shape and rows and math.prod(rows) == shape[1]:
        yield features_last(array.T, rows).T
    squeezed = [side for side in array.shape[1:] if side != 1]
    if array.shape != shape and array.shape[:1] == shape[:1] and squeezed == [side for side in shape[1:] if side != 1]:
        yield array.reshape(shape)


def aligned(array: Array, like: Array, *, other: bool, rows: Sequence[int] = ()) -> Array | None:
    """The candidate that is nearest to the other side's array; None if there is none of its shape."""
    found = list(candidates(array, like.shape, other=other, rows=rows))
    if len(found) < 2:
        return found[0] if found else None
    wide = like.astype(np.complex128)
    return min(found, key=lambda candidate: distance(candidate.astype(np.complex128), wide))
