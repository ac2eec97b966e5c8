"""
The kill itself: wait for a moment of the run's log, find the victim, SIGKILL, and see whether it bit.

A kill that came too late has hit nothing, and a trial that took it for a kill would prove nothing. So the victim's own
exit code decides: of the harness and of nox as their parent sees it, of the training as the harness wrote it down.
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.faults.kill import kill_points
from harness.faults.kill.kill_points import TRAIN, Moment
from harness.faults.kill.launch import LaunchedCommand
from harness.record import directory
from harness.record import log as event_log
from harness.record.directory import RunRoot
from harness.record.log import Row
from harness.system import identity
from harness.system.signals import Interruption

_POLL_S = 0.001


class Victim(StrEnum):
    """The process that is killed."""

    HARNESS = "harness"
    NOX = "nox"
    TRAINING = "training"


@dataclass(frozen=True, kw_only=True)
class SentKill:
    """
    A kill that was sent.

    Attributes:
        rows: the log as it was then.
        run: the run, or None where it had no folder yet.
    """

    rows: tuple[Row, ...]
    run: RunRoot | None


class Tail:
    """
    The log of the one run that is new in a workspace, read as it grows.

    Args:
        root: the workspace's folder for runs.
        known: runs that were there before.
    """

    def __init__(self, root: Path, known: frozenset[Path]) -> None:
        self._root, self._known = root, known
        self._offset, self._rest = 0, b""
        self.rows: list[Row] = []
        self.run: RunRoot | None = None

    def read(self) -> list[Row]:
        """All events so far."""
        if self.run is None:
            self.run = next((run for run in directory.find(self._root) if run.path not in self._known), None)
        if self.run is not None and self.run.events.is_file():
            with self.run.events.open("rb") as log:
                log.seek(self._offset)
                new = log.read()
            self._offset += len(new)
            whole, feed, self._rest = (self._rest + new).rpartition(b"\n")
            self.rows += event_log.parse(whole + feed).rows
        return self.rows


def runs(root: Path) -> frozenset[Path]:
    """Folders of the runs of a workspace."""
    return frozenset(run.path for run in directory.find(root))


def strike(
    launched: LaunchedCommand,
    victim: Victim,
    moment: Moment,
    known: frozenset[Path],
    interruption: Interruption,
    limit_s: float,
) -> SentKill | None:
    """
    Wait for the moment and kill.

    Returns:
        What was there when the kill was sent, or None if the run ended before.
    """
    tail, until = Tail(launched.guard.root, known), time.monotonic() + limit_s
    while not kill_points.reached(moment, tail.read()):
        if launched.process.poll() is not None or time.monotonic() > until:
            return None
        interruption.check()
        time.sleep(_POLL_S)
    time.sleep(moment.delay_s)
    sent = _kill_training(launched, tail, until) if victim is Victim.TRAINING else _kill(launched)
    return SentKill(rows=tuple(tail.read()), run=tail.run) if sent else None


def _kill(launched: LaunchedCommand) -> bool:
    if launched.process.poll() is not None:
        return False
    launched.process.send_signal(signal.SIGKILL)
    return launched.process.wait() == -signal.SIGKILL


def _kill_training(launched: LaunchedCommand, tail: Tail, until: float) -> bool:
    """Kill the process that trains; the log announces it before it is there."""
    while launched.process.poll() is None and time.monotonic() < until:
        rows = tail.read()
        if _ended(rows) is not None:
            return False
        if (found := _training(launched, rows)) is not None and identity.is_alive(found):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, signal.SIGKILL)
                return True
        time.sleep(_POLL_S)
    return False


def _ended(rows: list[Row]) -> Row | None:
    """The end of the training as the harness wrote it down, or None."""
    field, end = TRAIN
    fitting = (row for row in rows if row["event"] == "command.end" and str(row.get(field, "")).endswith(end))
    return next(fitting, None)


def bit(victim: Victim, rows: list[Row]) -> bool:
    """Whether a kill hit a living victim, by the whole log of the run; of harness and nox that is known already."""
    if victim is not Victim.TRAINING:
        return True
    ended = _ended(rows)
    return ended is not None and ended.get("returncode") == -signal.SIGKILL


def _training(launched: LaunchedCommand, rows: list[Row]) -> identity.Identity | None:
    """The process that trains: the writer of its phases, else the child that was started for it."""
    told = [int(row["pid"]) for row in rows if row["event"] == "phase.start"]
    children = identity.descendants(launched.process.pid)
    started = [found.pid for found in children if _command_line(found.pid).find("-train/") >= 0]
    for pid in told[-1:] or started[:1]:
        with contextlib.suppress(ProcessLookupError):
            return identity.identify(pid)
    return None


def _command_line(pid: int) -> str:
    import psutil

    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""
