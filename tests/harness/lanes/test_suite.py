"""A suite passes only if tests ran and passed."""

import shlex
import sys
from pathlib import Path

import pytest

from harness.isolation.sandbox import Sandbox
from harness.lanes import suite
from harness.process.supervise import CompletedCommand
from harness.record.outcome import SuiteResult


def _finished(folder: Path, returncode: int) -> CompletedCommand:
    (folder / "log").write_text("the end of the output\n")
    return CompletedCommand(
        argv=("pytest",),
        pid=1,
        returncode=returncode,
        seconds=1.5,
        started=0,
        timed_out=False,
        survivors=(),
        log=folder / "log",
    )


def _result(passed: int, failed: int = 0, skipped: int = 0) -> SuiteResult:
    return SuiteResult(passed=passed, failed=failed, skipped=skipped, seconds=1, log="log")


@pytest.mark.parametrize(
    ("result", "returncode", "complaint"),
    [
        (_result(2), 0, None),
        (_result(2, skipped=1), 0, None),
        (_result(0, skipped=3), 0, "all 3 tests of the suite were skipped"),
        (_result(0), 5, "collected no test"),
        (_result(0), 0, "collected no test"),
        (_result(2, failed=1), 1, "ended with 1, 1 failed"),
        (_result(2), 3, "ended with 3, 0 failed"),
        (None, 4, "left no result"),
    ],
)
def test_only_tests_that_passed_are_evidence(
    tmp_path: Path, result: SuiteResult | None, returncode: int, complaint: str | None
) -> None:
    said = suite.problem(result, _finished(tmp_path, returncode))
    assert said is None if complaint is None else complaint in str(said)


def test_counts_come_from_the_result_file(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    finished = _finished(tmp_path, 1)
    assert suite.read(junit, finished) is None
    junit.write_text('<testsuites><testsuite tests="7" failures="1" errors="1" skipped="2"/></testsuites>')
    assert suite.read(junit, finished) == SuiteResult(
        passed=3, failed=2, skipped=2, seconds=1.5, log=str(tmp_path / "log")
    )
    junit.write_text("<testsuites><cut")
    assert suite.read(junit, finished) is None


def test_the_command_keeps_pytest_in_its_cell(cell: Sandbox, tmp_path: Path) -> None:
    argv = suite.command(tmp_path / "tests", tmp_path, cell, tmp_path / "junit.xml", ["-k", "name"])
    assert argv[1:4] == ["-m", "pytest", str(tmp_path / "tests")]
    assert argv[-2:] == ["-k", "name"]
    assert {"-vv", "no:cacheprovider", f"--basetemp={cell.cache / 'pytest'}"} <= set(argv)
    assert not any(argument.startswith("--config-file") for argument in argv)


def test_the_command_that_repeats_a_suite_needs_nothing_of_the_run(cell: Sandbox, tmp_path: Path) -> None:
    argv = suite.command(tmp_path / "with space", tmp_path, cell, tmp_path / "junit.xml", ["-k", "a or b"])
    own = {"CACHE": "{cache}/x", "LEVEL": "2", "HERE": "{root}"}
    repeated = shlex.split(suite.repeat(argv, tmp_path, own, gpu=False))
    variables = repeated[1 : repeated.index(sys.executable)]
    assert repeated[0] == "env"
    assert variables == [
        f"PYTHONPATH={tmp_path}",
        "PYTHONDONTWRITEBYTECODE=1",
        "CUDA_VISIBLE_DEVICES=",
        "HIP_VISIBLE_DEVICES=",
        "LEVEL=2",
        f"HERE={tmp_path}",
    ]
    assert repeated[len(variables) + 1 :] == [
        *(sys.executable, "-m", "pytest", str(tmp_path / "with space"), "-vv", "-p", "no:cacheprovider"),
        *(f"--rootdir={tmp_path}", "-k", "a or b"),
    ]
    assert "CUDA_VISIBLE_DEVICES" not in suite.repeat(argv, tmp_path, own, gpu=True)
