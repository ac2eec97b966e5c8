"""
A run under test: a process of its own, knowing nothing of the campaign but a token in its environment.

Its processes are found by that token, or by the folder that they work in: a child that clears its environment shows
no token, but it is adopted by the campaign once the harness above it is gone. `harness.process.supervise` is not used:
it is under test itself, and would take one trial's orphans for another's.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.faults.kill.snapshot import RUNS, SHARED_MEMORY, Guard
from harness.isolation.sandbox import inherited
from harness.system import identity
from harness.system.signals import Interruption

NOXFILE = """\
import os

import nox


@nox.session(venv_backend="none")
def lane(session: nox.Session) -> None:
    session.run(*session.posargs, "--follow", str(os.getpid()), external=True)
"""
"""A noxfile whose one session is the lane: what `nox -s torch_integration` does, without an environment to build."""


@dataclass(kw_only=True)
class LaunchedCommand:
    """
    A started command.

    Attributes:
        process: its first process.
        guard: the places that it works in.
        token: in the environment of all its processes.
        output: its output.
    """

    process: "subprocess.Popen[bytes]"
    guard: Guard
    token: str
    output: Path

    def alive(self) -> list[str]:
        """Living processes of its trial, in words."""
        shown = [found for found in identity.with_token(self.token) if identity.start_time(found.pid)]
        return [identity.describe(found) for found in shown] + strays(self.guard.path)

    def wait(self, timeout_s: float, interruption: Interruption) -> int | None:
        """Its exit code, or None if it does not end in time."""
        until = time.monotonic() + timeout_s
        while (code := self.process.poll()) is None and time.monotonic() < until:
            interruption.check()
            time.sleep(0.02)
        return code

    def tail(self, lines: int = 5) -> str:
        """The last lines of its output."""
        return "\n".join(self.output.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def end(self) -> None:
        """Kill every process of its trial: nothing outlives it."""
        identity.end(lambda: identity.with_token(self.token), grace_s=0.0, hurry=lambda: True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(
    argv: Sequence[str], *, guard: Guard, token: str, outer: str, output: Path, checkout: Path
) -> LaunchedCommand:
    """
    Start a command in a trial's places.

    Args:
        argv: argument vector.
        guard: the places.
        token: to find its processes by.
        outer: tokens of those above it, each ended by a colon.
        output: file for its output.
        checkout: folder from which the harness is imported.
    """
    env = {
        **inherited(os.environ, gpu=False),
        "HOME": str(guard.home),
        "TMPDIR": str(guard.tmp),
        "PYTHONPATH": str(checkout),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        identity.TOKEN_VARIABLE: outer + token,
    }
    with output.open("wb") as stream:
        process = subprocess.Popen(
            list(argv),
            env=env,
            cwd=guard.cwd,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return LaunchedCommand(process=process, guard=guard, token=token, output=output)


def lane(python: str, target: Path, scan: Path, *options: str) -> list[str]:
    """The command line of a lane, without its suite and its further trainings; the root as a user would have it."""
    # Strict there would attribute another trial's memory to this one; the campaign looks for its own names there.
    foreign = ("--foreign", f"{SHARED_MEMORY}/*")
    where = ("--target", str(target), "--fixture", str(scan), "--root", RUNS, *foreign)
    return [python, "-m", "harness", "run", *where, "--brief", *options]


def through_nox(command: Sequence[str], guard: Guard, scratch: Path) -> list[str]:
    """The same command as a session of nox; what nox itself keeps (`--envdir`) is not a place of the run's."""
    noxfile = guard.cwd / "noxfile.py"
    return [sys.executable, "-m", "nox", "-f", str(noxfile), "--envdir", str(scratch), "-s", "lane", "--", *command]


def strays(folder: Path) -> list[str]:
    """Living orphans that this process adopted and that work below a folder without any token, in words."""
    import psutil

    found = []
    for process in identity.descendants(os.getpid()):
        with contextlib.suppress(psutil.Error):
            shows = identity.TOKEN_VARIABLE in process.environ()
            if not shows and identity.start_time(process.pid) and Path(process.cwd()).is_relative_to(folder):
                found.append(identity.describe(process))
    return found
