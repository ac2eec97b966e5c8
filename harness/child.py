"""
One command as a child process: own session, no input, a time limit, and nobody left alive afterwards.

Its output goes to a file and not through a pipe: a grandchild that keeps a pipe open would hang the harness.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness import processes
from harness.interruption import Interruption

if TYPE_CHECKING:
    import psutil

GRACE_S = 5.0
_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Finished:
    """
    How a command ended.

    Attributes:
        argv: its argument vector.
        pid: of its first process.
        returncode: exit code; negative for a signal.
        seconds: wall time of the whole process.
        started: time of day (UTC seconds since the epoch) just before it started, to compare with file times.
        timed_out: whether it was killed at its time limit.
        survivors: processes that outlived it and were killed.
        log: its output.
    """

    argv: tuple[str, ...]
    pid: int
    returncode: int
    seconds: float
    started: float
    timed_out: bool
    survivors: tuple[str, ...]
    log: Path

    def tail(self, lines: int = 25) -> str:
        """The last lines of its output."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


class _Echo:
    """Repeats what is appended to a log on standard output, so that a long command is seen at work."""

    def __init__(self, log: Path, wanted: bool) -> None:
        self._stream: TextIO | None = log.open(encoding="utf-8", errors="replace") if wanted else None

    def pump(self) -> None:
        if self._stream is not None and (text := self._stream.read()):
            sys.stdout.write(text)
            sys.stdout.flush()

    def close(self) -> None:
        if self._stream is not None:
            self.pump()
            self._stream.close()


_running: dict[int, str] = {}
"""Commands that threads of this process run at this moment, by pid: their tokens."""

_registering = threading.Lock()
"""Held while a command is started and entered above, so that no other one takes it for an orphan of its own."""


def _alive(process: subprocess.Popen[bytes], token: str, before: frozenset[int]) -> "list[psutil.Process]":
    """Living processes of a command: by token, by parentage, and orphans that this process adopted since."""
    found = {known.pid: known for known in processes.with_token(token)}
    with _registering:
        adopted = {known.pid: known for known in processes.descendants(os.getpid()) if known.pid not in before}
        running = dict(_running)
    for pid, other in running.items():
        if pid != process.pid:
            # The last of several commands to end answers for an orphan that shows no token.
            theirs = {pid, *(known.pid for known in (*processes.descendants(pid), *processes.with_token(other)))}
            adopted = {known: handle for known, handle in adopted.items() if known not in theirs}
    found |= {pid: handle for pid, handle in adopted.items() if pid != process.pid}
    found |= {known.pid: known for known in processes.descendants(process.pid)}
    if process.poll() is None and (known := processes.handle(process.pid)) is not None:
        found[process.pid] = known
    return [known for known in found.values() if processes.start_time(known.pid) is not None]


def _outlived(alive: "Callable[[], list[psutil.Process]]") -> "list[psutil.Process]":
    """Processes still alive a second after their command ended; helpers of multiprocessing need a moment to notice."""
    until = time.monotonic() + 1.0
    while (left := alive()) and time.monotonic() < until:
        time.sleep(_POLL_S)
    return left


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    timeout_s: float,
    token: str,
    interruption: Interruption,
    echo: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> Finished:
    """
    Run a command to its end, its time limit, or the run's interruption, and end every process of it.

    Args:
        argv: argument vector.
        env: the whole environment.
        cwd: working directory.
        log: file for its output, both streams.
        timeout_s: wall-clock limit.
        token: the run's token, by which survivors are found.
        interruption: asked several times a second.
        echo: also show the output while it comes.
        meanwhile: called several times a second while it runs.

    Raises:
        KeyboardInterrupt: the run was asked to end; the command's processes are already gone.
        InfrastructureError: the program could not be started.
    """
    from ptycho.errors import InfrastructureError

    interruption.check()
    before = {child.pid for child in processes.descendants(os.getpid())}
    started, clock = time.time(), time.monotonic()
    with log.open("wb") as output:
        try:
            with _registering:
                process = subprocess.Popen(
                    list(argv),
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                _running[process.pid] = token
        except OSError as error:
            raise InfrastructureError(f"cannot start {argv[0]!r}: {error.strerror}") from error
    follower = _Echo(log, echo)
    timed_out = False
    survivors: tuple[str, ...] = ()
    alive = partial(_alive, process, token, frozenset(before))
    try:
        while process.poll() is None and not timed_out:
            interruption.check()
            timed_out = time.monotonic() - clock > timeout_s
            follower.pump()
            if meanwhile is not None:
                meanwhile()
            time.sleep(_POLL_S)
        if not timed_out:
            survivors = tuple(processes.describe(found) for found in _outlived(alive))
    finally:
        grace_s = GRACE_S if process.poll() is None else 0.0
        processes.end(alive, grace_s=grace_s, hurry=lambda: interruption.hurry)
        process.wait()
        _running.pop(process.pid, None)
        follower.close()
    return Finished(
        argv=tuple(argv),
        pid=process.pid,
        returncode=process.returncode,
        seconds=time.monotonic() - clock,
        started=started,
        timed_out=timed_out,
        survivors=survivors,
        log=log,
    )
