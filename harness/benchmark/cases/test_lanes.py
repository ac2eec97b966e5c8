"""
The benchmarks. Each case runs processes of one lane and says what they took, on `harness.benchmark.external_clock`.

A case's name is its name in `manifest.toml`, in `bench.json` and in the history.
"""

import csv
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.benchmark import blocks, budget, external_clock, gate
from harness.benchmark.measure import BenchmarkLane, BenchmarkTrial
from harness.benchmark.plugin import BenchmarkSession
from harness.lanes.device import gpu_worked
from harness.process import result
from ptycho.errors import PtychoError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

ROUNDS = {"small": 3}
"""Processes of an epoch that are counted, where one takes seconds; on every other scan it is one."""

BLOCKS = 8
"""Blocks of each name that a measurement inside a process counts."""

OVERHEAD = 1.10
"""An epoch by the bare network's forward pass, backward pass and step, per pattern."""

INSIDE_LIMIT_S = 240.0

WORK = "engine.work"
"""Entry of the summary of both backends that says where a training computed."""

Judged = Callable[[Verdict, str, dict[str, Any]], None]


class _BrokenError(Exception):
    """A process that did not end well: there is nothing to measure."""

    def __init__(self, trial: BenchmarkTrial, what: str, limit_s: float) -> None:
        super().__init__(result.complaint(what, trial.finished, limit_s))
        found = result.verdict_of(trial.finished)
        self.verdict = found if found is not Verdict.PASS else Verdict.FAIL


def _require(trial: BenchmarkTrial, what: str, limit_s: float) -> None:
    if not trial.well:
        raise _BrokenError(trial, what, limit_s)


def _common(session: BenchmarkSession, trials: list[BenchmarkTrial]) -> dict[str, Any]:
    return {
        "cpu_s": statistics.median(trial.attempt.cpu_s for trial in trials),
        "peak_mib": max(trial.peak_mib for trial in trials),
        "contended": [trial.attempt.contended for trial in trials],
        "fingerprint": session.fingerprint,
        "threads": session.plan.threads,
    }


def _training(session: BenchmarkSession, side: str, scan: str) -> list[str]:
    return [
        *("--train_data_file", session.plan.scans[scan], "--output_dir", "{output}", "--nepochs", "1"),
        *("--batch_size", "16", "--device", session.plan.device(side), "--threads", str(session.plan.threads)),
        *("--disable_mlflow", "--quiet"),
    ]


def test_epoch(
    side: str, scan: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any, judged: Judged
) -> None:
    """The whole process of a training of one epoch against the budget, by phase."""
    trials: list[BenchmarkTrial] = []
    rulings: list[budget.BudgetResult] = []
    limit_s = budget.KILLED_AT * session.plan.budget_s

    def attempt() -> budget.BudgetAttempt:
        trial = lane.run(f"epoch-{scan}", [f"ptycho_{side}.train", *_training(session, side, scan)], timeout_s=limit_s)
        trials.append(trial)
        if trial.well:
            session.trained[side, scan] = trial
        elif not trial.finished.timed_out:
            raise _BrokenError(trial, f"{side}: training on {scan}", limit_s)
        return trial.attempt

    try:
        for _ in range(ROUNDS.get(scan, 1)):
            rulings.append(budget.judge(attempt, session.plan.budget_s))
            if rulings[-1].verdict is not Verdict.PASS:
                break  # a further process would not change it
    except _BrokenError as broken:
        judged(broken.verdict, str(broken), {})
        return
    _tell(benchmark, [ruling.attempts[-1].wall_s for ruling in rulings])
    if (elsewhere := _elsewhere(session, side, trials[-1])) != "":
        judged(Verdict.FAIL, elsewhere, {})
        return
    worst = max(rulings, key=lambda ruling: (ruling.verdict is not Verdict.PASS, ruling.attempts[-1].wall_s))
    middle = sorted(trials, key=lambda trial: trial.attempt.wall_s)[len(trials) // 2]
    figures = _common(session, trials) | {
        "side": side,
        "scan": scan,
        "wall_s": middle.attempt.wall_s,
        "phases": {name: round(seconds, 4) for name, seconds in middle.phases.items()},
        "budget_s": session.plan.budget_s,
        **_epoch_figures(middle),
    }
    judged(worst.verdict, worst.sentence, figures)


def _elsewhere(session: BenchmarkSession, side: str, trial: BenchmarkTrial) -> str:
    """Return why a training that was to compute on a GPU does not show that it did; empty where it does."""
    if session.plan.device(side) == "cpu" or not trial.well:
        return ""
    evidence = gpu_worked.read(trial.output / "summary.json", WORK)
    wrong = [evidence] if isinstance(evidence, str) else gpu_worked.problems(evidence)
    return f"gpu-unused: {side} trained elsewhere than on a GPU: {'; '.join(wrong)}" if wrong else ""


def _tell(benchmark: Any, seconds: Sequence[float]) -> None:
    """Hand pytest-benchmark what was measured, one round each."""
    left = iter(seconds)
    benchmark.pedantic(lambda: external_clock.add(next(left)), rounds=len(seconds))


def _epoch_figures(trial: BenchmarkTrial) -> dict[str, Any]:
    """Return what the training itself says; nothing where it was killed."""
    if not trial.well:
        return {}
    summary = json.loads((trial.output / "summary.json").read_text(encoding="utf-8"))
    with (trial.output / "history.csv").open(encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return {"groups": summary["n_groups"], "patterns_per_second": float(last["patterns_per_second"])}


def test_inference(
    side: str, last_scan: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any, judged: Judged
) -> None:
    """From weights and a scan to the stitched object: a whole process, after a training that does not count."""
    limit_s = budget.KILLED_AT * session.plan.budget_s
    trained = session.trained.get((side, last_scan))
    if trained is None:
        train = [f"ptycho_{side}.train", *_training(session, side, last_scan)]
        trained = lane.run(f"weights-{last_scan}", train, timeout_s=budget.KILLED_AT * limit_s)
    infer = [
        *(f"ptycho_{side}.inference", "--model_path", str(trained.output), "--output_dir", "{output}"),
        *("--test_data", session.plan.scans[last_scan], "--device", session.plan.device(side)),
        *("--threads", str(session.plan.threads), "--quiet"),
    ]
    try:
        _require(trained, f"{side}: training on {last_scan}, for the weights", budget.KILLED_AT * limit_s)
        trial = lane.run(f"inference-{last_scan}", infer, timeout_s=limit_s)
        _require(trial, f"{side}: inference of {last_scan}", limit_s)
    except _BrokenError as broken:
        judged(broken.verdict, str(broken), {})
        return
    _tell(benchmark, [trial.attempt.wall_s])
    summary = json.loads((trial.output / "inference.json").read_text(encoding="utf-8"))
    rate = summary["patterns"] / trial.attempt.wall_s
    figures = _common(session, [trial]) | {
        "side": side,
        "scan": last_scan,
        "wall_s": trial.attempt.wall_s,
        "phases": summary["seconds"],
        "patterns": summary["patterns"],
        "patterns_per_second": rate,
    }
    judged(Verdict.PASS, f"{summary['patterns']} patterns in {trial.attempt.wall_s:.1f} s", figures)


def _inside(
    kind: str, side: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any
) -> tuple[BenchmarkTrial, dict[str, Any]]:
    """
    A measurement inside a process: one round a block of its first name.

    The process runs every block once before it counts: that is its warm-up.
    """
    arguments = [
        *(f"ptycho_{side}.bench", kind, "--out", "{output}", "--blocks", str(BLOCKS)),
        *("--device", session.plan.device(side), "--threads", str(session.plan.threads)),
    ]
    trial = lane.run(f"bench-{kind}", arguments, timeout_s=INSIDE_LIMIT_S, output="bench.json")
    _require(trial, f"{side}: bench {kind}", INSIDE_LIMIT_S)
    written: dict[str, Any] = json.loads((trial.output / "bench.json").read_text(encoding="utf-8"))
    first = written["blocks"][0]["name"]
    _tell(benchmark, [block["wall_s"] / block["steps"] for block in written["blocks"] if block["name"] == first])
    return trial, written


def _rates(side: str, trial: BenchmarkTrial, written: dict[str, Any], session: BenchmarkSession) -> dict[str, Any]:
    first = written["blocks"][0]["name"]
    mine = [block for block in written["blocks"] if block["name"] == first]
    return _common(session, [trial]) | {
        "side": side,
        "settings": written.get("settings", {}),
        "patterns_per_second": statistics.median(block["patterns"] / block["wall_s"] for block in mine),
        "cpu_s_per_pattern": statistics.median(block["cpu_s"] / block["patterns"] for block in mine),
    }


def _throughput(
    kind: str, what: str, side: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any, judged: Judged
) -> None:
    try:
        trial, written = _inside(kind, side, lane, session, benchmark)
    except _BrokenError as broken:
        judged(broken.verdict, str(broken), {})
        return
    figures = _rates(side, trial, written, session)
    judged(Verdict.PASS, f"{figures['patterns_per_second']:.0f} {what}/s", figures)


def test_predict(side: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any, judged: Judged) -> None:
    """Patterns through the network alone."""
    _throughput("predict", "patterns", side, lane, session, benchmark, judged)


def test_stitch(side: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any, judged: Judged) -> None:
    """Patches onto the canvas alone."""
    _throughput("stitch", "patches", side, lane, session, benchmark, judged)


def test_step(side: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any, judged: Judged) -> None:
    """Optimiser steps on batches in memory."""
    _throughput("step", "patterns", side, lane, session, benchmark, judged)


def test_cost(side: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any, judged: Judged) -> None:
    """Steps over the calibration kernel around them, in fresh processes: the figure that other work moves least."""
    scan, measured, began = Path(next(iter(session.plan.scans.values()))), [], [time.monotonic()]
    try:
        # The first pays for bytecode and cold caches; it counts for nothing.
        for _ in range(blocks.NIGHT + 1):
            measured.append(blocks.run(lane, ROOT, scan, slices=blocks.NIGHT_SLICES, own=True))
            began.append(time.monotonic())
    except PtychoError as error:
        judged(error.verdict, str(error), {})
        return
    costs = [block.cpu for block in measured[1:]]
    _tell(benchmark, [after - before for before, after in pairwise(began[1:])])
    cost = blocks.level(costs)
    peak = statistics.median(block.memory for block in measured[1:])
    figures = {"side": side, "cost": cost, "blocks": costs, "peak_mib": peak, "fingerprint": session.fingerprint}
    judged(Verdict.PASS, f"a step costs {cost:.3f} of the calibration kernel around it", figures)


def test_overhead(side: str, lane: BenchmarkLane, session: BenchmarkSession, benchmark: Any, judged: Judged) -> None:
    """An epoch against the bare network, block by block in one process; the ratio is of processor time."""
    try:
        trial, written = _inside("overhead", side, lane, session, benchmark)
    except _BrokenError as broken:
        judged(broken.verdict, str(broken), {})
        return
    cpu = {
        name: [block["cpu_s"] / block["patterns"] for block in written["blocks"] if block["name"] == name]
        for name in ("epoch", "bare")
    }
    found = gate.interval([math.log(epoch / bare) for epoch, bare in zip(cpu["epoch"], cpu["bare"], strict=True)])
    ratio, lower, upper = (math.exp(value) for value in (found.mean, found.lower, found.upper))
    figures = _rates(side, trial, written, session) | {"ratio": ratio, "interval": [lower, upper], "limit": OVERHEAD}
    said = f"an epoch takes {ratio:.3f} of the bare network's time [{lower:.3f}, {upper:.3f}], limit {OVERHEAD}"
    if lower > OVERHEAD:
        judged(Verdict.FAIL, said, figures)
    elif ratio > OVERHEAD:
        judged(Verdict.INCONCLUSIVE, f"{said}: the interval is too wide to judge", figures)
    else:
        judged(Verdict.PASS, said, figures)
