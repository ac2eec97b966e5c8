"""
Arrays larger than what should stay in memory: mapped from a file, and given back to it part by part.

A mapped page counts as resident until somebody drops it, although its bytes are in the page cache anyway. So whoever
walks over a large array releases it on the way (`release`), and a training's memory does not depend on its scan. What
is read at random places is read past the map (`Rows`): a touch of one page may map two megabytes around it. A disk
gives a stream faster than it gives as many rows here and there, so what the page cache can hold is streamed into it.
"""

import contextlib
import mmap
import os
import tempfile
import threading
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ptycho.errors import InfrastructureError

MAPPED_FROM_BYTES = 128 * 2**20
"""Smaller arrays are simply held: they cost less than the framework."""

AHEAD_ROWS = 512
"""Rows that are announced before they are read: a disk is fast only with many requests at a time."""

STREAMED_SHARE = 0.5
"""Of the memory that the system can give: a file that takes more is not streamed, it would push itself out again."""

_ROWS_AT_ONCE = 8
_STREAM_BYTES = 4 * 2**20
_MEMORY = Path("/proc/meminfo")


class ByRows(Protocol):
    """An array, or anything that is read by rows as one."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def __getitem__(self, indices: NDArray[np.intp], /) -> Any: ...


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """
    An array to be filled: in memory, or a large one in a file of TMPDIR that has no name and goes with the array.

    Raises:
        InfrastructureError: no space for it in TMPDIR.
    """
    kind = np.dtype(dtype)
    nbytes = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    if nbytes < MAPPED_FROM_BYTES:
        return np.empty(shape, dtype=kind)
    with tempfile.TemporaryFile(prefix="ptycho-frames-") as file:
        try:
            # All of it now: a disk that fills up under a map kills the process instead of raising an error.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, nbytes)
            else:
                file.truncate(nbytes)
        except OSError as error:
            raise InfrastructureError(
                f"no space for {nbytes} bytes of the scan in {tempfile.gettempdir()}: {error.strerror}; "
                "free some, point TMPDIR at another disk, or store the file uncompressed in the canonical layout"
            ) from error
        return np.frombuffer(mmap.mmap(file.fileno(), nbytes), dtype=kind).reshape(shape)


def in_file(path: Path, offset: int, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """
    Part of a file as a read-only array, which is read where and when it is looked at.

    The file must stay as it is: one that is cut short meanwhile ends the process.
    """
    kind = np.dtype(dtype)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(mapped, dtype=kind, count=count, offset=offset).reshape(shape)


def release(array: object) -> None:
    """
    Drop the mapped pages of an array; they are read again when they are looked at. Nothing happens to anything else.

    The maps here are shared ones: what was written into them is in the file and is not lost.
    """
    mapped = _map(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def is_mapped(array: object) -> bool:
    """Whether an array lies in a file, and each page that is looked at counts as memory until it is released."""
    return _map(array) is not None


def rows(array: ByRows, indices: NDArray[np.intp]) -> NDArray[Any]:
    """Copies of some rows, few at a time: a touch of one page of a map may bring in two megabytes around it."""
    found = np.empty((len(indices), *array.shape[1:]), array.dtype)
    for start in range(0, len(indices), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        found[part] = array[indices[part]]
        release(array)
    return found


class Rows:
    """
    Rows of a large `.npy` file by number, each read into place by one call; a context manager.

    Meanwhile the whole file is streamed into the page cache, if that can hold it and most of it will be read; otherwise
    rows that will be read soon are to be announced.

    Args:
        path: the file.
        array: its map, which knows shape and type.
        wanted: how many rows will be read.

    Attributes:
        streamed: whether it is streamed.
    """

    def __init__(self, path: Path, array: NDArray[Any], *, wanted: int = 0) -> None:
        self._shape, self._dtype = array.shape[1:], array.dtype
        self._bytes = array.nbytes // len(array)
        self._file = os.open(path, os.O_RDONLY)
        self._first = os.fstat(self._file).st_size - array.nbytes
        self.streamed = 2 * wanted >= len(array) and array.nbytes <= STREAMED_SHARE * _available()
        self._closing = threading.Event()
        self._streamer = threading.Thread(target=self._stream, name="stream", daemon=True)

    def __enter__(self) -> Self:
        if self.streamed:
            self._streamer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self.streamed:
            self._streamer.join()
        os.close(self._file)

    def _stream(self) -> None:
        part, at = bytearray(_STREAM_BYTES), 0
        # What cannot be read here is an error where it is wanted.
        with contextlib.suppress(OSError):
            while not self._closing.is_set() and (got := os.preadv(self._file, [part], at)):
                at += got

    def announce(self, indices: NDArray[np.int64]) -> None:
        """Let the system read these rows while others are in use; nothing happens where all are streamed."""
        if not self.streamed and hasattr(os, "posix_fadvise"):
            for index in indices.ravel().tolist():
                os.posix_fadvise(self._file, self._first + index * self._bytes, self._bytes, os.POSIX_FADV_WILLNEED)

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """
        `(…, *row)`, the same bytes as `numpy.take` of the array along its first axis.

        Raises:
            InfrastructureError: the file is shorter than it was.
        """
        out = np.empty((indices.size, *self._shape), dtype=self._dtype)
        for row, index in zip(out, indices.ravel().tolist(), strict=True):
            if os.preadv(self._file, [row], self._first + index * self._bytes) != self._bytes:
                raise InfrastructureError(f"row {index} of a store cannot be read whole; remove the store, run again")
        return out.reshape(*indices.shape, *self._shape)


def _available() -> int:
    """Bytes that the system can give without paging, or 0 where it does not say."""
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text(encoding="ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return 0


def _map(array: object) -> mmap.mmap | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, mmap.mmap) else None
