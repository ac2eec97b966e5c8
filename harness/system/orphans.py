"""
Processes of a dead run that its token does not show: with an empty environment, or gone before they can be listed.

What makes a process one of a run's, besides the token: its standard output or error is a log of the run, as the harness
gives them to every command; or it works in the run's scratch and has no environment at all, which no shell of a user
has. Linux only.

A process that starts its successor and ends at once has another pid at every look, but its process group stays, and a
signal to a group reaches every member, however fast it forks. So a pid is guessed from the last one that the kernel
gave, and what is read of it within microseconds names the group.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.system.identity import TOKEN_VARIABLE

_LOOK_S, _RESTLESS = 0.02, 4
_GUESS_S = 0.3
_AHEAD = 4


@dataclass(frozen=True, kw_only=True)
class Runs:
    """
    Dead runs, by what shows that a process is theirs.

    Attributes:
        folders: token to the run's folder, absolute and without links.
    """

    folders: Mapping[str, Path]

    def owner(self, pid: int) -> str | None:
        """Token of the run that a process belongs to, or None."""
        place = f"/proc/{pid}"
        environment = _read(f"{place}/environ")
        if environment is None:
            return None
        for line in environment.split(b"\0"):
            name, _, value = line.partition(b"=")
            if name == TOKEN_VARIABLE.encode():
                tokens = value.decode(errors="replace").split(":")
                return next((token for token in tokens if token in self.folders), None)
        for number in ("1", "2"):
            if (token := self._of(_target(f"{place}/fd/{number}"), "logs")) is not None and _is_written(pid, number):
                return token
        # A thread of the kernel has no environment either, but no command line.
        if environment == b"" and _read(f"{place}/cmdline"):
            return self._of(_target(f"{place}/cwd"), "scratch")
        return None

    def _of(self, path: str, part: str) -> str | None:
        return next((token for token, folder in self.folders.items() if path.startswith(f"{folder}/{part}/")), None)


def listed(runs: Runs) -> dict[int, str]:
    """Living processes of dead runs, each with the token of its run; this one is none of them."""
    found = {}
    for pid in map(int, filter(str.isdigit, _listed("/proc"))):
        if pid != os.getpid() and (token := runs.owner(pid)) is not None:
            found[pid] = token
    return found


def fleeting(runs: Runs, *, guess_s: float = _GUESS_S) -> dict[int, str]:
    """
    Process groups of dead runs whose members live too short to be listed, each with the token of its run.

    They are only looked for where pids are used up faster than usual.

    Args:
        runs: the dead runs.
        guess_s: how long to guess.
    """
    found: dict[int, str] = {}
    if sys.platform != "linux" or not runs.folders:
        return found
    before = _last_pid()
    time.sleep(_LOOK_S)
    if 0 <= _last_pid() - before < _RESTLESS:
        return found
    until = time.monotonic() + guess_s
    while time.monotonic() < until and not found:
        last = _last_pid()
        for pid in range(last, last + _AHEAD):
            group, session = _group(pid)
            if group in (0, 1, os.getpgrp()) or session == os.getsid(0):
                continue
            if (token := runs.owner(pid)) is not None:
                found[group] = token
    return found


def end_group(group: int) -> None:
    """Kill every member of a process group; one that forks meanwhile gives birth to nothing."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def end_fleeting(runs: Runs, hurry: Callable[[], bool], *, limit_s: float = 5.0) -> int:
    """
    End the processes of dead runs that live too short to be listed.

    Args:
        runs: the dead runs.
        hurry: whether to give up.
        limit_s: when to give up in any case.

    Returns:
        How many process groups were ended.
    """
    ended: set[int] = set()
    until = time.monotonic() + limit_s
    while time.monotonic() < until and not hurry() and (groups := fleeting(runs)):
        for group in groups:
            end_group(group)
        ended |= set(groups)
    return len(ended)


def _last_pid() -> int:
    """The pid that the kernel gave last in this namespace, 0 where it does not say."""
    return int((_read("/proc/loadavg") or b"0").split()[-1])


def _group(pid: int) -> tuple[int, int]:
    """Process group and session of a process, zeros if it is gone."""
    text = _read(f"/proc/{pid}/stat") or b""
    fields = text[text.rfind(b")") + 2 :].split()
    return (int(fields[2]), int(fields[3])) if len(fields) > 3 else (0, 0)


def _is_written(pid: int, number: str) -> bool:
    """Whether a descriptor of a process is open for writing."""
    for line in (_read(f"/proc/{pid}/fdinfo/{number}") or b"").splitlines():
        if line.startswith(b"flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _read(path: str) -> bytes | None:
    """Read what the kernel says in a file of `/proc`; None if the process is gone, or another user's."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - asked thousands of times a second
            return file.read()
    except OSError:
        return None


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208 - as above
    except OSError:
        return []


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - as above
    except OSError:
        return ""
