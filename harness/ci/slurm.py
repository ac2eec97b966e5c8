"""
Sessions as a Slurm array: one task each, through submitit, whose result is the task's event logs.

A log is enough: every report is made from it, here, after the task and its machine are gone. submitit hands a task and
its result over as pickles of its own, in the folder for the array and between its own processes; no other file of
the project is one, and none is read that this command did not write.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.record import directory
from harness.runs import artifacts
from ptycho.errors import InfrastructureError, UsageError
from ptycho.verdict import Verdict

LANES = ("torch_integration", "tf_integration")
LADDERS = ("parity", "benchmark", "mutation", "kill-test")
RUNS = (*LANES, *LADDERS)
"""Sessions that keep an event log: what an array can bring back."""

_TAIL = 4_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """
    What is asked of the cluster.

    Attributes:
        sessions: of the noxfile.
        cluster: `slurm`, or `local` for processes of this machine.
        folder: for the array's files; the machines share it.
        partition: of Slurm, or None for its default.
        gpus: of each task.
        cpus: of each task.
        minutes: limit of each task.
    """

    sessions: tuple[str, ...]
    cluster: str
    folder: Path
    partition: str | None = None
    gpus: int = 0
    cpus: int = 2
    minutes: int = 60

    def __post_init__(self) -> None:
        problems = [
            f"session {name!r} keeps no event log; allowed: {', '.join(RUNS)}"
            for name in self.sessions
            if name not in RUNS
        ]
        problems += [f"session {name!r} is named twice" for name in RUNS if self.sessions.count(name) > 1]
        if self.cluster not in ("slurm", "local"):
            problems.append(f"--cluster {self.cluster!r}; allowed: slurm, local")
        for name, least in (("gpus", 0), ("cpus", 1), ("minutes", 1)):
            if getattr(self, name) < least:
                problems.append(f"--{name} {getattr(self, name)}; allowed: {least} or more")
        if problems:
            raise UsageError("\n".join(problems))


@dataclass(frozen=True, kw_only=True)
class Task:
    """
    One session on one machine.

    Attributes:
        session: of the noxfile.
        argv: the whole command.
        cwd: the checkout.
        root: the workspace folder of its runs.
    """

    session: str
    argv: tuple[str, ...]
    cwd: Path
    root: Path


@dataclass(frozen=True, kw_only=True)
class Returned:
    """
    What a task brings back.

    Attributes:
        session: of the noxfile.
        returncode: of its command.
        seconds: wall time.
        host: where it ran.
        tail: the end of its output.
        logs: event log by name of its run.
    """

    session: str
    returncode: int
    seconds: float
    host: str
    tail: str
    logs: Mapping[str, bytes] = field(default_factory=dict)


def task(session: str, wanted: Wanted, checkout: Path) -> Task:
    """The command of a session, with a workspace folder of its own, so that its runs are told from the others'."""
    root = wanted.folder / session
    device = ("--device", "cuda") if wanted.gpus and session in LANES else ()
    # A lane's session takes the harness's options before a second pair of dashes, pytest's behind it.
    given = (*device, "--root", str(root), *(("--",) if session in LANES else ()))
    argv = (sys.executable, "-m", "nox", "-s", session, "--", *given)
    return Task(session=session, argv=argv, cwd=checkout, root=root)


def work(given: Task) -> Returned:
    """Run a task where it was put; its failure is a result, and no error of the array."""
    clock = time.monotonic()
    done = subprocess.run(
        given.argv, cwd=given.cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True
    )
    logs = {run.path.name: run.events.read_bytes() for run in directory.find(given.root) if run.events.is_file()}
    return Returned(
        session=given.session,
        returncode=done.returncode,
        seconds=time.monotonic() - clock,
        host=os.uname().nodename,
        tail=done.stdout[-_TAIL:],
        logs=logs,
    )


def submit(tasks: Sequence[Task], wanted: Wanted) -> list[Returned]:
    """
    Run tasks as an array and wait for all of them.

    Raises:
        InfrastructureError: there is no such cluster here, or a task was lost with its machine.
    """
    import submitit

    wanted.folder.mkdir(parents=True, exist_ok=True)
    try:
        executor = submitit.AutoExecutor(folder=wanted.folder / "%j", cluster=wanted.cluster)
    except RuntimeError as error:
        raise InfrastructureError(f"no cluster {wanted.cluster!r} here: {error}; --cluster local runs here") from error
    slurm: dict[str, Any] = {"slurm_partition": wanted.partition} if wanted.partition else {}
    executor.update_parameters(
        name="ptycho-harness",
        timeout_min=wanted.minutes,
        cpus_per_task=wanted.cpus,
        gpus_per_node=wanted.gpus,
        **(slurm if wanted.cluster == "slurm" else {}),
    )
    submitted = executor.map_array(work, tasks)
    found = []
    for given, job in zip(tasks, submitted, strict=True):
        try:
            found.append(job.result())
        except Exception as error:  # of submitit: a lost machine, a limit, a task that could not be read back
            raise InfrastructureError(
                f"the task of {given.session} was lost: {error}; its output is below {wanted.folder}"
            ) from error
    return found


def keep(returned: Returned, folder: Path) -> Verdict:
    """
    Write a task's logs and make their reports.

    Args:
        returned: the result.
        folder: gets one folder a run.

    Returns:
        The gravest of its logs' verdicts. No log is no evidence, and an exit code that says worse than its logs counts.
    """
    verdicts = []
    for name, log in returned.logs.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        (place / directory.LOG).write_bytes(log)
        verdicts.append(artifacts.write(place).verdict)
    if not verdicts:
        verdicts.append(Verdict.FAIL)
    if returned.returncode != 0 and all(verdict is Verdict.PASS for verdict in verdicts):
        # nox's own code says only that something failed.
        verdicts.append(Verdict.FAIL)
    return Verdict.worst(verdicts)


def main(wanted: Wanted, *, root: Path, as_json: bool) -> int:
    """Submit, wait, write the reports below the folder, print; returns the exit code."""
    from harness.system import tables

    returned = submit([task(session, wanted, root) for session in wanted.sessions], wanted)
    verdicts = {item.session: keep(item, wanted.folder / "returned" / item.session) for item in returned}
    if as_json:
        rows = [
            {
                "session": item.session,
                "verdict": verdicts[item.session].label,
                "host": item.host,
                "seconds": round(item.seconds, 1),
                "runs": sorted(item.logs),
            }
            for item in returned
        ]
        print(json.dumps({"folder": str(wanted.folder / "returned"), "tasks": rows}, indent=1))
    else:
        shown = [("session", "verdict", "host", "seconds", "runs")]
        for item in returned:
            cells = (verdicts[item.session].label, item.host, f"{item.seconds:.0f}", str(len(item.logs)))
            shown.append((item.session, *cells))
        tables.show(shown)
        for item in returned:
            if not item.logs:
                print(f"{item.session} brought no event log back; the end of its output:\n{item.tail}")
        print(f"event logs and reports: {wanted.folder / 'returned'}", flush=True)
    return int(Verdict.worst(verdicts.values()))
