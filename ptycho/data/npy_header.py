"""
One member of an NPZ file, as its array header describes it.

The header is parsed by NumPy's public functions from a bounded prefix of the member's stream, so that a header that
claims four gigabytes costs sixteen kilobytes.
"""

import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

_HEADER_PREFIX = 16 * 1024
"""Bytes of a member that a header may take; NumPy itself refuses headers above 10,000."""

UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    TypeError,
    SyntaxError,
    OverflowError,
    MemoryError,
    tokenize.TokenError,
)
"""What the standard library and NumPy raise on a damaged or hostile member."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """
    One array as its header describes it.

    Attributes:
        key: canonical key, aliases resolved.
        filename: its name in the zip directory.
        shape: declared shape.
        dtype: declared dtype.
        fortran_order: whether the elements are stored first axis fastest.
        offset: bytes of magic and header before the elements.
        nbytes: bytes of the elements, expanded.
        stored: bytes of the member in the file, compressed.
    """

    key: str
    filename: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    offset: int
    nbytes: int
    stored: int


def read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str) -> Member:
    """
    Parse the header of one member.

    Args:
        archive: the open archive.
        info: the member's entry in the directory.
        key: the canonical key it means.

    Raises:
        Exception: one of `UNREADABLE`; `why_unreadable` puts it into words.
    """
    with archive.open(info) as stream:
        prefix = io.BytesIO(stream.read(_HEADER_PREFIX))
    shape, fortran_order, dtype = _parse(prefix)
    return Member(
        key=key,
        filename=info.filename,
        shape=shape,
        dtype=dtype,
        fortran_order=fortran_order,
        offset=prefix.tell(),
        nbytes=math.prod(shape) * dtype.itemsize,
        stored=info.compress_size,
    )


def _parse(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"array format {version}, which only structured arrays need; allowed: (1, 0), (2, 0)")
    with warnings.catch_warnings():
        # A Python 2 header, `(64L, 64L)`, is parsed correctly, with a warning that nobody can act on.
        warnings.filterwarnings("ignore", category=UserWarning)
        shape, fortran_order, dtype = readers[version](stream)
    if any(length < 0 for length in shape):
        raise ValueError(f"shape {shape} has a negative length")
    return shape, fortran_order, dtype


def why_unreadable(info: zipfile.ZipInfo, error: BaseException) -> str:
    """Return what one of `UNREADABLE` says about a member, and what to do."""
    if info.flag_bits & 0x1:
        return "is encrypted; allowed: plain members; write the file again without a password"
    if isinstance(error, zipfile.BadZipFile | zlib.error | EOFError):
        return f"is truncated or damaged ({error}); copy the file again"
    if isinstance(error, NotImplementedError):
        return f"uses a compression that cannot be read ({error}); allowed: stored, deflate"
    return f"has no valid array header ({error}); write it with numpy.savez"


def violations(member: Member, info: zipfile.ZipInfo) -> Iterator[str]:
    """Yield what is wrong with a header that could be parsed: pickled, or a size that is not the member's."""
    held = info.file_size - member.offset
    if member.dtype.hasobject:
        hint = "write the JSON text as a plain unicode array" if member.key == "_metadata" else "save a plain array"
        yield f"{member.filename} is a pickled object array, which is never loaded; {hint}"
    elif member.nbytes > held:
        yield (
            f"{member.filename}: the header, {member.dtype} {member.shape}, declares {member.nbytes:,} bytes, "
            f"larger than its data of {held:,}; the file is truncated or forged: write it again"
        )
    elif member.nbytes < held:
        yield (
            f"{member.filename}: the header, {member.dtype} {member.shape}, declares {member.nbytes:,} bytes, "
            f"but {held:,} follow; the header lies about its data: write it again"
        )
