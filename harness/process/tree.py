"""
A command's processes as the kernel counts them: one pass over `/proc`, without a call for each question.

Processes belong to a command by parentage. One that was seen once stays a member under its pid and start time, so that
a double fork between two looks does not take it out. The thorough search, by token, is made when the command ends.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, kw_only=True)
class TreeProcess:
    """
    A process of a tree.

    Attributes:
        pid: process id.
        parent: that of its parent.
        started: start time, to tell it from a later process with the same pid.
        state: as `/proc` writes it; `T` and `t` are stopped, `Z` has ended.
        cpu_s: processor time of its own and of its children that it has waited for, in seconds.
        rss_mib: resident memory in MiB.
    """

    pid: int
    parent: int
    started: float
    state: str
    cpu_s: float
    rss_mib: float


@dataclass(frozen=True, kw_only=True)
class TreeSample:
    """
    A tree at one moment.

    Attributes:
        members: its processes.
        cpu_s: processor time that it has used so far, in seconds; it never falls.
    """

    members: tuple[TreeProcess, ...]
    cpu_s: float

    @property
    def alive(self) -> tuple[TreeProcess, ...]:
        """Processes that have not ended."""
        return tuple(member for member in self.members if member.state not in "ZX")

    @property
    def rss_mib(self) -> float:
        """Resident memory together; pages that are shared count once for each process."""
        return sum(member.rss_mib for member in self.alive)

    @property
    def stopped(self) -> bool:
        """Whether somebody has stopped all of them (SIGSTOP, a debugger)."""
        return bool(self.alive) and all(member.state in "Tt" for member in self.alive)


class Tree:
    """
    The processes of a command.

    Args:
        root: pid of its first process.
    """

    def __init__(self, root: int) -> None:
        self.root = root
        self.seen: dict[int, float] = {}
        self._cpu_s = 0.0

    def look(self) -> TreeSample:
        """Look once."""
        everybody = listing()
        found = {member.pid: member for member in _below(self.root, everybody)}
        for pid, started in self.seen.items():
            member = everybody.get(pid)
            if member is not None and member.started == started:
                found[pid] = member
        self.seen |= {pid: member.started for pid, member in found.items()}
        self._cpu_s = max(self._cpu_s, sum(member.cpu_s for member in found.values()))
        return TreeSample(members=tuple(found.values()), cpu_s=self._cpu_s)


def _below(root: int, everybody: Mapping[int, TreeProcess]) -> Iterable[TreeProcess]:
    children: dict[int, list[int]] = {}
    for member in everybody.values():
        children.setdefault(member.parent, []).append(member.pid)
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid in everybody:
            yield everybody[pid]
        waiting += children.get(pid, ())


def listing() -> dict[int, TreeProcess]:
    """Every process that can be seen, by pid."""
    return _of_linux() if sys.platform == "linux" else _of_psutil()


def _of_linux() -> dict[int, TreeProcess]:
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    return {pid: member for pid in pids if (member := _member(pid)) is not None}


def _member(pid: int) -> TreeProcess | None:
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        try:
            text = os.read(descriptor, 4096)
        finally:
            os.close(descriptor)
    except OSError:
        return None  # ended since it was listed
    # The name may hold blanks and brackets; numbers as in proc(5), less 3 for what precedes the state.
    fields = text[text.rfind(b")") + 2 :].split()
    return TreeProcess(
        pid=pid,
        parent=int(fields[1]),
        started=float(fields[19]),
        state=fields[0].decode(),
        cpu_s=sum(map(int, fields[11:15])) / _TICKS,
        rss_mib=int(fields[21]) * _PAGE_MIB,
    )


def _of_psutil() -> dict[int, TreeProcess]:
    import psutil

    found = {}
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                times, status = process.cpu_times(), process.status()
                found[process.pid] = TreeProcess(
                    pid=process.pid,
                    parent=process.ppid(),
                    started=process.create_time(),
                    state={psutil.STATUS_STOPPED: "T", psutil.STATUS_ZOMBIE: "Z"}.get(status, "S"),
                    cpu_s=times.user + times.system + times.children_user + times.children_system,
                    rss_mib=process.memory_info().rss / 2**20,
                )
        except psutil.Error:
            continue  # ended since it was listed, or not ours to look at
    return found
