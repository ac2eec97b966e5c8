"""
One fixture through one target: train, then infer in another process, then look at what they left.

The command runner is handed in, so that the job knows nothing of signals, environments and time limits, and the
black-box checks run their own trainings the same way. What a reconstruction is worth is judged later
(`harness.lanes.checks`), when it is known what training does to it.
"""

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from harness.files import untrusted
from harness.isolation.sandbox import Sandbox
from harness.process.result import complaint, stopped, verdict_of
from harness.process.supervise import CompletedCommand
from harness.record.findings import Finding
from harness.record.outcome import FixtureResult
from harness.targets.loader import Target
from harness.targets.model import Command, Convert
from ptycho.errors import PtychoError
from ptycho.verdict import Verdict

_CLOCK_SLACK_S = 2.0
"""File systems stamp files with a coarser clock than the one that is asked."""


class Runner(Protocol):
    """Runs one command of a target in a cell of its own."""

    def __call__(self, label: str, command: Command, cell: Sandbox, values: Mapping[str, object]) -> CompletedCommand:
        """Run a command to its end."""
        ...


def newest(folder: Path, name: str) -> Path:
    """Return the file of a name; of a pattern (`model-*.ckpt`) the one written last, or where there is none itself."""
    written = [path for path in folder.glob(name) if path.is_file()] if "*" in name else []
    return max(written, key=lambda path: path.stat().st_mtime_ns, default=folder / name)


def missing_artifacts(command: Command, output: Path, since: float) -> list[str]:
    """Artifacts that a command should have left and did not, or that are older than its start, or empty."""
    problems = []
    for name in command.artifacts:
        path = newest(output, name)
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size == 0:
            problems.append(f"{name} is empty")
        elif path.stat().st_mtime < since - _CLOCK_SLACK_S:
            problems.append(f"{name} is older than the command that should have written it")
    return problems


def _unfinished(
    target: Target, what: str, command: Command, finished: CompletedCommand, output: Path
) -> Finding | None:
    """Return why a command of a target is not evidence, as a finding; None if it is."""
    subject, label = what, f"{target.name} {what}"
    finding = partial(Finding, subject=subject, command=shlex.join(finished.argv))
    if (ended := stopped(subject, label, finished, command.timeout_s)) is not None:
        return ended
    if (verdict := verdict_of(finished)) is not Verdict.PASS:
        sentence = complaint(label, finished, command.timeout_s)
        figures = {"exit_code": finished.returncode}
        return finding(id="exit-code", sentence=sentence, figures=figures, verdict=verdict)
    missing = missing_artifacts(command, output, finished.started)
    sentence = f"{label} exited 0, but "
    if not output.is_dir() or not any(output.iterdir()):
        listed = "; ".join(missing) or "its output folder is not there or empty"
        return finding(id="no-output", sentence=sentence + listed)
    if not missing:
        return None
    kinds = {_kind(problem) for problem in missing}
    first = next(kind for kind in ("missing", "empty", "stale") if kind in kinds)
    return finding(id=f"artifact-{first}", sentence=sentence + "; ".join(missing), figures={"files": len(missing)})


def _kind(problem: str) -> str:
    last = problem.rpartition(" ")[2]
    return last if last in ("missing", "empty") else "stale"


@dataclass(frozen=True, kw_only=True)
class TrainInferRun:
    """
    One training, and the inference from what it left.

    Attributes:
        name: name of its cells.
        model: output folder of training; of inference where nothing is trained.
        output: folder that holds the reconstruction.
        train: how training ended, or None.
        infer: how inference ended, or None.
        fault: why it is not evidence, or None.
    """

    name: str
    model: Path
    output: Path
    train: CompletedCommand | None = None
    infer: CompletedCommand | None = None
    fault: Finding | None = None

    @property
    def working(self) -> CompletedCommand | None:
        """Return how the command ended that works on the data: training, or inference where nothing is trained."""
        return self.infer if self.model == self.output else self.train

    def reconstruction(self, target: Target) -> Path:
        """Return what `score.judge` reads: a file, or the folder of the pictures."""
        return self.output if target.pictures is not None else self.output / target.reconstruction


def attempt(
    target: Target,
    name: str,
    path: Path,
    *,
    cells: Path,
    values: Mapping[str, object],
    run: Runner,
    infer: bool = True,
) -> TrainInferRun:
    """
    Train on a file, then infer from what training left, each in a process and a cell of its own.

    Args:
        target: the pipeline.
        name: name of the attempt; labels the commands.
        path: the file.
        cells: folder for the commands' cells.
        values: placeholders that are the same for all commands.
        run: runs a command.
        infer: whether to go on to inference.

    Returns:
        How far it got.
    """
    steps: dict[str, Command | None] = {"convert": target.convert, "train": target.train}
    if infer:
        steps |= {"infer": target.infer, "export": target.export}
    inferred = Sandbox(path=cells / f"{name}-infer").output
    model = inferred if target.train is None else Sandbox(path=cells / f"{name}-train").output
    made = TrainInferRun(name=name, model=model, output=inferred)
    data = {"train": path, "test": path}
    for step, command in steps.items():
        if command is None:
            continue
        label = f"{name}-{step}"
        cell = Sandbox(path=cells / label).make()
        output = made.output if step == "export" else cell.output
        finished = run(label, command, cell, {**values, **data, "model": model, "output": output, "cache": cell.cache})
        if step in ("train", "infer"):
            made = replace(made, **{step: finished})  # type: ignore[arg-type]
        if (fault := _unfinished(target, f"{step} on {name}", command, finished, output)) is not None:
            return replace(made, fault=fault)
        if target.convert is not None and step == "convert":
            data = _converted(target.convert, output)
    return made


def _converted(convert: Convert, output: Path) -> dict[str, Path]:
    """Return the target's own data, which are used from now on."""
    train = output / convert.train if convert.train else output
    return {"train": train, "test": output / convert.test if convert.test else train}


def input_hash(target: Target, model: Path) -> str | None:
    """Return what training said that the network was given, or None."""
    if target.summary is None:
        return None
    try:
        summary: Any = json.loads(untrusted.read_bytes(model / target.summary))
        value = summary[target.input_hash_key]
    except (PtychoError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return value if isinstance(value, str) and value else None


def differing_inputs(results: Iterable[FixtureResult]) -> str | None:
    """Say that fixtures that are the same data in other layouts gave the network other bytes; None if they did not."""
    hashes = {result.fixture: result.input_sha256 for result in results if result.input_sha256 is not None}
    if len(set(hashes.values())) <= 1:
        return None
    listed = ", ".join(f"{name}: {digest[:16]}…" for name, digest in hashes.items())
    return f"the network input differs between fixtures that hold the same data: {listed}"
