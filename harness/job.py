"""
One fixture through one target: train, then infer in another process, then judge what they left.

The command runner is handed in, so that the job knows nothing of signals, environments and time limits, and a later
kind of run can reuse it.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from harness import scoring
from harness.child import Finished
from harness.environment import Cell
from harness.outcome import FixtureResult, Outcome
from harness.targets import Command, Target
from ptycho.errors import PtychoError
from ptycho.verdict import Verdict

_CLOCK_SLACK_S = 2.0
"""File systems stamp files with a coarser clock than the one that is asked."""


class Runner(Protocol):
    """Runs one command of a target in a cell of its own."""

    def __call__(self, label: str, command: Command, cell: Cell, values: Mapping[str, object]) -> Finished:
        """Run a command to its end."""
        ...


def verdict_of(finished: Finished) -> Verdict:
    """
    Verdict of a command: of the closed set where it ended with such a code on purpose.

    A command that ends with the code of a usage error was driven wrongly by its target file: that is a failure here.
    """
    if finished.timed_out:
        return Verdict.TIMEOUT
    if finished.returncode in (Verdict.BUDGET, Verdict.OOM, Verdict.INFRA, Verdict.INCONCLUSIVE):
        return Verdict(finished.returncode)
    return Verdict.PASS if finished.returncode == 0 else Verdict.FAIL


def complaint(label: str, finished: Finished, limit_s: float) -> str:
    """Why a command did not pass, with the end of its output."""
    if finished.timed_out:
        how = f"killed after {limit_s:g} s"
    elif finished.returncode < 0:
        how = f"ended by signal {-finished.returncode}"
    else:
        how = f"ended with exit code {finished.returncode}"
    return f"{label} {how}; output in {finished.log}:\n{finished.tail()}"


def missing_artifacts(command: Command, output: Path, since: float) -> list[str]:
    """Artifacts that a command should have left and did not, or that are older than its start, or empty."""
    problems = []
    for name in command.artifacts:
        path = output / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size == 0:
            problems.append(f"{name} is empty")
        elif path.stat().st_mtime < since - _CLOCK_SLACK_S:
            problems.append(f"{name} is older than the command that should have written it")
    return problems


def _input_hash(target: Target, output: Path) -> str | None:
    try:
        summary: Any = json.loads((output / target.summary).read_text(encoding="utf-8"))
        value = summary[target.input_hash_key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) and value else None


def run_fixture(
    target: Target, name: str, path: Path, *, cells: Path, values: Mapping[str, object], run: Runner, outcome: Outcome
) -> FixtureResult:
    """
    Train on a fixture, infer from what training left, score.

    Args:
        target: the pipeline.
        name: the fixture's name.
        path: its file.
        cells: folder for the commands' cells.
        values: placeholders that are the same for both commands.
        run: runs a command.
        outcome: gets the problems.

    Returns:
        The result, also where it failed half-way.
    """
    result = FixtureResult(fixture=name)
    known = len(outcome.problems)
    model = Cell(path=cells / f"{name}-train").output
    for step, command in (("train", target.train), ("infer", target.infer)):
        label = f"{name}-{step}"
        cell = Cell(path=cells / label).make()
        data = {"train": path, "test": path, "model": model, "output": cell.output, "cache": cell.cache}
        finished = run(label, command, cell, {**values, **data})
        result = replace(result, **{f"{step}_s": finished.seconds})  # type: ignore[arg-type]
        if (verdict := verdict_of(finished)) is not Verdict.PASS:
            outcome.blame(verdict, complaint(f"{target.name} {step} on {name}", finished, command.timeout_s))
            return replace(result, verdict=verdict)
        if missing := missing_artifacts(command, cell.output, finished.started):
            outcome.blame(Verdict.FAIL, f"{target.name} {step} on {name} exited 0, but {'; '.join(missing)}")
            return result
        if step == "train":
            result = replace(result, input_sha256=_input_hash(target, cell.output))
    if result.input_sha256 is None:
        outcome.blame(
            Verdict.FAIL, f"{target.name} train on {name}: {target.summary} has no text under {target.input_hash_key!r}"
        )
    return _judge(target, result, path, cells / f"{name}-infer", outcome, known)


def _judge(
    target: Target, result: FixtureResult, fixture: Path, cell: Path, outcome: Outcome, known: int
) -> FixtureResult:
    picture = outcome.run_root / "pictures" / f"{target.name}-{result.fixture}.png"
    try:
        judged = scoring.judge(
            Cell(path=cell).output / target.reconstruction,
            target.reconstruction_keys,
            fixture,
            picture,
            name=f"{target.name}: {result.fixture}",
        )
    except (PtychoError, OSError, ValueError) as error:
        outcome.blame(Verdict.FAIL, f"{target.name} on {result.fixture}: the reconstruction cannot be scored: {error}")
        return result
    for sentence in scoring.shortfall(judged, min_phase_correlation=target.min_phase_correlation):
        outcome.blame(Verdict.FAIL, f"{target.name} on {result.fixture}: {sentence}")
    passed = len(outcome.problems) == known
    return replace(
        result,
        scores=judged.scores,
        flat=judged.flat,
        pictures=(str(judged.picture),),
        verdict=Verdict.PASS if passed else Verdict.FAIL,
    )


def differing_inputs(results: list[FixtureResult]) -> str | None:
    """Say that fixtures that are the same data in other layouts gave the network other bytes; None if they did not."""
    hashes = {result.fixture: result.input_sha256 for result in results if result.input_sha256 is not None}
    if len(set(hashes.values())) <= 1:
        return None
    listed = ", ".join(f"{name}: {digest[:16]}…" for name, digest in hashes.items())
    return f"the network input differs between fixtures that hold the same data: {listed}"
