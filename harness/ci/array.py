"""
An array of commands: a folder of its own, one submission, and a wait that ends for each task, whatever happens to it.

A task is over when its record in the shared folder says so, or when the scheduler says that it is gone, or when
neither its record nor the scheduler has said anything for too long. So nothing is waited for that nobody will say, and
what one task loses costs no other its result.
"""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.ci import array_task, schedulers
from harness.ci.schedulers import FORGOTTEN, NoAnswerError, ResourceRequest, Scheduler, State
from harness.files import untrusted
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError, PtychoError, UsageError
from ptycho.verdict import Verdict

SCRIPT = "array.sh"
GRACE_S = 60
_POLL_S = 1.0
_SETTLE_S = 3.0
_SETTLE_COMPLETED_S = 60.0
"""A record may reach this machine after the scheduler's word that its task is over; on NFS, a minute after it."""
_NEVER_S = 20.0
"""How long a task may wait for what waiting does not bring: a scheduler can be wrong for a moment."""
_KILL_S = 30.0

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ArrayOptions:
    """
    Options of an array.

    Attributes:
        folder: each array gets a folder in it; the machines share it.
        local: processes of this machine instead of a cluster.
        partition: of Slurm, or None for its default.
        gpus: of each task.
        cpus: of each task.
        minutes: limit of each task.
        pending_minutes: how long a task may wait for its start.
        silence_minutes: how long a machine, or the scheduler, may say nothing.
    """

    folder: Path
    local: bool = False
    partition: str | None = None
    gpus: int = 0
    cpus: int = 2
    minutes: int = 60
    pending_minutes: float = 1440
    silence_minutes: float = 5

    def __post_init__(self) -> None:
        problems = [
            f"--{name} {getattr(self, name)}; allowed: {least} or more"
            for name, least in (("gpus", 0), ("cpus", 1), ("minutes", 1))
            if getattr(self, name) < least
        ]
        problems += [
            f"--{name.replace('_', '-')} {getattr(self, name):g}; allowed: more than 0"
            for name in ("pending_minutes", "silence_minutes")
            if not getattr(self, name) > 0
        ]
        if self.local and self.partition is not None:
            problems.append(f"--partition {self.partition!r} is Slurm's; leave out --local or it")
        if problems:
            raise UsageError("\n".join(problems))

    @property
    def grace_s(self) -> int:
        """SIGTERM comes so many seconds before the limit: half of it, and a minute at most."""
        return min(GRACE_S, 30 * self.minutes)

    def scheduler(self) -> Scheduler:
        """Return the scheduler that runs the tasks. Raises `InfrastructureError` where there is no Slurm."""
        if not self.local:
            return schedulers.Slurm()
        return schedulers.LocalScheduler(jobs=max(1, len(os.sched_getaffinity(0)) // self.cpus))


@dataclass(frozen=True, kw_only=True)
class Task:
    """
    One command on one machine.

    Attributes:
        name: for people, and of its folder.
        argv: the whole command.
        cwd: where it starts.
        root: the workspace folder of its runs.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    root: Path


@dataclass(frozen=True, kw_only=True)
class Ending:
    """
    End of a task.

    Attributes:
        task: which.
        verdict: its verdict by its end alone: a pass only if its command ended with 0. Its logs say more.
        why: one sentence; empty for a pass.
        host: where it ran, as far as that is known.
        seconds: as far as the machine said.
        log: what it wrote to its streams.
    """

    task: Task
    verdict: Verdict
    why: str = ""
    host: str = ""
    seconds: float = 0.0
    log: Path

    def tail(self, lines: int = 20) -> str:
        """The end of its output."""
        return untrusted.read_end(self.log, lines) if self.log.is_file() else ""


def new_folder(parent: Path) -> Path:
    """
    A folder for one invocation: what an earlier one left says nothing about this one.

    Raises:
        InfrastructureError: it cannot be made.
    """
    folder = parent.absolute() / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InfrastructureError(
            f"the folder {str(parent)!r} for arrays cannot be used: {error.strerror}; give one that can be written and "
            "that the machines share (--folder)"
        ) from error
    return folder


@dataclass
class Array:
    """
    Tasks, and what is known of them.

    Attributes:
        folder: of this invocation alone.
        tasks: in the order of their indices.
        options: how they are run.
        scheduler: who runs them.
        say: takes a line for the user.
        ends: takes each ending as it is known.
        checkout: of this project, on every machine.
        job: the scheduler's name of it, once it is submitted.
        endings: by index, of the tasks that are over.
    """

    folder: Path
    tasks: Sequence[Task]
    options: ArrayOptions
    scheduler: Scheduler
    say: Say
    checkout: Path
    ends: Callable[[Ending], None] = lambda _ending: None
    job: str = ""
    endings: dict[int, Ending] = field(default_factory=dict)
    _shown: dict[int, str] = field(default_factory=dict)
    _beats: dict[int, tuple[str, float]] = field(default_factory=dict)
    _over: dict[int, float] = field(default_factory=dict)
    _stuck: dict[int, float] = field(default_factory=dict)
    _heard: float = 0.0
    _complaint: str = ""

    def submit(self) -> None:
        """
        Write the plan and hand the array over.

        Raises:
            PtychoError: the folder cannot be written, or the scheduler refuses.
        """
        request = ResourceRequest(
            folder=self.folder,
            script=self.folder / SCRIPT,
            tasks=len(self.tasks),
            minutes=self.options.minutes,
            grace_s=self.options.grace_s,
            cpus=self.options.cpus,
            gpus=self.options.gpus,
            partition=self.options.partition,
        )
        rows = [{"name": t.name, "argv": t.argv, "cwd": str(t.cwd), "root": str(t.root)} for t in self.tasks]
        plan: dict[str, Any] = {"schema": array_task.SCHEMA, "minutes": request.minutes, "grace_s": request.grace_s}
        plan |= {"scheduler": self.scheduler.name, "tasks": rows}
        try:
            array_task.write(self.folder / array_task.PLAN, plan)
            request.script.write_text(schedulers.script(sys.executable, self.checkout, self.folder))
            request.script.chmod(0o755)
        except OSError as error:
            raise InfrastructureError(f"{self.folder} cannot be written: {error.strerror}") from error
        self.job = self.scheduler.submit(request)
        with contextlib.suppress(OSError):
            array_task.write(self.folder / array_task.PLAN, plan | {"job": self.job})
        number = f"{len(self.tasks)} tasks" if len(self.tasks) > 1 else "1 task"
        self.say(f"job {self.job}: {number}, each at most {request.minutes} min; folder {self.folder}")

    def wait(self, interruption: Interruption) -> None:
        """
        Wait until every task is over. Asked to end, or in trouble of its own, it ends the tasks first.

        Raises:
            KeyboardInterrupt: it was asked to end; `endings` has every task.
        """
        self._heard = time.monotonic()
        try:
            while not self._look():
                interruption.check()
                time.sleep(_POLL_S)
        except BaseException:
            self.cancel(interruption)
            raise
        finally:
            self.scheduler.close()

    def cancel(self, interruption: Interruption) -> None:
        """Let every task tear down what it has made, then end what is left; a second signal shortens that."""
        self.say(f"job {self.job} is cancelled: the tasks have {self.options.grace_s} s to tear down")
        with contextlib.suppress(OSError):
            (self.folder / array_task.CANCELLED).touch()
        silent = not self._tell(lambda: self.scheduler.terminate(self.job))
        until = time.monotonic() + self.options.grace_s
        while not silent and time.monotonic() < until and not interruption.hurry and not self._look_once():
            time.sleep(_POLL_S)
        if not self._look_once():
            silent = not self._tell(lambda: self.scheduler.kill(self.job))
        until = time.monotonic() + _KILL_S
        while not silent and time.monotonic() < until and not self._look_once():
            time.sleep(_POLL_S)
        for index in self._open():
            why = "cancelled; the scheduler does not say that it is over"
            self._end(index, Verdict.INTERRUPTED, why, State(name="UNKNOWN"))

    def _tell(self, order: Callable[[], None]) -> bool:
        """Give the scheduler an order; returns whether it was heard."""
        try:
            order()
        except PtychoError as error:
            self.say(f"job {self.job} could not be cancelled: {error}; cancel it by hand: scancel {self.job}")
            return False
        return True

    def _look_once(self) -> bool:
        with contextlib.suppress(PtychoError):
            return self._look()
        return not self._open()

    def _open(self) -> list[int]:
        return [index for index in range(len(self.tasks)) if index not in self.endings]

    def _look(self) -> bool:
        """See what has changed; returns whether every task is over."""
        states = self._states()
        with contextlib.suppress(OSError):
            os.listdir(self.folder)  # noqa: PTH208 - on NFS, a file of another machine is seen when its folder is read
        for index in self._open():
            state = states.get(index, FORGOTTEN) if states is not None else None
            record = array_task.read(array_task.record_path(self.folder, index)) or {}
            if record.get("ended") is True:
                self._finished(index, record, state)
            elif state is not None and state.is_over:
                settle_s = _SETTLE_S if state.name != "COMPLETED" else _SETTLE_COMPLETED_S
                if time.monotonic() > self._over.setdefault(index, time.monotonic()) + settle_s:
                    self._lost(index, record, state)
            elif state is not None:
                self._over.pop(index, None)
                self._show(index, state)
                self._judge_waiting(index, record, state)
        self._judge_silence()
        return not self._open()

    def _states(self) -> dict[int, State] | None:
        """Return what the scheduler says; None while it says nothing."""
        try:
            states = self.scheduler.states(self.job)
        except NoAnswerError as error:
            if not self._complaint:
                self.say(f"Slurm does not answer ({error}); results are still taken from the folder")
            self._complaint = str(error)
            return None
        if self._complaint:
            self.say("Slurm answers again")
        self._heard, self._complaint = time.monotonic(), ""
        return states

    def _judge_silence(self) -> None:
        """Give up the tasks of a scheduler that has not answered for too long; their records were looked at before."""
        silence_s = time.monotonic() - self._heard
        if not self._complaint or silence_s < 60 * self.options.silence_minutes:
            return
        why = f"Slurm has not answered for {silence_s:.0f} s: {self._complaint}; it may still run: job {self.job}"
        for index in self._open():
            self._end(index, Verdict.INFRA, why, State(name="UNKNOWN"))

    def _show(self, index: int, state: State) -> None:
        if self._shown.get(index) != str(state):
            self._shown[index] = str(state)
            self.say(f"{self.tasks[index].name}: {state}")

    def _judge_waiting(self, index: int, record: array_task.Record, state: State) -> None:
        """End a task that has waited, or been silent, for too long."""
        now = time.monotonic()
        if state.waits:
            self._beats.pop(index, None)
            since = self._stuck.setdefault(index, now)
            limit_s = 60 * self.options.pending_minutes
            if now <= since + (min(_NEVER_S, limit_s) if state.cannot_start else limit_s):
                return
            how = "it can never start" if state.cannot_start else "it has not started"
            why = f"{how}: Slurm keeps it pending for {state.reason}, {now - since:.0f} s so far"
        else:
            self._stuck.pop(index, None)
            beat = str(record.get("beat", 0))
            if self._beats.get(index, ("", 0.0))[0] != beat:
                self._beats[index] = beat, now
            silence_s = now - self._beats[index][1]
            if silence_s <= 60 * self.options.silence_minutes:
                return
            where = record.get("host") or state.host or "its machine"
            why = (
                f"lost: {where} has given no sign of life for {silence_s:.0f} s, though Slurm says {state.name.lower()}"
            )
        self._tell(lambda: self.scheduler.kill(self.job, index))
        self._end(index, Verdict.INFRA, why, state, record)

    def _finished(self, index: int, record: array_task.Record, state: State | None) -> None:
        code, stop = record.get("returncode"), record.get("stop", "")
        if stop == "limit" and state is not None and state.name == "CANCELLED":
            stop = "signal"  # so close to the limit, only the scheduler knows whose signal it was
        verdict, why = Verdict.PASS, ""
        if stop == "limit":
            verdict, why = Verdict.TIMEOUT, f"the time limit of {self.options.minutes} min (--minutes)"
        elif stop:
            verdict, why = (
                Verdict.INTERRUPTED,
                "cancelled" if stop == "cancelled" else "ended by the scheduler's signal",
            )
        elif code != 0:
            verdict = (
                {2: Verdict.USAGE, 13: Verdict.INFRA}.get(code, Verdict.FAIL) if isinstance(code, int) else Verdict.FAIL
            )
            why = str(record.get("why", "")) or f"its command ended with exit code {code}"
        self._end(index, verdict, why, state or State(name="UNKNOWN"), record)

    def _lost(self, index: int, record: array_task.Record, state: State) -> None:
        """A task that is gone and has not said how it ended."""
        if (self.folder / array_task.CANCELLED).exists():
            return self._end(index, Verdict.INTERRUPTED, "cancelled", state, record)
        if state.verdict is Verdict.TIMEOUT:
            why = f"killed at the time limit of {self.options.minutes} min (--minutes)"
        elif record:
            why = f"lost: {state}"
        else:
            why = f"lost before it began: {state}; does that machine see {self.folder} and {self.checkout}?"
        return self._end(index, state.verdict, why, state, record)

    def _end(
        self, index: int, verdict: Verdict, why: str, state: State, record: array_task.Record | None = None
    ) -> None:
        found = record or {}
        self.endings[index] = ending = Ending(
            task=self.tasks[index],
            verdict=verdict,
            why=untrusted.plain(why),
            host=untrusted.plain(str(found.get("host") or state.host)),
            seconds=float(seconds) if isinstance(seconds := found.get("seconds"), int | float) else 0.0,
            log=schedulers.output(self.folder, index),
        )
        self.ends(ending)
