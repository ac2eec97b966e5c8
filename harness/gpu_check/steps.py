"""
The steps of a check in their order, each with its limit: commands of the harness, and trainings.

A step is a process with a limit of its own. Whatever it does, the next ones run, and its verdict is its exit code, or
what its output shows where it is a training.
"""

import csv
import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.lanes.device import gpu_worked
from ptycho.errors import PtychoError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

SMALL = ROOT / "tests" / "fixtures" / "pytorch_integration" / "small.npz"
PATTERNS = 100_000
OF_THEM = 4096
"""Groups that are drawn out of the large scan: every pattern is read into the store, these are trained on."""

HALF_TOLERANCE = 0.1
"""Largest difference of the last validation loss in bfloat16, relative to float32's, after four epochs."""

GRACE_S = 20.0
SUITE = "integration and not deep"
WITHOUT = "not mlflow and not bad_file and not bad_option"
"""Tests of what the folder of wheels leaves out, and of refusals before any framework is imported."""


@dataclass(frozen=True, kw_only=True)
class CheckStep:
    """
    One step.

    Attributes:
        name: for people, and of its log.
        argv: the command.
        limit_s: wall-clock limit.
        judge: what its output shows once it has ended with 0: why it does not pass, empty if it does.
        shows: what it is for.
    """

    name: str
    argv: tuple[str, ...]
    limit_s: float
    shows: str
    judge: Callable[[], str] = str


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """
    A step that ran, or could not.

    Attributes:
        name: of the step.
        shows: what it is for.
        verdict: its verdict.
        why: why it does not pass.
        seconds: wall time.
        log: what it wrote.
        figures: what it measured, where it is a training.
    """

    name: str
    shows: str
    verdict: Verdict
    why: str = ""
    seconds: float = 0.0
    log: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {name: getattr(self, name) for name in ("name", "shows", "why", "log")}
        return {**plain, "verdict": self.verdict.label, "seconds": round(self.seconds, 1), **self.figures}


def plan(side: str, python: str, out: Path) -> list[CheckStep]:
    """
    Every step of a side.

    Args:
        side: `torch` or `tf`.
        python: interpreter that has the framework, and everything else.
        out: the folder of the check.
    """
    root, work = str(out / "workspace"), out / "trainings"
    harness = (python, "-m", "harness")
    on = ("--root", root, "--device")
    single, half, large = (work / f"{side}-{name}" for name in ("f32", "bf16", "large"))
    scan = work / "large.npz"
    return [
        CheckStep(
            name=f"{side}-lane",
            argv=(
                *harness,
                "run",
                side,
                "--fixture",
                "small",
                "--brief",
                *on,
                "cuda",
                "--",
                "-m",
                SUITE,
                "-k",
                WITHOUT,
            ),
            limit_s=180,
            shows="proof of device with its control; training, inference and the suite on the GPU",
        ),
        CheckStep(
            name=f"{side}-parity",
            argv=(
                *(*harness, "parity", "run", "--side", side, "--steps", "20", "--canaries", "0"),
                *("--python", f"{side}={python}", *on, f"{side}=cuda"),
            ),
            limit_s=150,
            shows="the ladder of this framework on the GPU, against the oracle on the CPU",
        ),
        CheckStep(
            name=f"{side}-benchmark",
            argv=(
                *(*harness, "benchmark", "run", "--side", side, "--fixture", "small"),
                *("--python", f"{side}={python}", *on, f"{side}=cuda"),
            ),
            limit_s=150,
            shows="an epoch by phase, inference, and patterns per second on the GPU",
        ),
        _training(f"{side}-f32", side, python, SMALL, single, 60, "a training to compare with", "--nepochs", "4"),
        _training(
            *(f"{side}-bf16", side, python, SMALL, half, 60, "bfloat16 trains as float32 does"),
            *("--nepochs", "4", "--precision", "bf16"),
            judge=lambda: elsewhere(half) or apart(half, single),
        ),
        CheckStep(
            name=f"{side}-scan",
            argv=(python, "-m", "harness.gpu_check.large_scan", str(scan), str(PATTERNS)),
            limit_s=60,
            shows=f"a scan of {PATTERNS:,} patterns is written",
        ),
        _training(
            *(f"{side}-large", side, python, scan, large, 120, f"{PATTERNS:,} patterns are read and trained on"),
            *("--nepochs", "1", "--batch_size", "64", "--n_images", str(OF_THEM)),
        ),
    ]


def _training(
    name: str,
    side: str,
    python: str,
    scan: Path,
    output: Path,
    limit_s: float,
    shows: str,
    *words: str,
    judge: Callable[[], str] | None = None,
) -> CheckStep:
    argv = (python, "-m", f"ptycho_{side}.train", "--train_data_file", str(scan), "--output_dir", str(output))
    common = ("--device", "cuda", "--seed", "1", "--disable_mlflow", "--quiet")
    asked = judge or (lambda: elsewhere(output))
    return CheckStep(name=name, argv=(*argv, *common, *words), limit_s=limit_s, shows=shows, judge=asked)


def elsewhere(output: Path) -> str:
    """Return why a training shows no work of a GPU, or losses that are no numbers; empty if it is sound."""
    found = gpu_worked.read(output / "summary.json", "engine.work")
    if isinstance(found, str):
        return f"device-unproven: {found}"
    if wrong := gpu_worked.problems(found):
        return f"gpu-unused: {'; '.join(wrong)}"
    losses = validation_losses(output)
    return "" if losses and all(map(math.isfinite, losses)) else f"its validation losses are {losses}"


def validation_losses(output: Path) -> list[float]:
    """Validation loss by epoch."""
    path = output / "history.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [float(row["validation_loss"]) for row in csv.DictReader(file)]


def apart(half: Path, single: Path) -> str:
    """Return why a training in bfloat16 did not end as one in float32; empty if it did."""
    ends = [validation_losses(output)[-1:] for output in (half, single)]
    if not all(ends):
        return "the training in float32 left no losses to compare with"
    ((mixed,), (full,)) = ends
    if abs(mixed - full) <= HALF_TOLERANCE * abs(full):
        return ""
    return f"its last validation loss is {mixed:.6g}, float32's {full:.6g}; allowed: {HALF_TOLERANCE:.0%} apart"


def run(steps: Sequence[CheckStep], out: Path, deadline: float, say: Callable[[str], None] = print) -> list[StepResult]:
    """
    Run steps one after the other.

    Args:
        steps: in their order.
        out: the folder of the check; logs go into it.
        deadline: of `time.monotonic()`; what cannot begin before is a timeout.
        say: takes a line for people.
    """
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    done = []
    for step in steps:
        done.append(_one(step, logs / f"{step.name}.log", deadline))
        last = done[-1]
        say(f"{last.name}: {last.verdict.label} in {last.seconds:.0f} s{f': {last.why}' if last.why else ''}")
    return done


def _one(step: CheckStep, log: Path, deadline: float) -> StepResult:
    began = time.monotonic()
    limit_s = min(step.limit_s, deadline - began)
    if limit_s <= 0:
        return StepResult(name=step.name, shows=step.shows, verdict=Verdict.TIMEOUT, why="no time was left for it")
    with log.open("wb") as file:
        try:
            process = subprocess.Popen(
                step.argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        except OSError as error:
            why = f"it cannot be started: {error}"
            return StepResult(name=step.name, shows=step.shows, verdict=Verdict.INFRA, why=why, log=str(log))
        try:
            code, why = process.wait(limit_s), ""
        except subprocess.TimeoutExpired:
            code, why = _ended(process), f"it was ended after {limit_s:.0f} s"
    verdict = Verdict.TIMEOUT if why else Verdict.PASS if code == 0 else _verdict(code)
    if not why and code:
        why = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2][:300]
    elif not why:
        try:
            why = step.judge()
        except (PtychoError, OSError, ValueError, KeyError) as error:
            why = f"what it left cannot be judged: {error!r}"
        verdict = Verdict.FAIL if why else Verdict.PASS
    spent = time.monotonic() - began
    return StepResult(name=step.name, shows=step.shows, verdict=verdict, why=why, seconds=spent, log=str(log))


def _verdict(code: int) -> Verdict:
    try:
        return Verdict(code)
    except ValueError:
        return Verdict.FAIL


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """End a step and all that it has started; the harness's own commands tear down first."""
    process.terminate()
    try:
        return process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write the result."""
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
