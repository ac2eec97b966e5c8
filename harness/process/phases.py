"""
Follows the phases of a command, as it says them itself in the event log (`phase.start`, `phase.end`).

The log is read on from where it ended when the command began. Other commands of the run may write to it at the same
time: an event counts by the pid of its writer. The time of a phase is taken from the supervisor's own clock.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import untrusted
from ptycho.errors import PtychoError

START = "start"
"""Name for the time until a command says its first phase: its imports, as a rule."""

_AT_ONCE = 2**24
"""Bytes that are read at one look."""


@dataclass(frozen=True, kw_only=True)
class Stay:
    """
    A stay in a phase.

    Attributes:
        phase: its name.
        since: monotonic time of its beginning, in seconds.
        cpu_s: processor time that the command had used by then, in seconds.
    """

    phase: str
    since: float
    cpu_s: float


class Phases:
    """
    The phases that a command is in.

    Args:
        log: the run's event log, or None where there is none.
        now: monotonic time of the command's start, in seconds.
    """

    def __init__(self, log: Path | None, now: float) -> None:
        self._log = log
        self._offset = log.stat().st_size if log is not None and log.exists() else 0
        self._rest = b""
        self._strange: list[dict[str, Any]] = []
        self._open: dict[tuple[int, str], Stay] = {}
        self._start: Stay | None = Stay(phase=START, since=now, cpu_s=0.0)

    def read(self, now: float, pids: Collection[int], cpu_s: float) -> int:
        """
        Read what was added.

        Args:
            now: monotonic time in seconds.
            pids: every process that the command is known to have had.
            cpu_s: processor time that it has used so far, in seconds.

        Returns:
            How many events were the command's.
        """
        # A process that was born after the processes were listed is known at the next look.
        rows, self._strange = [*self._strange, *self._added()], []
        heard = 0
        for row in rows:
            if row.get("pid") in pids:
                heard += 1
                self._take(row, now, cpu_s)
            elif not row.get("late"):
                self._strange.append(row | {"late": True})
        return heard

    def _added(self) -> list[dict[str, Any]]:
        if self._log is None:
            return []
        try:
            with untrusted.opened(self._log) as file:
                file.seek(self._offset)
                added = file.read(_AT_ONCE)
        except (OSError, PtychoError):
            return []  # whoever judges the log names what has taken its place
        self._offset += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        rows = []
        for line in lines:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue  # damage is named by those who judge the log
            if isinstance(row, dict) and isinstance(row.get("pid"), int):
                rows.append(row)
        return rows

    def _take(self, row: dict[str, Any], now: float, cpu_s: float) -> None:
        key = (int(row["pid"]), str(row.get("phase")))
        if row.get("event") == "phase.start":
            self._start = None
            self._open[key] = Stay(phase=key[1], since=now, cpu_s=cpu_s)
        elif row.get("event") == "phase.end":
            self._open.pop(key, None)

    def open(self, alive: Collection[int]) -> list[Stay]:
        """
        The stays that have not ended, the youngest last; a killed process is in no phase any more.

        Args:
            alive: processes of the command that live.
        """
        self._open = {key: stay for key, stay in self._open.items() if key[0] in alive}
        return [self._start] if self._start is not None else list(self._open.values())
