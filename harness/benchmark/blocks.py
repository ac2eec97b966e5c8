"""One block of a tree's training steps in a fresh process: the unit of comparisons, histories and bisections."""

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from harness.benchmark import gate
from harness.benchmark.gate import ProcessCost
from harness.benchmark.measure import BenchmarkLane
from harness.process import result
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT

SLICES = 40
TIMEOUT_S = 180.0
NIGHT, NIGHT_SLICES = 40, 20
"""
Blocks of the figure that the history keeps of a night, and steps of each. Single blocks vary by some per cent on a busy
machine, and more from process to process than from step to step: many short ones are steadier than a few long ones.
"""


def level(costs: Sequence[float]) -> float:
    """
    One figure for blocks of the same tree: their mean.

    The costs of processes have two or three levels (where their memory came to lie) rather than long tails; of those a
    mean is steadier than a median. A night that something disturbed is the affair of who reads many nights.

    Args:
        costs: one a block.
    """
    return statistics.fmean(costs)


def run(lane: BenchmarkLane, tree: Path, scan: Path, *, slices: int = SLICES, own: bool = False) -> ProcessCost:
    """
    Run a block.

    Args:
        lane: the side and its interpreter.
        tree: where core and backend come from.
        scan: that is trained on.
        slices: steps.
        own: whether the tree is what is to be judged: if it does not run, that is its own fault.

    Raises:
        PtychoError: the process did not end well.
        InfrastructureError: the same, of a tree that is only compared with.
    """
    arguments = [
        *("harness.benchmark.step_block", f"ptycho_{lane.side}", "--tree", str(tree), "--out", "{output}"),
        *("--scan", str(scan), "--slices", str(slices)),
    ]
    extra = {"PYTHONPATH": os.pathsep.join((str(tree), str(ROOT))), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    trial = lane.run(f"block-{tree.name}", arguments, timeout_s=TIMEOUT_S, output="block.json", extra=extra)
    if not trial.well:
        error = result.error_of(f"a block of {tree.name}, {lane.side}", trial.finished, TIMEOUT_S)
        raise error if own else InfrastructureError(str(error))
    found = json.loads((trial.output / "block.json").read_text(encoding="utf-8"))
    return ProcessCost(cpu=gate.estimate(found["rows"]), memory=float(found["peak_mib"]))
