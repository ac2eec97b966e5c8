"""
A mutant before test files, which run from the changed copy: by default those named like the files that were changed.

A fault of the core or of a backend that no rung can show (limits, what is reported, several processes, files) has this
gate. Tests of a backend run under that backend's interpreter.
"""

import sys
from pathlib import Path

from harness.faults.mutation import run_in_copy
from harness.faults.mutation.result import GateAnswer, PlantedMutant
from harness.faults.mutation.setup import MutationSetup
from harness.isolation import source_overlay
from harness.isolation.sandbox import Sandbox
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

TEST_FILES = ("pyproject.toml", "noxfile.py", "scripts", "tests", "datasets/inventory.toml")
NO_TESTS = 5
"""pytest's exit code for nothing collected."""

FOLDERS = {"ptycho_torch": "tests/torch", "ptycho_tf": "tests/tf"}
"""Where a backend's tests lie; those of any other package lie in a folder of its name."""


def run(
    planted: PlantedMutant,
    stage: MutationSetup,
    *,
    marked: str = "not deep",
    empty_passes: bool = False,
    limit_s: float = run_in_copy.LIMIT_S,
) -> GateAnswer:
    """
    Run the test files of a mutant from its changed copy.

    Args:
        planted: the copy.
        stage: the run.
        marked: which tests run, by their marks; without the deep ones a fault must be found in seconds.
        empty_passes: whether files without such a test are files that find nothing; otherwise that is an error.
        limit_s: time limit of all of them together.
    """
    mutant = planted.mutant
    modules = mutant.tests or tuple(tests_of(file) for file in sorted({edit.file for edit in mutant.edits}))
    missing = [name for name in modules if not (ROOT / name).is_file()]
    if missing:
        return GateAnswer(error=f"there are no tests of it: {', '.join(missing)}")
    for name in TEST_FILES:
        if not (planted.root / name).exists():
            source_overlay.add(ROOT, planted.root, name)
    cell = Sandbox(path=stage.kept.scratch / planted.label).make()
    argv = [interpreter(modules, stage), "-m", "pytest", "-p", "no:cacheprovider", "-q", "-x", "--no-header"]
    argv += ["--tb=line", "-m", marked]
    argv += [f"--rootdir={planted.root}", *(str(planted.root / name) for name in modules)]
    ended = run_in_copy.run(argv, planted.root, cell, planted.label, stage, limit_s=limit_s)
    if ended.returncode == Verdict.PASS or (empty_passes and ended.returncode == NO_TESTS):
        return GateAnswer()
    if ended.returncode == NO_TESTS:
        return GateAnswer(error=f"no test was collected; the output is in {ended.log}")
    if error := run_in_copy.machine_error(ended.tail(), ended.returncode):
        return GateAnswer(error=error)
    failed = [line for line in ended.tail(40).splitlines() if line.startswith(("FAILED", "ERROR"))]
    return GateAnswer(at=mutant.gate, how="tests", detail=failed[0] if failed else ended.tail(1))


def interpreter(modules: tuple[str, ...], stage: MutationSetup) -> str:
    """The interpreter for test files: a backend's own where one of them is a backend's, else this one."""
    for package, folder in FOLDERS.items():
        if any(name.startswith(f"{folder}/") for name in modules):
            return stage.pythons[package.removeprefix("ptycho_")]
    return sys.executable


def tests_of(file: str) -> str:
    """The test file of a module: `harness/a/b.py` has `tests/harness/a/test_b.py`, a backend's lies in its folder."""
    top, _, rest = file.partition("/")
    path = Path(FOLDERS.get(top, f"tests/{top}")) / rest
    return path.with_name(f"test_{path.name}").as_posix()
