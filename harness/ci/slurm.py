"""
Sessions as an array on a cluster: one task each, whose result is the event logs that it leaves in the shared folder.

A log is enough: every report is made from it, here, also when the task and its machine are gone. What the scheduler
knows besides (a time limit, a lost machine) makes a verdict worse, and never better.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.ci import array_task
from harness.ci.array import Array, ArrayOptions, Ending, Task, new_folder
from harness.record import directory
from harness.record import verdict as log_verdict
from harness.runs import artifacts
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError, PtychoError, UsageError
from ptycho.verdict import Verdict

LANES = ("torch_integration", "tf_integration")
LADDERS = ("parity", "benchmark", "mutation", "kill-test")
RUNS = (*LANES, *LADDERS)
"""Sessions that keep an event log: what an array can bring back."""

ON_GPUS = (*LANES, "parity", "benchmark")
"""Sessions that compute on a GPU where an array asks for one."""

RESULT = "verdict.json"
SCHEMA = "ptycho-harness-array-verdict/1"


def check(sessions: Sequence[str]) -> None:
    """
    Refuse sessions that bring nothing back.

    Raises:
        UsageError: with everything that is wrong with them.
    """
    problems = [
        f"session {name!r} keeps no event log; allowed: {', '.join(RUNS)}" for name in sessions if name not in RUNS
    ]
    problems += [f"session {name!r} is named twice" for name in RUNS if sessions.count(name) > 1]
    if problems:
        raise UsageError("\n".join(problems))


def nox(session: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """
    The command line of a session.

    Raises:
        InfrastructureError: nox is not installed.
    """
    if find_spec("nox") is None:
        raise InfrastructureError(f"nox is not installed for {sys.executable}; python -m pip install 'nox[uv]'")
    return (sys.executable, "-m", "nox", "-s", session, "--", *arguments)


def task(session: str, folder: Path, checkout: Path, *, gpus: int) -> Task:
    """The command of a session, with a workspace folder of its own, which keeps its runs apart from the others'."""
    root = folder / session
    device = ("--device", "cuda") if gpus and session in ON_GPUS else ()
    # A lane's session takes the harness's options before a second pair of dashes, pytest's behind it.
    words = (*device, "--root", str(root), *(("--",) if session in LANES else ()))
    return Task(name=session, argv=nox(session, words), cwd=checkout, root=root)


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """
    Files that a task has brought back.

    Attributes:
        ending: of the task.
        verdict: verdict of its logs and of its end.
        why: why it is not a pass, as far as its logs do not say it.
        runs: folders of its runs, in which the reports are.
        notes: what could not be made or removed.
    """

    ending: Ending
    verdict: Verdict
    why: str = ""
    runs: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "session": self.ending.task.name,
            "verdict": self.verdict.label,
            "why": self.why,
            "host": self.ending.host,
            "seconds": round(self.ending.seconds, 1),
            "runs": [str(path) for path in self.runs],
            "notes": list(self.notes),
        }


def judge(ending: Ending) -> TaskResult:
    """
    Make the reports of a task's runs from their logs, and judge it.

    No log is not evidence. A task that was stopped is judged by what stopped it, unless a rung had failed before. An
    exit code of nox says only that something failed: the logs, where they say what, are more exact. What a killed task
    left of its scratch goes, where it can be proven that nobody uses it.
    """
    verdicts: list[Verdict] = []
    notes: list[str] = []
    failed = False
    runs = [run for run in directory.find(ending.task.root) if run.events.is_file()]
    stopped = ending.verdict in (Verdict.TIMEOUT, Verdict.INFRA, Verdict.OOM)
    for run in runs:
        try:
            judged = artifacts.write(run.path)
        except PtychoError as error:
            notes.append(str(error))
            verdicts.append(error.verdict)
            continue
        failed |= judged.failed
        if not (stopped and (judged.partial or judged.verdict is Verdict.INTERRUPTED)):
            verdicts.append(judged.verdict)
        if run.scratch.exists():
            notes += [f"{run.path} still lives: not touched"] if run.alive else run.remove_scratch()
    why = ending.why
    if ending.verdict is Verdict.FAIL and any(verdict is not Verdict.PASS for verdict in verdicts):
        why = ""
    else:
        verdicts.append(ending.verdict)
    if not runs and ending.verdict is Verdict.PASS:
        verdicts, why = [Verdict.FAIL], "it brought no event log back"
    verdict = log_verdict.gravest(verdicts, failed=failed)
    return TaskResult(ending=ending, verdict=verdict, why=why, runs=tuple(run.path for run in runs), notes=tuple(notes))


def report(results: Sequence[TaskResult], array: Array, verdict: Verdict) -> dict[str, Any]:
    """Everything that came back, as plain values; also kept in the folder."""
    document = {
        "schema": SCHEMA,
        "verdict": verdict.label,
        "exit_code": int(verdict),
        "job": array.job,
        "folder": str(array.folder),
        "tasks": [result.as_dict() for result in results],
    }
    try:
        array_task.write(array.folder / RESULT, document)
    except OSError as error:
        print(f"{array.folder / RESULT} could not be written: {error.strerror}", file=sys.stderr)
    return document


def show(results: Sequence[TaskResult], array: Array) -> None:
    """Print what came back as a table, and the end of the output of what brought nothing."""
    from harness.files import untrusted
    from harness.system import tables

    rows = [("session", "verdict", "host", "seconds", "runs", "why")]
    for result in results:
        ending = result.ending
        host, seconds = ending.host or "–", f"{ending.seconds:.0f}"
        rows.append((ending.task.name, result.verdict.label, host, seconds, str(len(result.runs)), result.why))
    tables.show(rows)
    for result in results:
        for note in result.notes:
            print(f"{result.ending.task.name}: {note}")
        if result.verdict is not Verdict.PASS and not result.runs and (tail := result.ending.tail()):
            print(f"the end of the output of {result.ending.task.name} ({result.ending.log}):\n{untrusted.plain(tail)}")
    print(f"event logs and reports: {array.folder}", flush=True)


def saying(as_json: bool) -> Callable[[str], None]:
    """Return where progress goes: beside a JSON document there is nothing else on standard output."""
    return partial(print, file=sys.stderr if as_json else sys.stdout, flush=True)


def run(array: Array, interruption: Interruption) -> tuple[list[TaskResult], Verdict]:
    """
    Submit an array, wait, and judge each task as it ends.

    Returns:
        Results in the order of the tasks, and the worst of their verdicts; interrupted if it was asked to end.
    """
    found: dict[str, TaskResult] = {}

    def end(ending: Ending) -> None:
        found[ending.task.name] = result = judge(ending)
        array.say(f"{ending.task.name}: {result.verdict.label}{f', {result.why}' if result.why else ''}")

    array.ends = end
    array.submit()
    verdicts = []
    try:
        array.wait(interruption)
    except KeyboardInterrupt:
        verdicts.append(Verdict.INTERRUPTED)
    results = [found[item.name] for item in array.tasks]
    return results, Verdict.worst([*verdicts, *(result.verdict for result in results)])


def main(sessions: Sequence[str], options: ArrayOptions, *, checkout: Path, as_json: bool) -> int:
    """Submit, wait, make the reports below the folder, print; returns the exit code."""
    check(sessions)
    scheduler = options.scheduler()
    nox("parity", ())
    with Interruption().installed() as interruption:
        folder = new_folder(options.folder)
        array = Array(
            folder=folder,
            tasks=[task(session, folder, checkout, gpus=options.gpus) for session in sessions],
            options=options,
            scheduler=scheduler,
            say=saying(as_json),
            checkout=checkout,
        )
        results, verdict = run(array, interruption)
    document = report(results, array, verdict)
    if as_json:
        print(json.dumps(document, indent=1))
    else:
        show(results, array)
    return int(verdict)
