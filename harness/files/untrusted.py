"""
Reading what a target left: hostile data, whatever it is called.

A file is opened without waiting for anybody, must be a regular one, and has a bound on its bytes, of an archive also
after they are expanded. Whatever is wrong with it is one error, which is a finding of the fixture and ends nothing
else. Text that is shown cannot command the terminal or the service that reads the output.
"""

import os
import re
import stat
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ptycho.errors import PtychoError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TEXT = 64 * 2**20
"""Bytes of a document, for example of JSON or XML."""

MAX_ARRAYS = 2 * 2**30
"""Bytes of all arrays of a file together, expanded."""

MAX_PIXELS = 2**26
"""Pixels of a picture."""

TAIL = 2**17
"""Bytes of an output's end that are looked at."""

LINE = 2000
"""Characters of a line that are shown: its end, since errors end with what matters."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """
    A regular file, open for reading.

    Raises:
        PtychoError: it is not there, is not a regular file, or may not be read.
    """
    try:
        # Without the flag, opening a named pipe waits for somebody who writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise PtychoError(f"{path} cannot be read: {_reason(error)}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        kind = _kind(descriptor)
        os.close(descriptor)
        raise PtychoError(f"{path} cannot be read: it is not a regular file, but {kind}")
    with os.fdopen(descriptor, "rb") as file:
        yield file


class LacksArraysError(PtychoError):
    """An NPZ file that lacks arrays that were asked for: `missing` names them."""

    def __init__(self, sentence: str, missing: list[str]) -> None:
        super().__init__(sentence)
        self.missing = missing


def read_bytes(path: Path, limit: int = MAX_TEXT) -> bytes:
    """
    All of a file.

    Raises:
        PtychoError: it cannot be read, or holds more than the limit.
    """
    with opened(path) as file:
        try:
            content = file.read(limit + 1)
        except OSError as error:
            raise PtychoError(f"{path} cannot be read: {_reason(error)}") from error
    if len(content) > limit:
        raise PtychoError(f"{path} holds more than {limit:,} bytes; allowed: {limit:,}")
    return content


def read_text(path: Path, limit: int = MAX_TEXT) -> str:
    """All of a text file, UTF-8; what is none is replaced. Raises as `read_bytes` does."""
    return read_bytes(path, limit).decode("utf-8", errors="replace")


def read_end(path: Path, lines: int) -> str:
    """
    The last lines of an output as they may be shown; a long line is cut to its end. Empty if it cannot be read.

    Args:
        path: the output.
        lines: how many.
    """
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL))
            text = file.read(TAIL).decode("utf-8", errors="replace")
    except (OSError, PtychoError):
        return ""
    shown = text.splitlines()[-lines:]
    return "\n".join(line if len(line) <= LINE else f"…{line[-LINE:]}" for line in map(plain, shown))


def read_arrays(path: Path, names: Collection[str] | None = None) -> "dict[str, NDArray[Any]]":
    """
    Arrays of an NPZ file.

    Args:
        path: the file.
        names: names of the arrays that are wanted; all of them if None.

    Raises:
        PtychoError: it cannot be read, lacks one of them, holds objects, or more than `MAX_ARRAYS` bytes of them.
    """
    from ptycho.data import npy_header, npz_reader

    with opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                if names is not None and (missing := [name for name in names if name not in infos]):
                    raise LacksArraysError(f"{path} lacks {missing}; it holds {sorted(infos)[:20]}", missing)
                wanted = list(infos) if names is None else list(dict.fromkeys(names))
                members = {name: npy_header.read(archive, infos[name], name) for name in wanted}
                if objects := sorted(name for name, member in members.items() if member.dtype.hasobject):
                    raise PtychoError(f"{path} holds Python objects ({', '.join(objects)}); allowed: plain arrays")
                expanded = sum(member.nbytes for member in members.values())
                if expanded > MAX_ARRAYS:
                    raise PtychoError(f"{path} holds {expanded:,} bytes of arrays; allowed: {MAX_ARRAYS:,}")
                return {name: npz_reader.read(archive, member) for name, member in members.items()}
        except (OSError, *npy_header.UNREADABLE) as error:
            raise PtychoError(f"{path} is not an NPZ file of plain arrays: {_reason(error)}") from error


def read_array(path: Path, name: str = "") -> "NDArray[Any]":
    """
    One array, of an NPY file or, by its name, of an NPZ file. Raises as `read_arrays` does.

    Args:
        path: the file.
        name: name of the array in an NPZ file.
    """
    import numpy as np
    from numpy.lib import format as npy

    from ptycho.data import npy_header

    with opened(path) as file:
        magic = file.read(len(npy.MAGIC_PREFIX))
        if magic != npy.MAGIC_PREFIX:
            return read_arrays(path, [name])[name]
        try:
            file.seek(0)
            version = npy.read_magic(file)
            header = {(1, 0): npy.read_array_header_1_0}.get(version, npy.read_array_header_2_0)
            shape, _, dtype = header(file)
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            left = os.fstat(file.fileno()).st_size - file.tell()
            if dtype.hasobject or size > min(left, MAX_ARRAYS):
                raise PtychoError(f"{path} is {dtype} {shape}; allowed: plain numbers that are in the file")
            file.seek(0)
            return np.asarray(np.load(file, allow_pickle=False))
        except (OSError, *npy_header.UNREADABLE) as error:
            raise PtychoError(f"{path} is not an NPY file of a plain array: {_reason(error)}") from error


def read_picture(path: Path) -> "NDArray[Any]":
    """
    A picture's values, 0 to 1.

    Raises:
        PtychoError: it cannot be read, or has more than `MAX_PIXELS` pixels.
    """
    import numpy as np
    from PIL import Image

    with opened(path) as file:
        try:
            with Image.open(file) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    size = f"{picture.width} × {picture.height}"
                    raise PtychoError(f"the picture {path} has {size} pixels; allowed: {MAX_PIXELS:,} in all")
                values = np.asarray(picture.convert("RGB") if picture.mode in ("P", "CMYK", "1") else picture)
        except PtychoError:
            raise
        except Exception as error:  # decoders raise whatever they like at a damaged file
            raise PtychoError(f"the picture {path} cannot be read: {_reason(error)}") from error
    largest = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1
    return np.asarray(values, np.float64) / largest


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]")
"""Control characters but for the tab and the end of a line, and those that turn the direction of text."""

_COMMANDS = re.compile(r"^(\s*)(?=::|##\[)|(?<=#)(?=#\[)", re.MULTILINE)
"""Where a line begins as a command to a CI service begins."""


def plain(text: str) -> str:
    """Text without anything that a terminal or a CI service would obey: it is shown as what it is."""
    return _COMMANDS.sub(lambda found: f"{found[1] or ''}| ", _CONTROLS.sub(_escaped, text.replace("\r\n", "\n")))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or plain(str(error)) or type(error).__name__


def _kind(descriptor: int) -> str:
    mode = os.fstat(descriptor).st_mode
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISDIR, "a folder"), (stat.S_ISCHR, "a device"))
    return next((word for test, word in kinds if test(mode)), "something else")
