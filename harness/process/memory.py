"""
Memory of a command: what it may use, what it uses, and whether the kernel has killed it because memory ran out.

What is compared with the limit is proportional memory (PSS: a page shared by four processes counts a quarter for
each), so that the workers of a loader are not charged four times for one data set. It is slow to read, so the sum of
resident memory, which is never smaller, is looked at first. Where there is no PSS, resident memory decides.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

SHARE = 0.9
"""Of the machine's memory, for a command without a limit of its own: short of where the kernel chooses a victim."""

_CGROUPS = Path("/sys/fs/cgroup")
_VMSTAT = Path("/proc/vmstat")
_LOG, _RECORD = Path("/dev/kmsg"), 8192
_VICTIM = re.compile(rb"Killed process (\d+) ")
_NAMESPACE, _FIRST_NAMESPACE = Path("/proc/self/ns/pid"), "pid:[4026531836]"
"""The kernel's log has the pids of the first namespace, whose number is fixed in the kernel's sources."""


def machine_mib() -> float:
    """Memory that this process could have, in MiB: the machine's, or that of its control group where it is less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20]
    for folder in _own_groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name).strip()
            if text.isdigit():
                limits.append(int(text) / 2**20)
    return min(limits)


def limit_mib(given: float | None) -> float:
    """The limit of a command: its own, or a share of the machine's memory."""
    return given if given is not None else SHARE * machine_mib()


def proportional_mib(pids: Iterable[int]) -> float | None:
    """Proportional memory of processes together, in MiB; None where the platform does not count it."""
    total = 0.0
    for pid in pids:
        folder = Path(f"/proc/{pid}")
        found = re.search(r"^Pss:\s+(\d+) kB", _text(folder / "smaps_rollup"), re.MULTILINE)
        if found is not None:
            total += int(found[1]) / 1024
        elif folder.exists() or not Path("/proc/self/smaps_rollup").exists():
            return None
    return total


def kernel_kills() -> int | None:
    """
    Return how often the kernel has killed a process because memory ran out since it booted; None where it does not say.

    The counter is the whole machine's and counts kills by limits of control groups, too.
    """
    found = re.search(r"^oom_kill (\d+)$", _text(_VMSTAT), re.MULTILINE)
    return int(found[1]) if found is not None else None


def kernel_victims() -> frozenset[int] | None:
    """
    Processes that the kernel's own log names as killed because memory ran out, lately.

    Returns:
        Their pids; None where the log cannot be read, or counts pids as another namespace than this one does.
    """
    try:
        if str(_NAMESPACE.readlink()) != _FIRST_NAMESPACE:
            return None
        log = os.open(_LOG, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    found = set()
    try:
        while True:
            try:
                record = os.read(log, _RECORD)
            except BrokenPipeError:  # what was next has been overwritten meanwhile
                continue
            found |= {int(pid) for pid in _VICTIM.findall(record)}
    except OSError:  # the end of the log
        return frozenset(found)
    finally:
        os.close(log)


def _own_groups() -> list[Path]:
    """Folders of this process's control group and of those above it, in the old layout and in the new one."""
    folders = []
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            top = _CGROUPS / controllers
            group = top / path.lstrip("/")
            folders += [group, *(parent for parent in group.parents if parent.is_relative_to(top))]
    return folders


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # not there, or not ours to read: the callers say what that means
