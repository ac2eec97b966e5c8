"""The command `harness ci slurm` as a user starts it, with sessions that are made to order instead of nox's."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parent
ROOT = SHARED.parents[1]
WITHIN_S = 10.0
"""Within this, what has happened must be known."""


def environment(acts: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command whose sessions do what is ordered."""
    paths = os.pathsep.join([str(SHARED / "fake_nox"), str(SHARED)])
    return {**base, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "FAKE_NOX": json.dumps(dict(acts))}


def is_gone(pid: int) -> bool:
    """Whether a process of this machine has ended; one that nobody has asked about yet has."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True


@dataclass
class Command:
    """
    A running command.

    Attributes:
        process: its process.
        folder: given to it for its arrays.
        out: what it writes to its streams.
        err: its other stream.
    """

    process: "subprocess.Popen[bytes]"
    folder: Path
    out: Path
    err: Path

    @property
    def text(self) -> str:
        """Both streams so far."""
        return self.out.read_text() + self.err.read_text()

    @property
    def array(self) -> Path:
        """The folder of its array."""
        (found,) = [path for path in self.folder.iterdir() if path.is_dir()]
        return found

    def end(self, within_s: float = 60.0) -> int:
        """Wait for its end; returns its exit code. One that hangs is ended, and fails the test."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"it still runs after {within_s:g} s; it said:\n{self.text}") from None

    def until(self, condition: Callable[[], bool], within_s: float = WITHIN_S) -> float:
        """Wait until something is so; returns the seconds that it took."""
        clock = time.monotonic()
        while time.monotonic() < clock + within_s:
            if condition():
                return time.monotonic() - clock
            time.sleep(0.1)
        raise AssertionError(f"not so within {within_s:g} s; it said:\n{self.text}")

    def busy(self, session: str) -> int:
        """Wait until a session waits; returns its process, of this machine."""
        self.until(lambda: any(self.folder.glob(f"*/{session}/busy")), 30.0)
        return int(next(self.folder.glob(f"*/{session}/busy")).read_text())

    def record(self, index: int) -> dict[str, Any]:
        """The record of a task."""
        found: dict[str, Any] = json.loads((self.array / f"task-{index}.json").read_text())
        return found

    def result(self) -> dict[str, Any]:
        """What the command has left of its result."""
        found: dict[str, Any] = json.loads((self.array / "verdict.json").read_text())
        return found

    def verdicts(self) -> dict[str, str]:
        """Verdict by session."""
        return {item["session"]: item["verdict"] for item in self.result()["tasks"]}

    def log_verdict(self, session: str) -> dict[str, Any]:
        """What the report of a session's only run says."""
        (path,) = self.array.glob(f"{session}/runs/*/verdict.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found


def start(
    folder: Path, acts: Mapping[str, str], *options: str, base: Mapping[str, str] | None = None, python: str = ""
) -> Command:
    """Start the command for the sessions that are ordered."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    out, err = folder.with_name(f"{folder.name}.out"), folder.with_name(f"{folder.name}.err")
    what = ["campaign"] if "mutation" in acts else ["slurm", *acts]
    argv = [python or sys.executable, "-m", "harness", "ci", *what, "--folder", str(folder), *options]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environment(acts, os.environ if base is None else base),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    return Command(process=process, folder=folder, out=out, err=err)
