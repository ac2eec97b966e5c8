"""
Schedulers of an array: Slurm, through its own commands, or processes of this machine for trying out.

Both start the same script with the same variable, so that what is tried without a cluster is what a cluster runs. What
comes back is not a message of theirs but files in the folder that the machines share; a scheduler is only asked who is
waiting, who runs and who is gone. Slurm keeps no accounting by default and forgets an ended job after five minutes: a
job that it does not know has ended.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.ci.array_task import PARENT_VARIABLE
from ptycho.errors import InfrastructureError, UsageError
from ptycho.verdict import Verdict

INDEX_VARIABLE = "SLURM_ARRAY_TASK_ID"

_CLOSE_S = 10.0
_COMMAND_S = 60.0
"""Slurm's own commands give a silent controller up after about ten seconds."""

_WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED", "RESV_DEL_HOLD", "REQUEUE_HOLD", "REQUEUE_FED")
_RUNNING = ("RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "STOPPED", "RESIZING")

NEVER = (
    *("PartitionConfig", "PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "AccountNotAllowed"),
    *("InvalidAccount", "InvalidQOS", "QOSNotAllowed", "DependencyNeverSatisfied", "JobHeldUser", "JobHeldAdmin"),
    *("AssocMaxWallDurationPerJobLimit", "QOSMaxWallDurationPerJobLimit", "QOSMaxCpuPerJobLimit", "QOSMaxGRESPerJob"),
)
"""Reasons of Slurm for which a job waits and that do not go away by waiting."""

_OF_THE_OPTIONS = ("partition", "node configuration", "time limit", "cpu count", "account", "qos", "array")
"""Words of sbatch's refusals that a user's option has caused; anything else is the cluster's doing."""


class NoAnswerError(InfrastructureError):
    """The scheduler does not answer; it may again."""


@dataclass(frozen=True, kw_only=True)
class State:
    """
    State of a task, by its scheduler.

    Attributes:
        name: in Slurm's words, for example `RUNNING`.
        reason: why it waits, or why it ended; may be empty.
        host: where it runs or ran; may be empty.
    """

    name: str
    reason: str = ""
    host: str = ""

    @property
    def waits(self) -> bool:
        """Whether it has not begun."""
        return self.name in _WAITING

    @property
    def is_over(self) -> bool:
        """Whether nothing of it can run any more."""
        return self.name not in (*_WAITING, *_RUNNING)

    @property
    def cannot_start(self) -> bool:
        """Whether it waits for what waiting does not bring."""
        return self.waits and self.reason in NEVER

    @property
    def verdict(self) -> Verdict:
        """Of a task that is over and has left no result."""
        return _ENDED.get(self.name, Verdict.INFRA)

    def __str__(self) -> str:
        """In one line."""
        where = f" on {self.host}" if self.host else ""
        reason = f" ({self.reason})" if self.reason not in ("", "None") else ""
        return f"{self.name.lower()}{where}{reason}"


FORGOTTEN = State(name="FORGOTTEN")
_ENDED = {
    "TIMEOUT": Verdict.TIMEOUT,
    "DEADLINE": Verdict.TIMEOUT,
    "OUT_OF_MEMORY": Verdict.OOM,
    "CANCELLED": Verdict.INTERRUPTED,
    "PREEMPTED": Verdict.INTERRUPTED,
}


@dataclass(frozen=True, kw_only=True)
class ResourceRequest:
    """
    Resources that an array asks for.

    Attributes:
        folder: that the machines share; the output of the tasks goes there.
        script: what each task runs.
        tasks: how many there are.
        minutes: limit of each.
        grace_s: SIGTERM comes so long before the limit.
        cpus: of each.
        gpus: of each.
        partition: of Slurm; None for its default.
    """

    folder: Path
    script: Path
    tasks: int
    minutes: int
    grace_s: int
    cpus: int = 2
    gpus: int = 0
    partition: str | None = None


def output(folder: Path, index: int) -> Path:
    """Return what a task wrote to its streams."""
    return folder / f"task-{index}.log"


class Scheduler(Protocol):
    """Starts the tasks of one array, says how they are, and ends them."""

    name: str

    def submit(self, request: ResourceRequest) -> str:
        """Hand the array over; returns its id."""
        ...

    def states(self, job: str, /) -> dict[int, State]:
        """State by index; a task that is not in it is over and forgotten. Raises `NoAnswerError`."""
        ...

    def terminate(self, job: str, /) -> None:
        """Ask every task to end; those that have not begun end at once. Raises `NoAnswerError`."""
        ...

    def kill(self, job: str, /, index: int | None = None) -> None:
        """End a task, or all of them. Raises `NoAnswerError`."""
        ...

    def close(self) -> None:
        """Every task has said how it ended: leave no process of this one's behind."""
        ...


class Slurm:
    """A cluster, by its commands."""

    name = "slurm"

    def __init__(self) -> None:
        if (missing := [name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]) != []:
            raise InfrastructureError(
                f"no Slurm here: {', '.join(missing)} not on PATH; submit where a cluster is, or --local runs here"
            )

    def submit(self, request: ResourceRequest) -> str:
        """
        Hand the array over.

        Raises:
            UsageError: an option asks for what the cluster does not have.
            InfrastructureError: it cannot be handed over.
        """
        argv = [
            *("sbatch", "--parsable", "--job-name=ptycho-harness", "--no-requeue", "--open-mode=append"),
            *(f"--array=0-{request.tasks - 1}", f"--time={request.minutes}", f"--signal=B:TERM@{request.grace_s}"),
            *("--nodes=1", "--ntasks=1", f"--cpus-per-task={request.cpus}"),
            # sbatch reads a `%` as a pattern, in the folder of a relative name, too.
            *(f"--chdir={request.folder}", f"--output={_escaped(request.folder)}/task-%a.log", "--input=none"),
            *([f"--gpus-per-task={request.gpus}"] if request.gpus else []),
            *([f"--partition={request.partition}"] if request.partition else []),
            str(request.script),
        ]
        done = _run(argv)
        if done.returncode == 0:
            return done.stdout.strip().rpartition("\n")[2].partition(";")[0]
        said = _sentence(done.stderr)
        if any(word in said.lower() for word in ("contact", "timed out", "communication")):
            raise InfrastructureError(f"Slurm's controller does not answer: {said}; `sinfo` shows when it does")
        if "gres" in said.lower() or (request.gpus and "gpu" in said.lower()):
            raise InfrastructureError(
                f"no node has {request.gpus} GPUs (--gpus): {said}; `sinfo -o '%P %G'` shows them"
            )
        if "invalid partition" in said.lower():
            raise UsageError(f"--partition {request.partition!r}; allowed: {self._partitions()}")
        if any(word in said.lower() for word in _OF_THE_OPTIONS):
            raise UsageError(f"Slurm refuses the array: {said}")
        raise InfrastructureError(f"Slurm does not take the array: {said}")

    def _partitions(self) -> str:
        with contextlib.suppress(InfrastructureError):
            return ", ".join(_run(["sinfo", "--noheader", "--format=%R"]).stdout.split())
        return "those of sinfo"

    def states(self, job: str, /) -> dict[int, State]:
        """State by index."""
        found = {}
        argv = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%i|%T|%N|%r"]
        done = _run(argv)
        if done.returncode != 0:
            if "Invalid job id" in done.stderr:
                return {}
            raise NoAnswerError(_sentence(done.stderr))
        for line in done.stdout.splitlines():
            name, state, host, reason = (*line.split("|", 3), "", "", "")[:4]
            index = name.rpartition("_")[2]
            if index.isdecimal():
                found[int(index)] = State(name=state, host=host, reason=reason)
        return found

    def terminate(self, job: str, /) -> None:
        """SIGTERM to the tasks' own processes; Slurm's cancelling would kill them after its KillWait."""
        self._cancel("--state=PENDING", job)
        self._cancel("--batch", "--signal=TERM", job)

    def kill(self, job: str, /, index: int | None = None) -> None:
        """Cancel."""
        self._cancel(job if index is None else f"{job}_{index}")

    def close(self) -> None:
        """Nothing of it runs here."""

    def _cancel(self, *arguments: str) -> None:
        done = _run(["scancel", *arguments])
        if "contact" in done.stderr.lower():
            raise NoAnswerError(_sentence(done.stderr))


def _escaped(folder: Path) -> str:
    return str(folder).replace("%", "%%")


def _run(argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    # A job that submits a job must not hand its own limits on; the user's SBATCH_ variables are meant.
    env = {name: text for name, text in os.environ.items() if not name.startswith("SLURM_") or name == "SLURM_CONF"}
    try:
        return subprocess.run(
            argv,
            env={**env, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_COMMAND_S,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"{argv[0]} has not answered for {_COMMAND_S:g} s") from None
    except OSError as error:
        raise InfrastructureError(f"{argv[0]} cannot be run: {error.strerror}") from error


def _sentence(stderr: str) -> str:
    """The last line of what one of Slurm's commands said, without who said it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].rpartition("error: ")[2].rstrip(".") if lines else "it says nothing"


@dataclass
class LocalScheduler:
    """
    Processes of this machine, a few at a time, with the same limits and signals.

    Attributes:
        jobs: how many tasks run at a time.
    """

    jobs: int
    name: str = "local"
    _request: ResourceRequest | None = None
    _pending: list[int] = field(default_factory=list)
    _running: dict[int, tuple["subprocess.Popen[bytes]", float]] = field(default_factory=dict)
    _warned: set[int] = field(default_factory=set)
    _over: dict[int, State] = field(default_factory=dict)

    def submit(self, request: ResourceRequest) -> str:
        """Start as many as may run; the others begin as these end."""
        self._request, self._pending = request, list(range(request.tasks))
        self._step()
        return f"local-{os.getpid()}"

    def states(self, _job: str, /) -> dict[int, State]:
        """State by index."""
        self._step()
        waiting = {index: State(name="PENDING", reason="Resources") for index in self._pending}
        running = {index: State(name="RUNNING", host=os.uname().nodename) for index in self._running}
        return {**waiting, **running, **self._over}

    def terminate(self, _job: str, /) -> None:
        """SIGTERM to the tasks' own processes."""
        self._over |= {index: State(name="CANCELLED") for index in self._pending}
        self._pending.clear()
        for process, _ in self._running.values():
            process.terminate()

    def kill(self, _job: str, /, index: int | None = None) -> None:
        """SIGKILL to the groups of the tasks."""
        for number in [index] if index is not None else [*self._pending, *self._running]:
            if number in self._pending:
                self._pending.remove(number)
                self._over[number] = State(name="CANCELLED")
            elif number in self._running:
                self._kill(number, State(name="CANCELLED", host=os.uname().nodename))

    def close(self) -> None:
        """Wait for those that have written their record and are about to exit."""
        for index, (process, _) in list(self._running.items()):
            try:
                process.wait(_CLOSE_S)
            except subprocess.TimeoutExpired:
                self._kill(index, State(name="CANCELLED"))
        self._running.clear()

    def _kill(self, index: int, state: State) -> None:
        process, _ = self._running.pop(index)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._over[index] = state

    def _step(self) -> None:
        """Look who has ended and whose time is over; start those that may run."""
        request, now, host = self._request, time.monotonic(), os.uname().nodename
        assert request is not None
        for index, (process, began) in list(self._running.items()):
            limit_s = 60 * request.minutes
            if process.poll() is not None:
                code = process.returncode
                state = "COMPLETED" if code == 0 else "FAILED"
                reason = f"signal {-code}" if code < 0 else f"exit code {code}" if code else ""
                del self._running[index]
                self._over[index] = State(name=state, reason=reason, host=host)
            elif now > began + limit_s:
                self._kill(index, State(name="TIMEOUT", host=host))
            elif now > began + limit_s - request.grace_s and index not in self._warned:
                self._warned.add(index)
                process.terminate()
        while self._pending and len(self._running) < self.jobs:
            index = self._pending.pop(0)
            with output(request.folder, index).open("ab") as file:
                process = subprocess.Popen(
                    ["/bin/sh", str(request.script)],
                    env={**os.environ, INDEX_VARIABLE: str(index), PARENT_VARIABLE: str(os.getpid())},
                    cwd=request.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
            self._running[index] = process, time.monotonic()


def script(python: str, checkout: Path, folder: Path) -> str:
    """
    Return what each task runs, as text. The shell is replaced, so that the signal of the limit reaches the task itself.

    Args:
        python: interpreter, at the same path on every machine.
        checkout: of this project.
        folder: folder of the array.
    """
    argv = shlex.join([python, "-m", "harness.ci.array_task", str(folder)])
    return f'#!/bin/sh\ncd {shlex.quote(str(checkout))} && exec {argv} "${INDEX_VARIABLE}"\n'
