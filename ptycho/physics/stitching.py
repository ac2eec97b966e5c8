"""
From patches back to one object: crop, place, add, divide by the overlap.

This is the path that both backends share, and true patches sent through it must return the object: the cheapest
guard against swapped axes, half-pixel offsets and channels in the wrong place. A patch is added as one array slice,
which at a crop of 20 is faster than scattering its 400 pixels, and the overlap is derived from the positions alone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.errors import PtychoError, UsageError
from ptycho.physics.canvas import canvas_excess

CROP = 20
"""Side in pixels of the central square of a patch that is kept."""

_CHUNK = 2048


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """
    A stitched object. Arrays are read-only.

    Attributes:
        obj: `(h, w)` complex128; 0 where no patch lies.
        overlap: `(h, w)` float64, how many patches lie on each pixel (fractions where one covers part of it).
        origin: `(row, col)` of `obj[0, 0]` in pixels of the whole object.
    """

    obj: NDArray[np.complex128]
    overlap: NDArray[np.float64]
    origin: tuple[int, int]

    def __post_init__(self) -> None:
        self.obj.setflags(write=False)
        self.overlap.setflags(write=False)

    @property
    def crop(self) -> tuple[int, int, int, int]:
        """`(row0, row1, col0, col1)`: `whole[row0:row1, col0:col1]` are the pixels of `obj`."""
        (row, col), (height, width) = self.origin, self.obj.shape
        return row, row + height, col, col + width


class Stitcher:
    """
    Adds patches to a canvas that all of them fit, batch by batch.

    Pixel `(j, k)` of a patch centred at `(y, x)` lies at `(y - N // 2 + j, x - N // 2 + k)` of the object, as in
    `ptycho.physics.patches.extract`. Between pixels it is shared out bilinearly among its four neighbours, and so is
    its count in the overlap.

    Args:
        xcoords: all corrected positions that will be added, any shape, in object pixels along axis 1.
        ycoords: the same along axis 0.
        side: N, side of a patch.
        crop: side of the central square that is kept; even, at most N.

    Raises:
        UsageError: no coordinates, coordinates that are not finite or not of one shape, an impossible crop, or a canvas
            out of all proportion to the patches.
    """

    def __init__(
        self,
        xcoords: NDArray[np.floating[Any]],
        ycoords: NDArray[np.floating[Any]],
        *,
        side: int,
        crop: int = CROP,
    ) -> None:
        x, y = np.asarray(xcoords, np.float64), np.asarray(ycoords, np.float64)
        if x.shape != y.shape or not x.size:
            raise UsageError(f"coordinates are x {x.shape} and y {y.shape}; allowed: one shape, not empty")
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise UsageError("coordinates hold NaN or infinite values; allowed: finite object pixels")
        if crop % 2 or not 2 <= crop <= side:
            raise UsageError(f"crop = {crop}; allowed: even numbers from 2 to the patch side {side}")
        if (excess := canvas_excess(x, y, side)) is not None:
            raise UsageError(f"the coordinates are not object pixels: {excess}; check their unit")
        self.side, self.crop = side, crop
        self.origin = (int(np.floor(y.min())) - crop // 2, int(np.floor(x.min())) - crop // 2)
        # The last row of a splatted patch is one beyond its crop; at whole pixels it carries weight 0 and is cut.
        self._shape = (
            int(np.ceil(y.max())) + crop // 2 - self.origin[0],
            int(np.ceil(x.max())) + crop // 2 - self.origin[1],
        )
        self._sum = np.zeros((self._shape[0] + 1, self._shape[1] + 1), np.complex128)
        self._corners = np.zeros((self._shape[0] - crop + 2, self._shape[1] - crop + 2))

    def add(
        self, patches: NDArray[Any], xcoords: NDArray[np.floating[Any]], ycoords: NDArray[np.floating[Any]]
    ) -> None:
        """
        Add patches at their corrected positions.

        Args:
            patches: `(B, N, N)` complex; groups of shape `(B, C, N, N)` are taken with coordinates `(B, C)`.
            xcoords: `(B,)` or `(B, C)` positions along axis 1.
            ycoords: the same along axis 0.

        Raises:
            UsageError: shapes that do not belong together, real patches, or positions outside the known extent.
            PtychoError: patches with NaN or infinite values: the network diverged.
        """
        x, y = np.asarray(xcoords, np.float64), np.asarray(ycoords, np.float64)
        self._refuse(patches, x, y)
        flat = patches.reshape(-1, self.side, self.side)
        column, row = x.reshape(-1) - self.origin[1] - self.crop // 2, y.reshape(-1) - self.origin[0] - self.crop // 2
        for start in range(0, len(flat), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._splat(flat[part], column[part], row[part])

    def _splat(self, patches: NDArray[Any], column: NDArray[np.float64], row: NDArray[np.float64]) -> None:
        first, side = self.side // 2 - self.crop // 2, self.crop + 1
        kept = patches[:, first : first + self.crop, first : first + self.crop]
        if not np.isfinite(kept).all():
            bad = np.count_nonzero(~np.isfinite(kept).all(axis=(1, 2)))
            raise PtychoError(
                f"{bad} of {len(kept)} patches hold NaN or infinite values; a reconstruction needs finite ones: "
                "look at the loss curve, and lower the learning rate if it diverged"
            )
        j, k = np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)
        fy, fx = row - j, column - k
        wide = np.zeros((len(kept), self.crop, side), np.complex128)
        wide[:, :, :-1] = kept * (1 - fx)[:, None, None]
        wide[:, :, 1:] += kept * fx[:, None, None]
        splatted = np.zeros((len(kept), side, side), np.complex128)
        splatted[:, :-1] = wide * (1 - fy)[:, None, None]
        splatted[:, 1:] += wide * fy[:, None, None]
        canvas = self._sum
        for patch, top, left in zip(splatted, j.tolist(), k.tolist(), strict=True):
            canvas[top : top + side, left : left + side] += patch
        np.add.at(self._corners, (j, k), (1 - fy) * (1 - fx))
        np.add.at(self._corners, (j, k + 1), (1 - fy) * fx)
        np.add.at(self._corners, (j + 1, k), fy * (1 - fx))
        np.add.at(self._corners, (j + 1, k + 1), fy * fx)

    def finish(self) -> Reconstruction:
        """
        Divide by the overlap.

        Returns:
            the reconstruction of all patches added so far, on the extent of all coordinates.
        """
        height, width = self._shape
        # A patch covers a square from its corner on: the overlap is the corners' weights swept along both axes.
        swept = np.zeros((self._corners.shape[0], width + 1))
        for shift in range(self.crop):
            swept[:, shift : shift + self._corners.shape[1]] += self._corners
        overlap = np.zeros((height + 1, width + 1))
        for shift in range(self.crop):
            overlap[shift : shift + swept.shape[0]] += swept
        overlap = overlap[:height, :width].copy()
        covered = overlap > 0
        obj = np.zeros((height, width), np.complex128)
        np.divide(self._sum[:height, :width], overlap, out=obj, where=covered)
        return Reconstruction(obj=obj, overlap=overlap, origin=self.origin)

    def _refuse(self, patches: NDArray[Any], x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        expected = (*x.shape, self.side, self.side)
        if x.shape != y.shape or patches.shape != expected or x.ndim not in (1, 2):
            raise UsageError(
                f"patches {patches.shape} do not belong to coordinates x {x.shape} and y {y.shape}; allowed: "
                f"(B, {self.side}, {self.side}) with (B,), or (B, C, {self.side}, {self.side}) with (B, C): "
                "channels before the image axes"
            )
        if patches.dtype.kind != "c":
            raise UsageError(f"patches are {patches.dtype}; allowed: complex (amplitude alone is half an object)")
        (row, col), half = self.origin, self.crop // 2
        inside = (x >= col + half) & (x <= col + self._shape[1] - half)
        inside &= (y >= row + half) & (y <= row + self._shape[0] - half)
        if not inside.all():
            raise UsageError(
                f"{np.count_nonzero(~inside)} of {x.size} positions lie outside the extent that the stitcher was "
                "built for; build it from all coordinates"
            )


def stitch(
    patches: NDArray[Any],
    xcoords: NDArray[np.floating[Any]],
    ycoords: NDArray[np.floating[Any]],
    *,
    crop: int = CROP,
) -> Reconstruction:
    """
    Stitch all patches of a scan at once.

    Args:
        patches: `(M, N, N)` complex, or `(M, C, N, N)` with coordinates `(M, C)`.
        xcoords: `(M,)` corrected positions along axis 1, in object pixels.
        ycoords: `(M,)` the same along axis 0.
        crop: side of the central square of each patch that is kept.

    Returns:
        the object over the scanned area, its overlap and its place.

    Raises:
        UsageError: as `Stitcher` and `Stitcher.add`.

    Example:
        >>> patches = np.full((2, 64, 64), 1 + 1j)
        >>> stitch(patches, np.array([40.0, 45.0]), np.array([40.0, 40.0])).crop
        (30, 50, 30, 55)
    """
    if patches.ndim not in (3, 4) or patches.shape[-1] != patches.shape[-2]:
        raise UsageError(f"patches are {patches.shape}; allowed: (M, N, N) or (M, C, N, N), with square patches")
    stitcher = Stitcher(xcoords, ycoords, side=patches.shape[-1], crop=crop)
    stitcher.add(patches, xcoords, ycoords)
    return stitcher.finish()
