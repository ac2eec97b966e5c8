"""
Identity of a process, and the end of a whole tree of them.

A pid alone is not an identity: it is reused. A process is its pid, its start time and the boot it belongs to; one whose
start time differs is a stranger and is never signalled. Descendants are found in three ways, because each misses some:
the process group (misses `setsid`), parentage (misses a double fork), and a token in the environment (misses a child
that clears its environment).
"""

import contextlib
import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

TOKEN_VARIABLE = "PTYCHO_HARNESS_TOKEN"  # noqa: S105 - the name of a variable, not a secret


@dataclass(frozen=True, kw_only=True)
class Identity:
    """
    A process, distinguished from a later one with the same pid.

    Attributes:
        pid: process id.
        started: start time as the platform counts it (clock ticks since boot on Linux).
        boot: id of the boot, or `""` where the platform has none.
    """

    pid: int
    started: str
    boot: str


def boot_id() -> str:
    """Id of the running boot, `""` where the platform has none."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def machine_id() -> str:
    """Id of the installation, the same after every boot, `""` where there is none."""
    path = Path("/etc/machine-id")
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def pid_space() -> str:
    """Names the kernel and the pid namespace in which this process' pids mean something; has no `-` in it."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{boot_id()} {namespace}".encode()).hexdigest()[:12]


def start_time(pid: int) -> str | None:
    """
    Start time of a process, or None if there is no such process.

    Linux counts in ticks since boot, which no clock jump moves; elsewhere psutil's creation time serves.
    """
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in ("Z", "X") else rest[18]
    else:  # noqa: RET505 - not a plain return: mypy takes what follows for unreachable here
        import psutil

        try:
            return str(psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None


def identify(pid: int) -> Identity:
    """The identity of a living process."""
    started = start_time(pid)
    if started is None:
        raise ProcessLookupError(f"no process {pid}")
    return Identity(pid=pid, started=started, boot=boot_id())


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs, and not a stranger under its pid."""
    return identity.boot == boot_id() and start_time(identity.pid) == identity.started


def with_token(token: str) -> "list[psutil.Process]":
    """Processes of this user, but this one, whose environment carries a run's token."""
    import psutil

    found = []
    for process in _candidates(token):
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and token in process.environ().get(TOKEN_VARIABLE, "").split(":"):
                found.append(process)
    return found


def _candidates(token: str) -> "Iterator[psutil.Process]":
    """Processes that may carry a token: where the kernel shows environments, those with its bytes somewhere in it."""
    import psutil

    if sys.platform != "linux":
        yield from psutil.process_iter()
        return
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    for pid in pids:
        # Ended since it was listed, or another user's: none of ours in either case.
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if token.encode() in Path(f"/proc/{pid}/environ").read_bytes():
                yield psutil.Process(pid)


def handle(pid: int) -> "psutil.Process | None":
    """A process to signal, or None if it is gone."""
    import psutil

    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def descendants(pid: int) -> "list[psutil.Process]":
    """Children of a process, theirs, and so on; none if it is gone."""
    import psutil

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def describe(process: "psutil.Process") -> str:
    """A process for a message: pid and command line."""
    import psutil

    try:
        return f"{process.pid} ({' '.join(process.cmdline())[:120] or process.name()})"
    except psutil.Error:
        return f"{process.pid} (ended)"


def end(find: "Callable[[], list[psutil.Process]]", *, grace_s: float, hurry: Callable[[], bool]) -> None:
    """
    End processes: SIGTERM, a time of grace, SIGKILL; again for those that were born meanwhile.

    psutil compares start times before it signals, so that a reused pid is left alone.

    Args:
        find: lists those that are alive; asked again after each round.
        grace_s: seconds between SIGTERM and SIGKILL.
        hurry: whether to skip what is left of the grace.
    """
    import psutil

    deadline = time.monotonic() + grace_s
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL):
        victims = find()
        if not victims:
            return  # and nobody is left who could have children
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(number)
                if number == signal.SIGTERM:
                    victim.send_signal(signal.SIGCONT)  # one that was stopped cannot take its leave otherwise
        alive = victims
        until = deadline if number == signal.SIGTERM else time.monotonic() + 2
        while alive and time.monotonic() < until and not (number == signal.SIGTERM and hurry()):
            time.sleep(0.02)
            # psutil's own wait would reap a child of ours, and its exit code would be lost to whoever started it.
            alive = [process for process in alive if start_time(process.pid) is not None]


def own_children() -> list[int]:
    """Direct children of this process, those included that have ended and were not waited for. Linux only."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - this is asked thousands of times a second
            with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    return found


def end_adopted(
    is_spared: Callable[[int], bool], is_alone: Callable[[], bool], *, quiet_s: float = 0.05, limit_s: float = 10.0
) -> tuple[int, bool]:
    """
    End adopted orphans that hand on to a child of theirs faster than processes can be listed.

    Each generation is a child of this process (`adopt_orphans`) until it is waited for, so its pid cannot be
    another's; and its process group has only descendants of the same command in it. Commands have sessions of their
    own: what is in the session of this process is not a descendant of a command, and not touched. What is there at the
    first look is only waited for if it has ended: an ordinary helper takes its leave like that.

    Args:
        is_spared: whether a child belongs to somebody else.
        is_alone: whether no other command runs, whose orphans these may be; asked again and again.
        quiet_s: how long no new one may come until all are taken to be gone.
        limit_s: when to give up.

    Returns:
        How many came after the first look, and whether they have stopped coming.
    """
    count, began, own = 0, time.monotonic(), os.getsid(0)
    old = set(own_children())
    until = began + quiet_s
    while (now := time.monotonic()) < until and is_alone():
        if now - began > limit_s:
            return count, False
        for pid in own_children():
            with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                if os.getsid(pid) == own or is_spared(pid):
                    continue
                if pid not in old:
                    count, until = count + 1, now + quiet_s
                    group = os.getpgid(pid)
                    os.kill(pid, signal.SIGKILL)
                    if group not in (0, 1, os.getpgrp()):
                        os.killpg(group, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
    return count, True


def adopt_orphans() -> None:
    """
    Make this process the parent of its orphaned descendants, so that a double fork does not escape.

    Linux only; elsewhere the token alone finds them.
    """
    if sys.platform == "linux":
        import ctypes

        pr_set_child_subreaper = 36
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
