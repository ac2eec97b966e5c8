"""
Removing a tree without ever leaving it.

`shutil.rmtree` follows a bind mount and, on a swapped parent, a path. This walk starts from a handle of a folder that
is trusted, opens every level relative to its parent's handle without following links, and does not enter a directory
of another mount: what is mounted into scratch is left alone and reported.

An entry may be swapped between two looks at it. By name it is therefore only removed (which takes away a link and
never what it points to) or moved within the tree; permissions are changed through a handle whose mount is known by
then. What somebody else removed first is gone, as was wanted: two sweeps of one folder do not hinder each other.
"""

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEVELS = 64
"""Levels that are held open at a time. What lies deeper is moved up to the top first, still inside the tree."""

_PASSES = 3
"""A program that still writes into the tree, or swaps what is in it, is outlived a few times."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def _mount(descriptor: int) -> str:
    """Mount that an open file belongs to: its id on Linux (a bind mount has the same device), else the device."""
    if sys.platform == "linux":
        for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
            if line.startswith("mnt_id:"):
                return line
    return str(os.fstat(descriptor).st_dev)


@contextmanager
def opened(name: str | Path, *, inside: int | None = None) -> Iterator[int]:
    """
    A handle of a directory, by which what is in it can be named.

    Args:
        name: name of the directory: any path, or with `inside` one entry, which must be no link.
        inside: handle of the folder that holds it.

    Raises:
        OSError: it is not there, is not a directory, or may not be read.
    """
    descriptor = os.open(name, _FOLDER | (0 if inside is None else os.O_NOFOLLOW), dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _seen(name: str, inside: int) -> Iterator[int]:
    """A handle of an entry that is a directory and no link; on Linux even of one that may not be read."""
    if sys.platform == "linux":
        descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
    else:
        with contextlib.suppress(OSError):
            os.chmod(name, stat.S_IRWXU, dir_fd=inside, follow_symlinks=False)
        descriptor = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unlock(seen: int) -> None:
    """Let the owner read, change and enter a directory; what does not succeed shows when that is tried."""
    if sys.platform == "linux" and os.fstat(seen).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        with contextlib.suppress(OSError):
            # The link in /proc leads to what the handle holds, whatever has its name by now.
            Path(f"/proc/self/fd/{seen}").chmod(stat.S_IRWXU)


class _RemovalPass:
    """
    One pass over the tree below an entry.

    Args:
        parent: handle of the folder that holds it.
        shown: path of the entry, for messages.
    """

    def __init__(self, parent: int, shown: Path) -> None:
        self.mount = _mount(parent)
        self.refused: list[str] = []
        self._top = -1
        self._raised: list[str] = []
        self._remove(parent, shown.name, shown, 0, is_folder=True)

    def _remove(self, directory: int, name: str, shown: Path, level: int, *, is_folder: bool) -> bool:
        """Remove an entry with what is in it; returns whether it is gone."""
        try:
            if not is_folder:
                os.unlink(name, dir_fd=directory)
            elif self._emptied(directory, name, shown, level):
                os.rmdir(name, dir_fd=directory)
            else:
                return False  # what is left in it was named
        except FileNotFoundError:
            return True
        except OSError as error:
            self.refused.append(f"{shown}: {error.strerror}")
            return False
        return True

    def _emptied(self, directory: int, name: str, shown: Path, level: int) -> bool:
        with _seen(name, directory) as seen:
            if _mount(seen) != self.mount:
                self.refused.append(f"{shown}: another file system is mounted here")
                return False
            _unlock(seen)
            if level < LEVELS:
                with opened(".", inside=seen) as handle:
                    return self._empty(handle, shown, level)
        self._raised.append(f".deep-{secrets.token_hex(6)}")
        os.rename(name, self._raised[-1], src_dir_fd=directory, dst_dir_fd=self._top)
        return True

    def _empty(self, directory: int, shown: Path, level: int) -> bool:
        if level == 0:
            self._top = directory
        with os.scandir(directory) as scan:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan]
        # A list, so that one entry that must stay does not save the others.
        gone = [self._remove(directory, name, shown / name, level + 1, is_folder=is_dir) for name, is_dir in entries]
        while level == 0 and self._raised:
            name = self._raised.pop()
            gone.append(self._remove(directory, name, shown / name, 1, is_folder=True))
        return all(gone)


def remove_entry(parent: int, name: str, shown: Path) -> list[str]:
    """
    Remove a directory and what is in it, named by the folder that holds it.

    Args:
        parent: handle of that folder (`opened`).
        name: name of the directory. Absent is fine; a link or a file in its place is refused.
        shown: its path, for messages.

    Returns:
        What could not be removed, one sentence each; empty if nothing is left.
    """
    shown, refused = shown.with_name(name), list[str]()
    for _ in range(_PASSES):
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return []
        if not stat.S_ISDIR(status.st_mode):
            kind = "a link" if stat.S_ISLNK(status.st_mode) else "no directory"
            return [f"{shown}: not a directory of ours: it is {kind}"]
        refused = _RemovalPass(parent, shown).refused
        if not refused:
            break
    return refused


def remove_tree(path: Path) -> list[str]:
    """
    Remove a directory and what is in it, following no link below its parent and entering no other mount.

    Args:
        path: the directory; the path of its parent is trusted. Absent is fine; a link in its place is refused.

    Returns:
        What could not be removed, one sentence each; empty if nothing is left.
    """
    try:
        with opened(path.parent) as parent:
            return remove_entry(parent, path.name, path)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{path}: {error.strerror}"]
