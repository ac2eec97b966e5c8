"""Suites that prove nothing, as pytest sees them and as a lane does: what pytest lets pass, the lane does not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.lanes.lane import LaneOptions, run
from harness.record import required
from harness.record.outcome import Outcome
from harness.system.signals import Interruption
from harness.targets import loader
from ptycho.verdict import Verdict
from tests.support.fakes import fake_target
from tests.support.injected import bites

SKIPPED = "import pytest\n\n@pytest.mark.skip(reason='no GPU')\ndef test_truth() -> None: ...\n"
TWO = "def test_truth() -> None: ...\ndef test_other() -> None: ...\n"
MANIFEST = '[tests."checks/test_fake.py"]\n"test_truth" = 1\n"test_other" = 1\n'


def _lane(workspace: Any, suite: str, *, manifest: str = "", pytest_arguments: tuple[str, ...] = ()) -> Outcome:
    file = fake_target.write(workspace.path / "target", suite=suite)
    if manifest:
        path = required.manifest_of(file)
        path.parent.mkdir()
        path.write_text(manifest)
    options = LaneOptions(
        device="cpu",
        fixtures={"scan": workspace.scan},
        root=workspace.root,
        quiet=True,
        brief=True,
        pytest=pytest_arguments,
    )
    return run(loader.load(file), options, Interruption())


def _plain_pytest(workspace: Any, *arguments: str) -> int:
    """How pytest alone ends on the same tests."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(workspace.path / "target" / "checks")]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*argv, *arguments], cwd=workspace.tmp, env=env, capture_output=True, check=False).returncode


@pytest.mark.deep
@pytest.mark.fault("silent-suite")
def test_a_suite_in_which_everything_is_skipped_is_red(workspace: Any) -> None:
    outcome = _lane(workspace, SKIPPED)
    bites(_plain_pytest(workspace) == 0, "pytest alone ends with 0 though nothing ran")
    assert outcome.verdict is Verdict.FAIL
    assert "all 1 tests of the suite were skipped" in "\n".join(item.message for item in outcome.problems)


@pytest.mark.slow
@pytest.mark.fault("silent-suite")
def test_a_test_that_was_renamed_is_missed(workspace: Any) -> None:
    outcome = _lane(workspace, TWO.replace("test_other", "test_renamed"), manifest=MANIFEST)
    bites(_plain_pytest(workspace) == 0, "pytest alone ends with 0 though a test is gone")
    assert outcome.verdict is Verdict.FAIL
    said = "no evidence: test checks/test_fake.py::test_other: did not report: 0 of at least 1"
    assert said in [item.message for item in outcome.problems]


@pytest.mark.deep
@pytest.mark.fault("silent-suite")
def test_a_suite_without_any_test_is_red_and_named(workspace: Any) -> None:
    outcome = _lane(workspace, "nothing = 1\n")
    bites(_plain_pytest(workspace) == 5, "pytest collects nothing")
    assert outcome.verdict is Verdict.FAIL
    told = json.loads((outcome.run_root / "verdict.json").read_text())
    assert {"kind": "suite", "name": "", "why": "no test was collected"} in told["silent"]


@pytest.mark.slow
@pytest.mark.fault("silent-suite")
def test_a_test_that_ends_its_process_well_is_not_taken_for_a_pass(workspace: Any) -> None:
    suite = "import os\n\ndef test_truth() -> None:\n    os._exit(0)\n\ndef test_other() -> None: ...\n"
    outcome = _lane(workspace, suite)
    bites(_plain_pytest(workspace) == 0, "pytest's process ends with 0 in the middle of a test")
    assert outcome.verdict is Verdict.FAIL
    under_way = json.loads((outcome.run_root / "verdict.json").read_text())["under_way"]
    assert "test checks/test_fake.py::test_truth" in [Path(item).as_posix() for item in under_way]
