"""
Reads what children were seen to do: to write outside their scratch, and to hold something at their end.

Both come from the observer inside of them (`harness/system/injected`). Runs that go on at the same time in one
workspace have observers, too: what theirs saw is theirs, and must not be attributed to another run.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.files import untrusted
from harness.record import directory
from harness.record import log as event_log
from harness.record.directory import RunRoot
from ptycho.errors import PtychoError

HELD = "process.held"
WRITES = "writes.log"


@dataclass(frozen=True, kw_only=True)
class HeldResource:
    """
    Something that a process held when it came to its end.

    Attributes:
        kind: `"thread"`, `"descriptor"` or `"shared memory"`.
        name: its name or path.
        owner: what the process knows of it: where a thread is, how a file is open.
        cell: cell of its command.
        pid: pid of the process.
    """

    kind: str
    name: str
    owner: str
    cell: str
    pid: int

    def __str__(self) -> str:
        return f"process {self.pid} of {self.cell}, {self.owner}"


class ObservedWrites(dict[str, int]):
    """
    Paths that children wrote to outside scratch, with the pid of the last one that did.

    Attributes:
        run: the run that they belong to; None if their logs lie in no run.
        held: what they held at their end.
    """

    run: RunRoot | None = None
    held: tuple[HeldResource, ...] = ()


def _written(log: Path) -> Iterator[tuple[str, int]]:
    """Paths and pids in an observer's log. A record ends with a null byte, the one character that no path has."""
    # A process of the target can write there, too: what cannot be read names nobody.
    with contextlib.suppress(PtychoError):
        for record in untrusted.read_bytes(log).split(b"\0")[:-1]:
            pid, _, path = record.partition(b"\t")
            with contextlib.suppress(ValueError):
                yield os.fsdecode(path), int(pid)


def _rows(run: RunRoot) -> tuple[event_log.Row, ...]:
    try:
        return event_log.parse(event_log.content(run.events)).rows
    except PtychoError:
        return ()  # a run of another kind, or not yet begun


def observed_writes(logs: Iterable[Path]) -> ObservedWrites:
    """
    Return what the children of a run were seen to do.

    Args:
        logs: the observers' logs, one a cell; some may not be there.
    """
    found = ObservedWrites()
    for log in logs:
        found.run = found.run or directory.enclosing(log)
        found.update(_written(log))
    if found.run is not None:
        found.held = tuple(
            HeldResource(pid=int(row["pid"]), **{name: str(row[name]) for name in ("kind", "name", "owner", "cell")})
            for row in _rows(found.run)
            if row["event"] == HELD
            and {"kind", "name", "owner", "cell"} <= set(row)
            and isinstance(row.get("pid"), int)
        )
    return found


def neighbours(run: RunRoot) -> list[RunRoot]:
    """Other runs of the workspace that went on while this one did: still alive, or whose log is younger than it."""
    began = (run.path / directory.MARKER).stat().st_mtime_ns
    return [other for other in directory.find(run.path.parents[1]) if other.token != run.token and _after(other, began)]


def _after(run: RunRoot, began: int) -> bool:
    if run.alive:
        return True
    try:
        return run.events.stat().st_mtime_ns >= began
    except OSError:
        return False


def claimed(runs: Iterable[RunRoot]) -> set[str]:
    """
    Paths that other runs were seen to write.

    A run that has ended has no scratch any more, and with it no observers' logs; but what it left is in its event log.
    The event log is read last, so that a run that ends in between is not missed.
    """
    found: set[str] = set()
    for run in runs:
        found |= {path for log in run.scratch.glob(f"*/{WRITES}") for path, _ in _written(log)}
        found |= {str(row["path"]) for row in _rows(run) if row["event"] == "leak" and "path" in row}
    return found
