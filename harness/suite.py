"""
A target's own tests as a child process: pytest in the lane's environment, counted from its JUnit file.

Exit codes alone are no evidence: pytest ends with 0 when every test was skipped.
"""

import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from harness.child import Finished
from harness.environment import Cell
from harness.outcome import SuiteResult

_NO_TESTS = 5


def command(suite: Path, root: Path, cell: Cell, junit: Path, extra: Sequence[str]) -> list[str]:
    """
    Argument vector of the suite.

    Args:
        suite: folder of tests.
        root: folder of the `pyproject.toml` whose pytest settings hold.
        cell: the command's cell; pytest's temporary folders go into its cache, where leaving things is allowed.
        junit: result file to write.
        extra: the user's own pytest arguments.
    """
    return [
        *(sys.executable, "-m", "pytest", str(suite), "-vv", "-p", "no:cacheprovider"),
        *(f"--rootdir={root}", f"--basetemp={cell.cache / 'pytest'}", f"--junitxml={junit}"),
        *((f"--config-file={root / 'pyproject.toml'}",) if (root / "pyproject.toml").is_file() else ()),
        *extra,
    ]


def read(junit: Path, finished: Finished) -> SuiteResult | None:
    """Counts of a finished suite, or None if it left no result file."""
    try:
        suites = list(ET.parse(junit).getroot().iter("testsuite"))  # noqa: S314
    except (OSError, ET.ParseError):
        return None
    total, failed, skipped = (
        sum(sum(int(suite.get(name, "0")) for name in names) for suite in suites)
        for names in (("tests",), ("failures", "errors"), ("skipped",))
    )
    return SuiteResult(
        passed=total - failed - skipped, failed=failed, skipped=skipped, seconds=finished.seconds, log=str(finished.log)
    )


def problem(result: SuiteResult | None, finished: Finished) -> str | None:
    """Why a suite is no evidence of success, or None if it is."""
    if result is None:
        return f"the test suite left no result; it ended with {finished.returncode}:\n{finished.tail()}"
    if finished.returncode == _NO_TESTS or result.passed + result.failed + result.skipped == 0:
        return f"the test suite collected no test; output in {finished.log}"
    if result.failed or finished.returncode != 0:
        return f"the test suite ended with {finished.returncode}, {result.failed} failed:\n{finished.tail()}"
    if result.passed == 0:
        return f"all {result.skipped} tests of the suite were skipped; output in {finished.log}"
    return None
