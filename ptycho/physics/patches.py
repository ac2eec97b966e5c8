"""
Windows of the object at the scan positions: the one place that says which pixels a patch is made of.

The stitcher is the inverse of this module, the simulation and the checks of a file are built on it. It works in
chunks, so that ten thousand patches cost their own memory and little more.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ptycho.errors import UsageError

SAMPLINGS = ("bilinear", "nearest")
CHUNK = 256
"""Patches read at a time: at N = 64 the temporaries stay near 50 MB."""


def extract(
    obj: NDArray[Any],
    xcoords: NDArray[np.floating[Any]],
    ycoords: NDArray[np.floating[Any]],
    side: int,
    *,
    sampling: str = "bilinear",
) -> NDArray[Any]:
    """
    Cut the window of each scan position out of an object.

    At whole-pixel `(y, x)` the window is `obj[y - side // 2 : y - side // 2 + side, x - side // 2 : ...]`, whatever
    the sampling. Between pixels, `"bilinear"` blends the four whole-pixel windows around the position, and
    `"nearest"` takes the one of the rounded position (halves go to the even pixel, as `numpy.rint` does).

    Args:
        obj: `(H, W)` object.
        xcoords: `(M,)` window centres along axis 1, in object pixels.
        ycoords: `(M,)` window centres along axis 0, in object pixels.
        side: N, side of a window in pixels.
        sampling: `"bilinear"` or `"nearest"`.

    Returns:
        `(M, N, N)` windows, of the object's dtype.

    Raises:
        UsageError: shapes that do not belong together, an unknown sampling, a coordinate that is not finite, or
            windows that leave the object.

    Example:
        >>> obj = np.arange(16.0).reshape(4, 4)
        >>> extract(obj, np.array([2.0]), np.array([1.5]), 2)
        array([[[3., 4.],
                [7., 8.]]])
    """
    x, y = np.asarray(xcoords, np.float64), np.asarray(ycoords, np.float64)
    _refuse_mismatch(obj, x, y, side, sampling)
    if sampling == "nearest":
        x, y = np.rint(x), np.rint(y)
    left, top = x - side // 2, y - side // 2
    _refuse_outside(obj.shape, left, top, side)
    column, row = np.floor(left).astype(np.intp), np.floor(top).astype(np.intp)
    # One row and column more, so that a whole-pixel window at the rim has a neighbour to blend in with weight 0.
    windows = sliding_window_view(np.pad(obj, ((0, 1), (0, 1)), mode="edge"), (side + 1, side + 1))
    real = np.zeros((), obj.dtype).real.dtype
    fx, fy = (left - column).astype(real), (top - row).astype(real)
    patches = np.empty((len(x), side, side), obj.dtype)
    for start in range(0, len(x), CHUNK):
        part = slice(start, start + CHUNK)
        wide = windows[row[part], column[part]]
        if sampling == "nearest":
            patches[part] = wide[:, :-1, :-1]
            continue
        down, right = fy[part, None, None], fx[part, None, None]
        tall = wide[:, :-1] * (1 - down) + wide[:, 1:] * down
        patches[part] = tall[:, :, :-1] * (1 - right) + tall[:, :, 1:] * right
    return patches


def _refuse_mismatch(
    obj: NDArray[Any], x: NDArray[np.float64], y: NDArray[np.float64], side: int, sampling: str
) -> None:
    """Raise one `UsageError` that lists everything wrong with the arguments of `extract`."""
    wrong = []
    if sampling not in SAMPLINGS:
        wrong.append(f"sampling = {sampling!r}; allowed: {', '.join(SAMPLINGS)}")
    if obj.ndim != 2 or obj.dtype.kind not in "fc":
        wrong.append(f"the object is {obj.dtype} {obj.shape}; allowed: complex or floating, two axes (H, W)")
    elif not 1 <= side <= min(obj.shape):
        wrong.append(f"side = {side}; allowed: 1 to {min(obj.shape)}, the shorter side of the object")
    if x.ndim != 1 or x.shape != y.shape:
        wrong.append(f"coordinates are x {x.shape} and y {y.shape}; allowed: two arrays (M,) of one length")
    elif not (np.isfinite(x).all() and np.isfinite(y).all()):
        bad = np.count_nonzero(~(np.isfinite(x) & np.isfinite(y)))
        wrong.append(f"{bad} of {len(x)} coordinates are NaN or infinite; allowed: finite object pixels")
    if wrong:
        raise UsageError("patches cannot be extracted:\n" + "\n".join(f"  - {line}" for line in wrong))


def _refuse_outside(shape: tuple[int, ...], left: NDArray[np.float64], top: NDArray[np.float64], side: int) -> None:
    """Raise `UsageError` when a window needs pixels that the object does not have."""
    excess = {
        "above row 0": -top,
        f"below row {shape[0] - 1}": top + side - shape[0],
        "left of column 0": -left,
        f"right of column {shape[1] - 1}": left + side - shape[1],
    }
    outside = {where: by.max() for where, by in excess.items() if by.size and by.max() > 0}
    if not outside:
        return
    leaving = np.count_nonzero(np.max(list(excess.values()), axis=0) > 0)
    listed = ", ".join(f"up to {by:.2f} px {where}" for where, by in outside.items())
    raise UsageError(
        f"{leaving} of {len(left)} windows of side {side} leave the object {shape[0]}×{shape[1]}: {listed}; "
        f"coordinates are object pixels of the patch centre, so x must lie in [{side // 2}, "
        f"{shape[1] - side + side // 2}] and y in [{side // 2}, {shape[0] - side + side // 2}]"
    )
