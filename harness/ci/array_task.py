"""
One task of an array, on the machine where it was put: runs its command and leaves a record in the shared folder.

The record is replaced whole, and is written again every few seconds while the command runs: who waits for it, on
another machine, sees by it that the task lives, whatever the scheduler knows. The result is not in it: that is the
event log of the command, which lies in the same folder. No package is needed here, so that a machine that lacks one
can say so.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from harness.files import untrusted
from harness.system.signals import REASON_VARIABLE
from ptycho.errors import PtychoError

PLAN, CANCELLED = "array.json", "cancelled"
SCHEMA = "ptycho-harness-array/1"
PARENT_VARIABLE = "PTYCHO_HARNESS_ARRAY_PARENT"
"""Names the process to a task of this machine whose end also ends the task."""

BEAT_S = 5.0
_POLL_S = 0.2
_RECORD_BYTES = 2**24
_SLACK_S = 90.0
"""Slurm may send the signal a minute early, and looks at limits every half minute."""

Record = dict[str, Any]


def record_path(folder: Path, index: int) -> Path:
    """The record of a task."""
    return folder / f"task-{index}.json"


def write(path: Path, content: Record) -> None:
    """Write JSON, whole or not at all."""
    part = path.with_name(f".part-{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with part.open("x", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def read(path: Path) -> Record | None:
    """JSON of a file that `write` made; None if there is none, or what else ran in the folder put another there."""
    try:
        content = json.loads(untrusted.read_text(path, _RECORD_BYTES))
    except (PtychoError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


class RunningTask:
    """
    A task under way.

    Args:
        folder: folder of the array.
        index: of the task.
    """

    def __init__(self, folder: Path, index: int) -> None:
        self.folder, self.index = folder, index
        self.clock = time.monotonic()
        self.signals: list[int] = []
        self.reason = ""
        self.record: Record = {"schema": SCHEMA, "index": index, "host": os.uname().nodename, "pid": os.getpid()}

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        self.signals.append(number)

    def why(self, plan: Record) -> str:
        """Return what a signal to end means: `cancelled` by the user, the scheduler's `limit`, or a `signal`."""
        if (self.folder / CANCELLED).exists():
            return "cancelled"
        left_s = 60.0 * plan["minutes"] - (time.monotonic() - self.clock)
        return "limit" if left_s <= plan["grace_s"] + _SLACK_S else "signal"

    def beat(self, **fields: object) -> None:
        """Write the record; a shared folder that is away for a moment is tried again at the next beat."""
        self.record |= {"beat": self.record.get("beat", 0) + 1, **fields}
        self.record["seconds"] = round(time.monotonic() - self.clock, 1)
        with contextlib.suppress(OSError):
            write(record_path(self.folder, self.index), self.record)

    def run(self, plan: Record, *, parent: int | None) -> int:
        """
        Run the command of a plan to its end, and hand on every signal to end.

        Args:
            plan: of the array.
            parent: process whose end also ends the task, or None.
        """
        mine = plan["tasks"][self.index]
        reasons = self.folder / f"task-{self.index}.reason"
        self.beat()
        try:
            process = subprocess.Popen(
                mine["argv"],
                cwd=mine["cwd"],
                env={**os.environ, REASON_VARIABLE: str(reasons)},
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            print(f"error: {mine['argv'][0]} cannot be run on {self.record['host']}: {error.strerror}", flush=True)
            self.beat(ended=True, returncode=13, stop="", why=f"{mine['argv'][0]} cannot be run: {error.strerror}")
            return 13
        handed, last = 0, time.monotonic()
        while process.poll() is None:
            time.sleep(_POLL_S)
            if parent is not None and os.getppid() != parent and not self.signals:
                self.signals.append(signal.SIGTERM)
            while handed < len(self.signals):
                handed += 1
                self.reason = self.reason or self.why(plan)
                with contextlib.suppress(OSError):
                    reasons.write_text(_sentence(self.reason, plan))
                process.send_signal(signal.SIGTERM)
            if time.monotonic() > last + BEAT_S:
                last = time.monotonic()
                self.beat()
        self._say_the_end(process.returncode)
        return process.returncode

    def _say_the_end(self, returncode: int) -> None:
        """A record of the end that cannot be written is tried for as long as the limit leaves time."""
        for wait_s in (0.5, 2.0, 5.0, 10.0, 0.0):
            self.beat(ended=True, returncode=returncode, stop=self.reason)
            written = read(record_path(self.folder, self.index))
            if written is not None and written.get("ended") is True:
                return
            time.sleep(wait_s)


def _sentence(reason: str, plan: Record) -> str:
    minutes = plan["minutes"]
    return {
        "limit": f"the time limit of {minutes} min of the array's tasks is near (--minutes)",
        "cancelled": "whoever waited for the array has ended it",
    }.get(reason, "the scheduler asked the task to end")


def main(arguments: Sequence[str], *, install: Callable[..., Any] = signal.signal) -> int:
    """
    Run a task.

    Args:
        arguments: folder of the array, index of the task.
        install: of a signal's handler.

    Returns:
        The command's exit code; that of a signal as a shell says it.
    """
    folder, index = Path(arguments[0]), int(arguments[1])
    task = RunningTask(folder, index)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        install(number, task.note)
    plan = read(folder / PLAN)
    if plan is None or plan.get("schema") != SCHEMA:
        print(f"error: {folder / PLAN} cannot be read on {os.uname().nodename}: do the machines share it?", flush=True)
        return 13
    parent = os.environ.pop(PARENT_VARIABLE, None)
    code = task.run(plan, parent=None if parent is None else int(parent))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
