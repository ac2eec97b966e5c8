"""
Snapshot of what must not change: HOME, TMPDIR, working directory and its parent of a trial, filled with bait.

The ledger of a lane lists size, time and inode, since it looks at places that others use. These belong to one trial
and to nobody else, so that every byte can be compared, and every difference is the run's.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

RUNS = ".harness"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - watched, not used


@dataclass(frozen=True, kw_only=True)
class Guard:
    """
    The places of one trial.

    Attributes:
        path: folder that holds them and nothing else.
    """

    path: Path

    @property
    def home(self) -> Path:
        """HOME."""
        return self.path / "home"

    @property
    def tmp(self) -> Path:
        """TMPDIR."""
        return self.path / "tmp"

    @property
    def cwd(self) -> Path:
        """Working directory."""
        return self.path / "workspace" / "cwd"

    @property
    def root(self) -> Path:
        """The one folder in it that may change: the workspace's folder for runs."""
        return self.cwd / RUNS

    def make(self) -> "Guard":
        """Make the places, and in each what a careless clean-up, tracker or cache would touch."""
        for folder in (self.home / ".config", self.tmp, self.cwd / "mlruns" / "0", self.cwd.parent):
            folder.mkdir(parents=True, exist_ok=True)
        (self.home / ".config" / "settings.toml").write_text("theme = 'dark'\n")
        (self.tmp / "memmap-of-a-neighbour.bin").write_bytes(bytes(range(256)) * 16)
        (self.cwd / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")
        (self.cwd / "notes with spaces.txt").write_text("do not touch\n")
        (self.cwd / "to-the-neighbour").symlink_to(self.tmp / "memmap-of-a-neighbour.bin")
        (self.cwd.parent / "sibling.npz").write_bytes(b"not ours")
        os.link(self.cwd.parent / "sibling.npz", self.cwd / "second-name.npz")
        return self


State = dict[str, tuple[object, ...]]
"""Path to everything about it that may not change."""


def state(guard: Guard) -> State:
    """
    Every path of the places, with type, mode, owner, inode, and for files size, time and sha256.

    A folder's time is left out: it changes when a file is made in it and removed again, which changes no byte.
    """
    found: State = {}
    for folder, names, files in os.walk(guard.path):
        if Path(folder) == guard.cwd and RUNS in names:
            names.remove(RUNS)
        for name in (*names, *files):
            path = Path(folder, name)
            status = path.lstat()
            kind = stat.S_IFMT(status.st_mode)
            known: tuple[object, ...] = (oct(status.st_mode), status.st_uid, status.st_ino)
            if kind == stat.S_IFREG:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                known += (status.st_size, status.st_mtime_ns, status.st_nlink, digest)
            elif kind == stat.S_IFLNK:
                known += (str(path.readlink()),)
            found[str(path.relative_to(guard.path))] = known
    return found


def differences(before: State, after: State) -> list[str]:
    """Return what is new, gone or changed, one path each with which of the three."""
    paths = sorted(before.keys() | after.keys())
    found = []
    for path in paths:
        if before.get(path) != after.get(path):
            what = "new" if path not in before else "gone" if path not in after else "changed"
            found.append(f"{what}: {path}")
    return found


def shared_memory(names: frozenset[str]) -> list[str]:
    """Entries of `/dev/shm` that carry one of some names: the run's token, the pids of its processes."""
    if not SHARED_MEMORY.is_dir():
        return []
    entries = sorted(SHARED_MEMORY.iterdir())
    return [f"new: {entry}" for entry in entries if _words(entry.name) & names]


def _words(text: str) -> frozenset[str]:
    """The runs of letters and digits in a name."""
    return frozenset("".join(sign if sign.isalnum() else " " for sign in text).split())
