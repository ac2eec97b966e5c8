"""
A mutant in the harness itself, before what guards it; both guards run from the changed copy.

Those are the ladder's self-check for the ladder, and for everything else the tests of the file that was changed.
"""

import sys
from pathlib import Path

from harness.faults.mutation import run_in_copy
from harness.faults.mutation.result import Found, Planted
from harness.faults.mutation.setup import Stage
from harness.isolation import source_overlay
from harness.isolation.sandbox import Cell
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

LADDER_FILES = "harness/parity/"
TEST_FILES = ("pyproject.toml", "noxfile.py", "scripts", "tests", "datasets/inventory.toml")
NO_TESTS = 5
"""pytest's exit code for nothing collected."""


def run(planted: Planted, stage: Stage) -> Found:
    """Run the self-check, or the tests of the changed files."""
    files = sorted({edit.file for edit in planted.mutant.edits})
    if all(file.startswith(LADDER_FILES) for file in files):
        return _self_check(planted, stage)
    return _tests(planted, stage, files)


def _self_check(planted: Planted, stage: Stage) -> Found:
    cell = Cell(path=stage.kept.scratch / planted.label).make()
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
        return Found()
    crashed = ended.returncode != Verdict.FAIL or any(line.startswith("Traceback") for line in told)
    if crashed and (error := run_in_copy.machine_error(ended.tail(), ended.returncode)):
        return Found(error=error)
    return Found(at="R10", how="crash" if crashed else "self-check", detail=told[-1] if crashed else told[0])


def _tests(planted: Planted, stage: Stage, files: list[str]) -> Found:
    """The test modules that belong to the changed files, one a source module."""
    modules = [tests_of(file) for file in files]
    missing = [name for name in modules if not (ROOT / name).is_file()]
    if missing:
        return Found(error=f"there are no tests of it: {', '.join(missing)}")
    for name in TEST_FILES:
        source_overlay.add(ROOT, planted.root, name)
    cell = Cell(path=stage.kept.scratch / planted.label).make()
    # Without a marker expression the deep tests run, too: a fault counts as found by whatever test finds it.
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-x", "--no-header", "--tb=line", "-m", ""]
    argv += [f"--rootdir={planted.root}", *(str(planted.root / name) for name in modules)]
    ended = run_in_copy.run(argv, planted.root, cell, planted.label, stage)
    if ended.returncode == Verdict.PASS:
        return Found()
    if ended.returncode == NO_TESTS:
        return Found(error=f"no test was collected; the output is in {ended.log}")
    if error := run_in_copy.machine_error(ended.tail(), ended.returncode):
        return Found(error=error)
    failed = [line for line in ended.tail(40).splitlines() if line.startswith(("FAILED", "ERROR"))]
    return Found(at="R10", how="tests", detail=failed[0] if failed else ended.tail(1))


def tests_of(file: str) -> str:
    """The test module of a file of the harness: `harness/a/b.py` has `tests/harness/a/test_b.py`."""
    return f"tests/{Path(file).parent.as_posix()}/test_{Path(file).name}"
