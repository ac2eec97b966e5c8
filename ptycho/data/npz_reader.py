"""
Reading the members of an examined NPZ file into canonical arrays, block by block.

A member is streamed through one small buffer into the array it ends in, converted on the way. A legacy float64 file
therefore costs its canonical float32 array and little more, where `numpy.load` and a transposed copy would cost
three to five times that.
"""

import json
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ptycho.data import mapped_arrays
from ptycho.data.formats.opened import Arrays
from ptycho.data.npy_header import Member

BLOCK_BYTES = 8 * 2**20
MAX_METADATA_BYTES = 4 * 2**20

_LENGTHS_AT = 26
"""Where a member's own header says how long its name and its extra fields are; the data comes after those."""

Convert = Callable[[NDArray[Any]], NDArray[Any]]


def fill(archive: zipfile.ZipFile | Arrays, member: Member, out: NDArray[Any], convert: Convert | None = None) -> None:
    """
    Stream one member into an array.

    Args:
        archive: the open archive, or the arrays of another format.
        member: what to read, with the header that the preflight parsed.
        out: array, or transposed view, of the member's shape; it decides the dtype.
        convert: applied to each block before it is written; blocks run along the slowest axis of the file.

    Raises:
        EOFError: the member ends before its data does, or goes on after it.
        zipfile.BadZipFile: its checksum is wrong.
    """
    if isinstance(archive, Arrays):
        archive.fill(member, out, convert)
        return
    # Fortran order is C order of the reversed axes: the stream always runs along the first axis of this view.
    view = out.T if member.fortran_order else out
    with archive.open(member.filename) as stream:
        _exactly(stream, member.offset)
        # Values beyond float32 become infinite here; the contract then refuses them by name.
        with np.errstate(over="ignore"):
            for part, block in _blocks(stream, view.shape, member.dtype):
                view[part] = block if convert is None else convert(block)
                mapped_arrays.release(out)
        if stream.read(1):  # reading past the end is also what makes zipfile compare the checksum
            raise EOFError("data after the end of the array")


def read(archive: zipfile.ZipFile | Arrays, member: Member, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """One member in its own shape, C order, as `dtype` or its own."""
    out = mapped_arrays.empty(member.shape, member.dtype if dtype is None else dtype)
    fill(archive, member, out)
    return out


def in_place(archive: zipfile.ZipFile | Arrays, member: Member, path: Path, *, scan_bytes: int) -> NDArray[Any] | None:
    """
    An uncompressed member of a large scan where it lies in the file, or None where it must be read out of it.

    It is streamed past once all the same, since its checksum has to be right.

    Args:
        archive: the open archive.
        member: what to map, in C order.
        path: the archive's file.
        scan_bytes: size of the scan's frames: beside large ones a small member is not held in memory, either.

    Raises:
        zipfile.BadZipFile: its checksum is wrong.
    """
    if isinstance(archive, Arrays):
        return None
    info = archive.getinfo(member.filename)
    if info.compress_type != zipfile.ZIP_STORED or scan_bytes < mapped_arrays.MAPPED_FROM_BYTES:
        return None
    with archive.open(info) as stream:
        while stream.read(BLOCK_BYTES):
            pass
    with path.open("rb") as file:
        file.seek(info.header_offset + _LENGTHS_AT)
        lengths = struct.unpack("<HH", file.read(4))
    start = info.header_offset + _LENGTHS_AT + 4 + sum(lengths) + member.offset
    return mapped_arrays.in_file(path, start, member.shape, member.dtype)


def read_metadata(archive: zipfile.ZipFile, member: Member) -> Mapping[str, Any]:
    """
    The JSON object in a `_metadata` member.

    Raises:
        ValueError: it is not JSON in one plain unicode string.
    """
    size = int(np.prod(member.shape))
    if member.dtype.kind != "U" or size != 1 or member.nbytes > MAX_METADATA_BYTES:
        raise ValueError(f"is {member.dtype} {member.shape}; allowed: JSON text in one plain unicode string")
    text = str(read(archive, member).reshape(-1)[0])
    try:
        metadata = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error}); write json.dumps of a dictionary") from error
    if not isinstance(metadata, dict):
        raise ValueError(f"holds a JSON {type(metadata).__name__}; allowed: an object, written by json.dumps(dict)")
    return metadata


def _refuse_constant(name: str) -> None:
    """NaN and Infinity, which Python's parser takes and JSON has not."""
    raise ValueError(f"{name} is not a JSON value")


def _blocks(
    stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Iterator[tuple[slice | tuple[()], NDArray[Any]]]:
    if not shape:
        yield (), np.frombuffer(_exactly(stream, dtype.itemsize), dtype=dtype).reshape(shape)
        return
    row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
    rows = max(1, BLOCK_BYTES // max(row_bytes, 1))
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        data = _exactly(stream, (stop - start) * row_bytes)
        yield slice(start, stop), np.frombuffer(data, dtype=dtype).reshape(stop - start, *shape[1:])


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"it ends {size - len(data):,} bytes early")
    return data
