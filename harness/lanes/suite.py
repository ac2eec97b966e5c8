"""
A target's own tests as a child process: pytest in the lane's environment, counted from its JUnit file.

Exit codes alone are not evidence: pytest ends with 0 when every test was skipped.
"""

import shlex
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.files import untrusted
from harness.isolation.sandbox import HIDE_GPUS, Sandbox
from harness.process.supervise import CompletedCommand
from harness.record.outcome import SuiteResult
from ptycho.errors import PtychoError

_NO_TESTS = 5
DEVICE_VARIABLE, WORK_VARIABLE = "PTYCHO_HARNESS_DEVICE", "PTYCHO_HARNESS_WORK"
REPORTER = "ptycho_harness_pytest"
"""The plugin that writes one event a test; it lies in `harness/system/injected`, which is on the suite's path."""


def command(
    suite: Path, root: Path, cell: Sandbox, junit: Path, extra: Sequence[str], *, python: Path = Path(sys.executable)
) -> list[str]:
    """
    Argument vector of the suite.

    Args:
        suite: folder of tests.
        root: folder of the `pyproject.toml` whose pytest settings hold.
        cell: the command's cell; pytest's temporary folders go into its cache, where leaving things is allowed.
        junit: result file to write.
        extra: the user's own pytest arguments.
        python: the target's interpreter.
    """
    return [
        *(str(python), "-m", "pytest", str(suite), "-vv", "-p", "no:cacheprovider", "-p", REPORTER),
        *(f"--rootdir={root}", f"--basetemp={cell.cache / 'pytest'}", f"--junitxml={junit}"),
        *((f"--config-file={root / 'pyproject.toml'}",) if (root / "pyproject.toml").is_file() else ()),
        *extra,
    ]


def work(cell: Sandbox) -> Path:
    """The file into which a suite writes what each of its trainings did on a GPU: one JSON object a line."""
    return cell.path / "work.ndjson"


def variables(device: str, cell: Sandbox) -> dict[str, str]:
    """
    Variables of the environment with a suite's device, and with the file into which its trainings write their work.

    Args:
        device: `cpu` or `cuda`.
        cell: the suite's cell.
    """
    return {DEVICE_VARIABLE: device, WORK_VARIABLE: str(work(cell))}


def repeat(argv: Sequence[str], root: Path, extra: Mapping[str, str], *, gpu: bool) -> str:
    """
    A command line that runs a suite again, from any folder, without the harness and without the run's folders.

    Args:
        argv: what was run.
        root: folder from which the target's packages are imported.
        extra: the target's own variables; those that name the cell's cache are left out, as the cell is gone.
        gpu: whether the lane may use a GPU.
    """
    values = {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    values |= {DEVICE_VARIABLE: "cuda"} if gpu else HIDE_GPUS
    values |= {name: text.format(root=root, python=argv[0]) for name, text in extra.items() if "{cache}" not in text}
    words = [word for word in argv if not word.startswith(("--basetemp=", "--junitxml="))]
    plugin = words.index(REPORTER)
    del words[plugin - 1 : plugin + 1]
    return shlex.join(["env", *(f"{name}={value}" for name, value in values.items()), *words])


def read(junit: Path, finished: CompletedCommand) -> SuiteResult | None:
    """Counts of a finished suite, or None if it left no result file."""
    try:
        suites = list(ET.fromstring(untrusted.read_bytes(junit)).iter("testsuite"))  # noqa: S314
        total, failed, skipped = (
            sum(sum(int(suite.get(name, "0")) for name in names) for suite in suites)
            for names in (("tests",), ("failures", "errors"), ("skipped",))
        )
    except (PtychoError, ET.ParseError, ValueError):
        return None
    return SuiteResult(
        passed=total - failed - skipped, failed=failed, skipped=skipped, seconds=finished.seconds, log=str(finished.log)
    )


def problem(result: SuiteResult | None, finished: CompletedCommand) -> str | None:
    """Return why a suite is not evidence of success, or None if it is."""
    if result is None:
        return f"the test suite left no result; it ended with {finished.returncode}:\n{finished.tail()}"
    if finished.returncode == _NO_TESTS or result.passed + result.failed + result.skipped == 0:
        return f"the test suite collected no test; output in {finished.log}"
    if result.failed or finished.returncode != 0:
        return f"the test suite ended with {finished.returncode}, {result.failed} failed:\n{finished.tail()}"
    if result.passed == 0:
        return f"all {result.skipped} tests of the suite were skipped; output in {finished.log}"
    return None
