"""
A control group (cgroup v2) of each command, where this process may make one: the kernel then ends all of it at once.

A process stays in the group of its parent whatever it forks, whatever session, name, environment or parent it has; only
writing to the file system of the groups takes it out. Where there is no group (no cgroup v2, not writable, a kernel
before 5.14), `harness.system.identity` and `orphans` find what they can.

A command is in its group from its first instruction on: this process enters the group, starts it, and leaves again.
"""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.system import identity

NAME = "ptycho-"
"""Begins the name of a group: `ptycho-TOKEN-NUMBER`."""
_PROC = Path("/proc/self")
_LIMIT_S = 5.0
_YOUNG_S = 60.0
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


def mounts() -> list[tuple[Path, str]]:
    """Find where file systems of control groups are mounted, and the group at the root of each."""
    found = []
    with contextlib.suppress(OSError):
        for line in (_PROC / "mountinfo").read_text(errors="surrogateescape").splitlines():
            fields, _, kind = line.partition(" - ")
            if kind.startswith("cgroup2 "):
                root, place = fields.split()[3:5]
                found.append((Path(_unescaped(place)), _unescaped(root)))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def own() -> Path | None:
    """The folder of the group that this process is in, or None if it cannot be seen."""
    try:
        lines = (_PROC / "cgroup").read_text().splitlines()
    except OSError:
        return None
    named = next((line[3:] for line in lines if line.startswith("0::")), None)
    for place, root in mounts():
        # `/..`: a group above the root of this process' cgroup namespace.
        if named is not None and not named.startswith("/..") and (named + "/").startswith(root.rstrip("/") + "/"):
            return place / named[len(root.rstrip("/")) :].lstrip("/")
    return None


@dataclass(frozen=True, kw_only=True)
class ControlGroup:
    """
    A control group of a command.

    Attributes:
        path: its folder.
    """

    path: Path

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This process in the group, and with it what it starts; afterwards in the one above again."""
        _write(self.path / "cgroup.procs", "0")
        try:
            yield
        finally:
            _write(self.path.parent / "cgroup.procs", "0")

    @property
    def populated(self) -> bool:
        """Whether a process lives in it, or in one below."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text().splitlines()
        except OSError:
            return False

    def pids(self) -> list[int]:
        """Processes in it and in those below, as far as this process can see them."""
        found: list[int] = []
        for folder in self._folders():
            with contextlib.suppress(OSError, ValueError):
                found += map(int, (folder / "cgroup.procs").read_text().split())
        return found

    def end(self) -> list[str]:
        """
        Kill everything in it, and remove it.

        Returns:
            What could not be done, a sentence each.
        """
        if os.getpid() in self.pids():
            return [f"the control group {self.path} is not ended: this process is in it"]
        try:
            if self.populated:
                _write(self.path / "cgroup.kill", "1")
            until = time.monotonic() + _LIMIT_S
            while self.populated and time.monotonic() < until:
                time.sleep(0.01)
            for folder in reversed(self._folders()):
                folder.rmdir()
        except FileNotFoundError:
            return []
        except OSError as error:
            return [f"the control group {self.path} is not removed: {error.strerror}"]
        return []

    def _folders(self) -> list[Path]:
        """It and those below, each after the one that it lies in."""
        return [Path(place) for place, _, _ in os.walk(self.path)]


def make(token: str) -> ControlGroup | None:
    """
    A new and empty group below the one that this process is in, or None where none can be made.

    Args:
        token: of the run or the command; the group is found by it.
    """
    if (above := own()) is None:
        return None
    _remove_old(above)
    group = ControlGroup(path=above / f"{NAME}{re.sub(r'[^0-9A-Za-z]', '-', token)}-{secrets.token_hex(4)}")
    try:
        group.path.mkdir()
    except OSError:
        return None
    try:
        # Before Linux 5.14 there is no such file. Written: whether this process may also come back.
        os.close(os.open(group.path / "cgroup.kill", os.O_WRONLY | _FLAGS))
        os.close(os.open(above / "cgroup.procs", os.O_WRONLY | _FLAGS))
        with group.entered():
            pass
    except OSError:
        with contextlib.suppress(OSError):
            group.path.rmdir()
        return None
    return group


def _remove_old(above: Path) -> None:
    """Remove empty groups of runs that were killed, and whose folder nobody can sweep any more."""
    with contextlib.suppress(OSError):
        for path in above.glob(f"{NAME}*"):
            # The kernel refuses where a process is in it; a young one may be about to be entered.
            if time.time() - path.stat().st_mtime > _YOUNG_S and not ControlGroup(path=path).populated:
                path.rmdir()


def is_of(name: str, token: str) -> bool:
    """Whether a group with a name is one of a run."""
    return name.startswith(f"{NAME}{token}-")


def names() -> tuple[str, ...]:
    """Names of all groups of runs that can be seen from here."""
    return tuple(path.name for path in _seen())


def find(token: str) -> list[ControlGroup]:
    """
    Groups of a run, wherever they can be seen from here.

    They are looked for by name where the kernel shows groups, and nowhere else: no file says where they are.

    Args:
        token: of the run.
    """
    return [ControlGroup(path=path) for path in _seen() if is_of(path.name, token)]


def _seen() -> list[Path]:
    found: dict[int, Path] = {}
    for place, _ in mounts():
        for folder, inner, _ in os.walk(place):
            named = [name for name in inner if name.startswith(NAME)]
            for path in (Path(folder, name) for name in named):
                with contextlib.suppress(OSError):
                    found.setdefault(path.stat().st_ino, path)  # it may be mounted in two places
    return list(found.values())


def end_rest(group: ControlGroup) -> tuple[str, ...]:
    """End what a command left in its group after everything else was tried; what there was, in words."""
    left = group.pids() if group.populated else []
    described = [identity.describe(found) for pid in left if (found := identity.handle(pid)) is not None]
    if group.populated and not described:
        described = ["processes that live too short to be named"]
    return (*described, *group.end())


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | _FLAGS)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
