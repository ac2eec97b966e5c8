"""
Observes the machine beside a command, to decide whether a time limit can be attributed to the command.

Three figures, each from the kernel's own counters, over the time of the command: the share of all processors that
others used, the share that the host took from a virtual machine (steal), and the share of the time in which something
that could run had to wait for a processor (pressure-stall information). Where a counter is not there, its figure is
None and proves nothing.
"""

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OTHERS = 0.25
"""Share of the processors, used by others or stolen, from which on a machine is called contended …"""

IDLE = 0.1
"""… if at most this share was idle."""

DEMAND = 0.2
"""Share of a processor that a process uses or waits for while it is not hanging."""

LOOKS = 20
"""How often the threads of a command are looked at for that."""

_TICKS = os.sysconf("SC_CLK_TCK")
_STAT, _PRESSURE = Path("/proc/stat"), Path("/proc/pressure/cpu")


@dataclass(frozen=True, kw_only=True)
class ProcessorCounters:
    """
    The counters at one moment.

    Attributes:
        at: monotonic time in seconds.
        total_s: seconds of all processors together; 0 where they are not counted.
        idle_s: those in which they had nothing to do.
        steal_s: those that the host took.
        pressure_s: seconds in which something waited for a processor, or None.
    """

    at: float
    total_s: float = 0.0
    idle_s: float = 0.0
    steal_s: float = 0.0
    pressure_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Load:
    """
    The machine during a command.

    Attributes:
        idle: share of the processors that had nothing to do, or None.
        others: share that processes other than the command's used, or None.
        steal: share that the host took, or None.
        pressure: share of the time in which something waited for a processor, or None.
    """

    idle: float | None
    others: float | None
    steal: float | None
    pressure: float | None

    @property
    def contended(self) -> bool:
        """Whether others left the command too little to be judged by the clock: idle ≤ `IDLE`, others ≥ `OTHERS`."""
        if self.idle is None or self.others is None or self.steal is None:
            return False
        return self.idle <= IDLE and self.others + self.steal >= OTHERS


def read() -> ProcessorCounters:
    """Read the counters."""
    values: list[float] = []
    if (line := _first_line(_STAT)).startswith("cpu "):
        # user nice system idle iowait irq softirq steal; guests are counted in user already.
        values = [int(word) / _TICKS for word in line.split()[1:9]]
    found = re.search(r"total=(\d+)", _first_line(_PRESSURE))
    return ProcessorCounters(
        at=time.monotonic(),
        total_s=sum(values),
        idle_s=sum(values[3:5]),
        steal_s=sum(values[7:8]),
        pressure_s=int(found[1]) / 1e6 if found else None,
    )


def between(before: ProcessorCounters, after: ProcessorCounters, cpu_s: float) -> Load:
    """
    The machine between two readings.

    Args:
        before: the earlier one.
        after: the later one.
        cpu_s: processor time that the command used between them, in seconds.
    """
    total, wall = after.total_s - before.total_s, after.at - before.at
    pressure = None
    if before.pressure_s is not None and after.pressure_s is not None and wall > 0:
        pressure = min(1.0, (after.pressure_s - before.pressure_s) / wall)
    if total <= 0:
        return Load(idle=None, others=None, steal=None, pressure=pressure)
    idle, steal = after.idle_s - before.idle_s, after.steal_s - before.steal_s
    others = max(0.0, total - idle - steal - cpu_s)
    return Load(idle=idle / total, others=others / total, steal=steal / total, pressure=pressure)


def demand(pids: Iterable[int], *, during_s: float = 0.5) -> float | None:
    """
    Return how many processors a command's threads use or wait for now; None where the kernel does not say.

    It tells a command that is starved from one that hangs: both use almost nothing, but only the first one wants to.
    Asked of the state of each thread and not of the time that it has waited (`schedstat`), which the kernel counts
    when the wait is over: a thread that gets its first turn after two seconds would seem to want nothing until then.
    """
    known, looks = list(pids), []
    for look in range(LOOKS):
        time.sleep(during_s / LOOKS if look else 0)
        looks.append(_runnable(known))
    return None if looks[0] is None else sum(look or 0 for look in looks) / LOOKS


def _runnable(pids: Iterable[int]) -> int | None:
    """Number of threads that run or could, or None if there is no thread."""
    states = [
        _first_line(path).rpartition(")")[2].split()[:1]  # the name before it may hold anything
        for pid in pids
        for path in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return sum(state == ["R"] for state in states) if any(states) else None


def _first_line(path: Path) -> str:
    try:
        with path.open() as file:
            return file.readline()
    except OSError:
        return ""  # not there: its figure is None
