"""
Writing into the folder of a run, in which a target's processes can write, too.

Every folder on the way is opened by name below the one before, and none may be a link; a file is made again under its
name, or takes its place by a rename. Whatever a target has put there, no file outside the run is opened or changed.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ptycho.errors import InfrastructureError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def folder(path: Path) -> Iterator[int]:
    """
    A handle of a folder.

    Args:
        path: absolute, without links (`RunRoot.path` is).

    Raises:
        OSError: a part of it is a link, no folder, or not there.
    """
    if not path.is_absolute():
        path = path.resolve()
    handle = os.open(path.anchor, _FOLDER)
    try:
        for part in path.parts[1:]:
            inner = os.open(part, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def create(path: Path) -> IO[bytes]:
    """
    A new and empty file. What has its name goes first: of a link the link, and never what it leads to.

    Raises:
        InfrastructureError: a folder on the way is a link or not there, or the name belongs to a folder.
    """
    try:
        with folder(path.parent) as parent:
            _note(path, parent)
            _remove(path.name, parent)
            return os.fdopen(os.open(path.name, _NEW, 0o644, dir_fd=parent), "wb")
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """
    A binary file that takes the place of `path` when the block ends well; else `path` stays as it was.

    Raises:
        InfrastructureError: as `create`; or the disk is full.
    """
    part = f".part-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with folder(path.parent) as parent:
            try:
                with os.fdopen(os.open(part, _NEW, 0o644, dir_fd=parent), "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                _note(path, parent)
                os.rename(part, path.name, src_dir_fd=parent, dst_dir_fd=parent)
                os.fsync(parent)
            finally:
                _remove(part, parent)
    except OSError as error:
        raise InfrastructureError(
            f"{str(path)!r} cannot be written: {error.strerror}; free space, or look for a link in the run's folder"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all; raises as `replacing` does."""
    with replacing(path) as file:
        file.write(text.encode("utf-8", errors="backslashreplace"))


def make(path: Path) -> None:
    """
    Make a folder in one that is there; one that is there already stays.

    Raises:
        InfrastructureError: something else has the name, or a folder on the way is a link.
    """
    try:
        with folder(path.parent) as parent:
            try:
                os.mkdir(path.name, dir_fd=parent)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode):
                    raise
    except OSError as error:
        raise InfrastructureError(f"the folder {path} cannot be made: {error.strerror}") from error


def shorten(path: Path, limit: int, kept: int) -> None:
    """
    Cut a file that has grown too long to its beginning and its end, with a line in between that says so.

    Args:
        path: the file.
        limit: bytes from which on it is cut.
        kept: bytes of either end that stay.
    """
    with contextlib.suppress(OSError), _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            head = file.read(kept)
            file.seek(size - kept)
            with replacing(path) as short:
                short.write(head + f"\n… {size - 2 * kept:,} bytes were left out here …\n".encode() + file.read(kept))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """
    A regular file of a run, open for reading without waiting for anybody.

    Raises:
        OSError: it is a link, no regular file, or not there.
    """
    with folder(path.parent) as parent:
        descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        yield file


def strange(run: Path) -> list[str]:
    """
    Return what lies in a run's folder and was not put there by the harness: links, named pipes, sockets, devices.

    Links that a file of the harness has replaced meanwhile are named, too.

    Args:
        run: the run's folder; its scratch, which belongs to the target, is left out.
    """
    found = {path for path in _replaced if path.is_relative_to(run)}
    for place in (run, run / "logs", run / "pictures", run / "reconstructions"):
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            found |= {
                Path(entry.path)
                for entry in entries
                if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False))
            }
    return [
        f"something was put into the run's folder that is not a file of the harness: {path}" for path in sorted(found)
    ]


_replaced: set[Path] = set()


def _note(path: Path, parent: int) -> None:
    """Remember a link that is about to be replaced."""
    with contextlib.suppress(OSError):
        if stat.S_ISLNK(os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode):
            _replaced.add(path)


def _remove(name: str, parent: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
