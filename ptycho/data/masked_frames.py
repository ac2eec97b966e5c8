"""
The frames of a masked scan, with bad pixels 0 as they are read: the file stays as it is and no copy of it is written.

A masked copy of 100,000 patterns made reading 1.2 to 1.4 times as expensive: it is new pages of memory.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ptycho.data import mapped_arrays

_ROWS_AT_ONCE = 256


class MaskedFrames:
    """
    `(M, N, N)` float32 frames that are read part by part, each part a copy with bad pixels 0.

    Args:
        measured: `(M, N, N)` float32, as the file has them.
        bad: `(N, N)` or `(M, N, N)`, True where bad.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, measured: NDArray[np.float32], bad: NDArray[np.bool_]) -> None:
        self._measured = measured.view(np.int32)
        self._bad = bad
        self._kept = _bits_to_keep(bad) if bad.ndim == 2 else None
        self.shape = measured.shape
        self.nbytes = measured.nbytes

    def __len__(self) -> int:
        return len(self._measured)

    def __getitem__(self, rows: slice | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """`(K, N, N)`, in memory; the map is released behind it."""
        measured = self._measured[rows]
        # Rows by index are a copy already.
        copy = None if isinstance(rows, slice) else measured
        if self._kept is None:
            kept = _bits_to_keep(self._bad[rows])
            found = np.bitwise_and(measured, kept, out=kept)
        else:
            found = np.bitwise_and(measured, self._kept, out=copy)
        mapped_arrays.release(self._measured)
        mapped_arrays.release(self._bad)
        return found.view(np.float32)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """
        All of them at once, kept where `mapped_arrays.empty` keeps an array of their shape.

        Raises:
            ValueError: without a copy, which it always is.
        """
        if copy is False:
            raise ValueError("masked frames cannot be an array without a copy: bad pixels are cleared as they are read")
        whole = mapped_arrays.empty(self.shape, np.float32 if dtype is None else dtype)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            whole[rows] = self[rows]
            mapped_arrays.release(whole)
        return whole


Frames = NDArray[np.float32] | MaskedFrames
"""Frames of a scan: `(M, N, N)` float32, indexed along the first axis by a slice or by indices."""


def _bits_to_keep(bad: NDArray[np.bool_]) -> NDArray[np.int32]:
    """All bits of a good pixel and none of a bad one: one pass without a branch, and right for NaN as well."""
    good = np.logical_not(bad).view(np.int8)
    return np.negative(good, out=good).astype(np.int32)
