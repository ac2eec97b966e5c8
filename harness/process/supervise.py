"""
One command as a child process: own session, no input, limits, and nobody left alive afterwards.

Its output goes to a file and not through a pipe: a grandchild that keeps a pipe open would hang the harness. What is
watched while it runs is `harness.process`; here it is started and ended.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.files import run_files, untrusted
from harness.process import control_group, stacks
from harness.process.disk import Disk
from harness.process.limits import TIME, Limits, Stop
from harness.process.pidfd import Waiter
from harness.process.watcher import CommandWatcher, Usage
from harness.system import identity
from harness.system.signals import Interruption

if TYPE_CHECKING:
    import psutil

GRACE_S = 5.0
_POLL_S = 0.05
_NO_LIMITS = Limits()
EVENTS_VARIABLE = "PTYCHO_HARNESS_EVENTS"
"""Names the event log to a child; its phases are read from there."""


@dataclass(frozen=True, kw_only=True)
class CompletedCommand:
    """
    End of a command.

    Attributes:
        argv: its argument vector.
        pid: pid of its first process.
        returncode: exit code; negative for a signal.
        seconds: wall time of the whole process.
        started: time of day (UTC seconds since the epoch) just before it started, to compare with file times.
        timed_out: whether it was killed at a time limit.
        survivors: processes that outlived it and were killed.
        log: its output.
        stop: why it is not evidence, where that is not in its exit code: a limit, the kernel; else None.
        usage: what it used, and what the machine did meanwhile.
        stacks: where its processes were when it was killed at a time limit, or None if none of them could say so.
    """

    argv: tuple[str, ...]
    pid: int
    returncode: int
    seconds: float
    started: float
    timed_out: bool
    survivors: tuple[str, ...]
    log: Path
    stop: Stop | None = None
    usage: Usage | None = None
    stacks: Path | None = None

    def tail(self, lines: int = 25) -> str:
        """The last lines of its output."""
        return untrusted.read_end(self.log, lines)

    def frames(self) -> list[str]:
        """The innermost frames of its processes when it was killed; none if there is no dump."""
        return [] if self.stacks is None else stacks.innermost(untrusted.plain(untrusted.read_text(self.stacks)))


class _Echo:
    """Repeats what is appended to a log on standard output, so that a long command is seen at work."""

    def __init__(self, log: Path, wanted: bool) -> None:
        self._stream: TextIO | None = None
        with contextlib.suppress(OSError):
            if wanted:
                # What was just started may have put something else there: nobody is waited for.
                descriptor = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                self._stream = open(descriptor, encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115

    def pump(self) -> None:
        if self._stream is not None and (text := self._stream.read()):
            sys.stdout.write(untrusted.plain(text))
            sys.stdout.flush()

    def close(self) -> None:
        if self._stream is not None:
            self.pump()
            self._stream.close()


MAX_LOG = 8 * 2**20
"""Bytes of a command's output that are kept whole; of a longer one, a quarter of this of its beginning and its end."""

_running: dict[int, str] = {}
"""Commands that threads of this process run at this moment, by pid: their tokens."""

_registering = threading.Lock()
"""Held while a command is started and entered above, so that no other one takes it for an orphan of its own."""


def _alive(process: subprocess.Popen[bytes], token: str, before: frozenset[int]) -> "list[psutil.Process]":
    """Living processes of a command: by token, by parentage, and orphans that this process adopted since."""
    found = {known.pid: known for known in identity.with_token(token)}
    with _registering:
        adopted = {known.pid: known for known in identity.descendants(os.getpid()) if known.pid not in before}
        running = dict(_running)
    for pid, other in running.items():
        if pid != process.pid:
            # The last of several commands to end answers for an orphan that shows no token.
            theirs = {pid, *(known.pid for known in (*identity.descendants(pid), *identity.with_token(other)))}
            adopted = {known: handle for known, handle in adopted.items() if known not in theirs}
    found |= {pid: handle for pid, handle in adopted.items() if pid != process.pid}
    found |= {known.pid: known for known in identity.descendants(process.pid)}
    if process.poll() is None and (known := identity.handle(process.pid)) is not None:
        found[process.pid] = known
    return [known for known in found.values() if identity.start_time(known.pid) is not None]


def _hoppers(pid: int, before: Collection[int]) -> tuple[str, ...]:
    """End what a command left that changes its pid faster than processes can be listed; what there was, in words."""

    def is_spared(child: int) -> bool:
        with _registering:
            return child in before or child in _running

    def is_alone() -> bool:
        # The last of several commands to end answers for what shows no token.
        with _registering:
            return set(_running) <= {pid}

    count, gone = identity.end_adopted(is_spared, is_alone)
    if not count:
        return ()
    how = "ended" if gone else "could not be ended"
    return (f"processes that each start the next and end at once ({count} were seen; they {how})",)


def _outlived(alive: "Callable[[], list[psutil.Process]]") -> "list[psutil.Process]":
    """Processes still alive a second after their command ended; helpers of multiprocessing need a moment to notice."""
    until = time.monotonic() + 1.0
    while (left := alive()) and time.monotonic() < until:
        time.sleep(_POLL_S)
    return left


class _Meter:
    """Processor time of this thread, less what it spends on the caller's own business."""

    def __init__(self) -> None:
        self._since = time.thread_time()

    def leave_out(self, business: Callable[[], None]) -> None:
        before = time.thread_time()
        business()
        self._since += time.thread_time() - before

    @property
    def seconds(self) -> float:
        return time.thread_time() - self._since


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
    limits: Limits = _NO_LIMITS,
) -> CompletedCommand:
    """
    Run a command to its end, a limit, or the run's interruption, and end every process of it.

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
        limits: on phases and memory.

    Raises:
        KeyboardInterrupt: the run was asked to end; the command's processes are already gone.
        InfrastructureError: the program could not be started, or the disk is almost full; processes are gone, too.
    """
    from ptycho.errors import InfrastructureError

    interruption.check()
    meter, disk = _Meter(), Disk((log.parent, cwd))
    if (sentence := disk.complaint()) is not None:
        raise InfrastructureError(f"{argv[0]} is not started: {sentence}")
    before = {child.pid for child in identity.descendants(os.getpid())}
    dump = stacks.path_for(log)
    # The file is new and empty: what an earlier command with this label left there is not this one's.
    run_files.create(dump).close()
    group = control_group.make(token)
    started, clock = time.time(), time.monotonic()
    with run_files.create(log) as output:
        try:
            with _registering, group.entered() if group is not None else contextlib.nullcontext():
                process = subprocess.Popen(
                    list(argv),
                    env={**env, stacks.VARIABLE: str(dump.absolute())},
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                _running[process.pid] = token
        except OSError as error:
            dump.unlink()
            if group is not None:
                group.end()
            raise InfrastructureError(f"cannot start {argv[0]!r}: {error.strerror}") from error
    stop: Stop | None = None
    survivors: tuple[str, ...] = ()
    alive = partial(_alive, process, token, frozenset(before))
    with contextlib.ExitStack() as closing:
        try:
            waiter, follower = Waiter(process), _Echo(log, echo)
            closing.callback(waiter.close)
            closing.callback(follower.close)
            watch = CommandWatcher(
                process.pid,
                started=clock,
                timeout_s=timeout_s,
                limits=limits,
                log=log,
                events=Path(env[EVENTS_VARIABLE]) if EVENTS_VARIABLE in env else None,
                disk=disk,
            )
            while not waiter.ended and (stop := watch.turn()) is None:
                interruption.check()
                follower.pump()
                if meanwhile is not None:
                    meter.leave_out(meanwhile)
                watch.overslept(waiter.turn())
            seconds = time.monotonic() - clock
            # Before the process is waited for: what it used can only be read until then.
            watch.look()
            if stop is None:
                process.wait()
                survivors = tuple(identity.describe(found) for found in _outlived(alive))
            elif stop.kind == TIME:
                stacks.take((member.pid for member in watch.tree.look().alive), dump)
        finally:
            grace_s = GRACE_S if process.poll() is None else 0.0
            identity.end(alive, grace_s=grace_s, hurry=lambda: interruption.hurry)
            process.wait()
            survivors += _hoppers(process.pid, before)
            if group is not None:
                survivors += control_group.end_rest(group)
            _running.pop(process.pid, None)
            run_files.shorten(log, MAX_LOG, MAX_LOG // 4)
            if dump.exists() and dump.stat().st_size == 0:
                dump.unlink()
    return CompletedCommand(
        argv=tuple(argv),
        pid=process.pid,
        returncode=process.returncode,
        seconds=seconds,
        # If the clock was set back meanwhile, file times are of the new count.
        started=min(started, time.time() - (time.monotonic() - clock)),
        timed_out=stop is not None and stop.kind == TIME,
        survivors=survivors,
        log=log,
        stop=stop or watch.killed_by_kernel(process.returncode),
        usage=replace(watch.usage(), supervision_s=meter.seconds),
        stacks=dump if dump.exists() else None,
    )
