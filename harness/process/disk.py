"""
Room on the file systems that a run writes to: it ends while there is still enough to say why.

A disk that is really full takes the event log, the outcome and other people's work with it. The floor is small on a
small file system, so that it can be used at all.
"""

import os
from collections.abc import Iterable
from pathlib import Path

FLOOR_MIB = 256
FLOOR_INODES = 1000
SHARE = 0.05
"""Of the file system, where that is less than the floors above."""


class Disk:
    """
    Watches file systems.

    Args:
        folders: folders that must keep some room; several on one file system are watched once, and one that
            is not there is for those to complain of who need it.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list({folder.stat().st_dev: folder for folder in folders if folder.is_dir()}.values())

    def complaint(self) -> str | None:
        """Return what is below its floor (<), with the figures; None if nothing is."""
        found = [sentence for folder in self._folders for sentence in _short(folder)]
        return "; ".join(found) or None


def _short(folder: Path) -> Iterable[str]:
    status = os.statvfs(folder)
    free_mib, total_mib = (blocks * status.f_frsize / 2**20 for blocks in (status.f_bavail, status.f_blocks))
    floor_mib = min(FLOOR_MIB, SHARE * total_mib)
    if free_mib < floor_mib:
        yield (
            f"the disk is almost full: {free_mib:.1f} of {total_mib:.0f} MiB free on the file system of {folder}, "
            f"needed: {floor_mib:.1f}; make room, or put the run elsewhere (--root)"
        )
    # Some file systems make inodes as they need them, and count none.
    floor = min(FLOOR_INODES, SHARE * status.f_files)
    if status.f_files and status.f_favail < floor:
        yield (
            f"the disk has almost no inodes left: {status.f_favail} of {status.f_files} on the file system of "
            f"{folder}, needed: {floor:.0f}; remove small files, or put the run elsewhere (--root)"
        )
