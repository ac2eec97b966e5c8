"""
A mutant in the harness itself, before what guards it; both guards run from the changed copy.

Those are the ladder's self-check for the ladder, and for everything else the tests of the file that was changed.
"""

import sys

from harness.faults.mutation import run_in_copy, tests_trial
from harness.faults.mutation.result import GateAnswer, PlantedMutant
from harness.faults.mutation.setup import MutationSetup
from harness.isolation.sandbox import Sandbox
from ptycho.verdict import Verdict

LADDER_FILES = "harness/parity/"


def run(planted: PlantedMutant, stage: MutationSetup) -> GateAnswer:
    """Run the self-check, or the tests of the changed files."""
    files = sorted({edit.file for edit in planted.mutant.edits})
    if all(file.startswith(LADDER_FILES) for file in files) and not planted.mutant.tests:
        return _self_check(planted, stage)
    # A fault counts as found by whatever test finds it, the deep ones included.
    return tests_trial.run(planted, stage, marked="")


def _self_check(planted: PlantedMutant, stage: MutationSetup) -> GateAnswer:
    cell = Sandbox(path=stage.kept.scratch / planted.label).make()
    argv = [
        sys.executable,
        "-m",
        "harness.parity.selfcheck.selfcheck",
        "--root",
        str(stage.tree),
        "--scratch",
        str(cell.tmp),
    ]
    # Groups have everything that single patterns have, and a canvas.
    item = max(stage.wanted(planted.mutant.gridsize, "f64"), key=lambda item: item.gridsize)
    request, answers = stage.kept_answers(item)
    argv += ["--request", str(request), "--answers", str(answers)]
    ended = run_in_copy.run(argv, planted.root, cell, planted.label, stage)
    told = ended.tail(40).splitlines()
    if ended.returncode == Verdict.PASS:
        return GateAnswer()
    crashed = ended.returncode != Verdict.FAIL or any(line.startswith("Traceback") for line in told)
    if crashed and (error := run_in_copy.machine_error(ended.tail(), ended.returncode)):
        return GateAnswer(error=error)
    return GateAnswer(at="R10", how="crash" if crashed else "self-check", detail=told[-1] if crashed else told[0])
