"""
Removing a tree without ever leaving it.

`shutil.rmtree` follows a bind mount and, on a swapped parent, a path. This walk starts from a handle of the directory,
opens every level relative to its parent's handle without following links, and does not enter a directory of another
mount: what is mounted into scratch is left alone and reported.
"""

import os
import stat
import sys
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _mount(descriptor: int) -> str:
    """Mount that an open file belongs to: its id on Linux (a bind mount has the same device), else the device."""
    if sys.platform == "linux":
        for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
            if line.startswith("mnt_id:"):
                return line
    return str(os.fstat(descriptor).st_dev)


def _empty(directory: int, shown: Path, mount: str, refused: list[str]) -> None:
    """Remove everything in an open directory, noting in `refused` what had to stay and why."""
    with os.scandir(directory) as scan:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan]
    for name, is_directory in entries:
        path = shown / name
        try:
            if not is_directory:
                os.unlink(name, dir_fd=directory)
                continue
            if not stat.S_IMODE(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode) & stat.S_IRWXU:
                # Not through a link: the parent's handle is held and the entry was seen to be a directory.
                os.chmod(name, stat.S_IRWXU, dir_fd=directory)
            child = os.open(name, _OPEN, dir_fd=directory)
            try:
                if _mount(child) != mount:
                    refused.append(f"{path}: another file system is mounted here")
                    continue
                os.fchmod(child, stat.S_IRWXU)
                _empty(child, path, mount, refused)
            finally:
                os.close(child)
            os.rmdir(name, dir_fd=directory)
        except OSError as error:
            refused.append(f"{path}: {error.strerror}")


def remove_tree(path: Path) -> list[str]:
    """
    Remove a directory and what is in it, following no link and entering no other mount.

    Args:
        path: the directory. Absent is fine; a link in its place is refused.

    Returns:
        What could not be removed, one sentence each; empty if nothing is left.
    """
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    refused: list[str] = []
    try:
        try:
            directory = os.open(path.name, _OPEN, dir_fd=parent)
        except FileNotFoundError:
            return []
        except OSError as error:
            return [f"{path}: not a directory of ours: {error.strerror}"]
        try:
            if _mount(directory) != _mount(parent):
                return [f"{path}: another file system is mounted here"]
            _empty(directory, path, _mount(directory), refused)
        finally:
            os.close(directory)
        if not refused:
            os.rmdir(path.name, dir_fd=parent)
    finally:
        os.close(parent)
    return refused
