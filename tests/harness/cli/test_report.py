"""The two commands as processes, and a whole lane: killed, rebuilt, and judged by its log."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.record import directory
from harness.record.log import parse
from harness.record.outcome import Outcome
from ptycho.verdict import Verdict
from tests.support import sample_log
from tests.support.fakes import fake_target

ROOT = Path(__file__).resolve().parents[3]
SUITE = "def test_truth() -> None:\n    assert 4 == 2 + 2\n\ndef test_more() -> None:\n    assert 'a' < 'b'\n"
EXITS = "\nimport os\n\ndef test_exits() -> None:\n    os._exit(0)\n"


def _harness(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=False)


def _messages(outcome: Outcome) -> str:
    return "\n".join(problem.message for problem in outcome.problems)


@pytest.mark.slow
def test_rebuild_ends_with_the_logs_verdict(tmp_path: Path) -> None:
    whole = sample_log.write(tmp_path / "whole", sample_log.whole())
    done = _harness(tmp_path, "report", "rebuild", whole)
    assert (done.returncode, done.stderr) == (Verdict.PASS, "")
    assert done.stdout.startswith("fake-cpu: pass (exit 0)")
    done = _harness(tmp_path, "report", "rebuild", sample_log.write(tmp_path / "cut", sample_log.whole()[:-1]))
    assert done.returncode == Verdict.FAIL
    assert "PARTIAL" in done.stdout
    done = _harness(tmp_path, "report", "rebuild", tmp_path / "absent")
    assert (done.returncode, "Traceback" in done.stderr) == (Verdict.USAGE, False)


def test_verdict_needs_lanes_and_fails_where_nothing_ran(tmp_path: Path) -> None:
    assert _harness(tmp_path, "verdict").returncode == Verdict.USAGE
    done = _harness(tmp_path, "verdict", "torch-cpu", "tf-cpu")
    assert done.returncode == Verdict.FAIL
    assert done.stdout.count("the lane did not run") == 2


@pytest.mark.deep
def test_a_lane_leaves_reports_that_its_log_alone_gives_again(workspace: Any, tmp_path: Path) -> None:
    outcome = workspace.run(suite=SUITE)
    assert (_messages(outcome), outcome.verdict) == ("", Verdict.PASS)
    made = {name: (outcome.run_root / name).read_bytes() for name in ("junit.xml", "verdict.json", "summary.md")}
    again = tmp_path / "again"
    again.mkdir()
    (again / "events.ndjson").write_bytes((outcome.run_root / "events.ndjson").read_bytes())
    assert _harness(again, "report", "rebuild", again).returncode == Verdict.PASS
    assert {name: (again / name).read_bytes() for name in made} == made
    found = json.loads(made["verdict.json"])
    assert list(found["tests"].values()) == ["passed", "passed"]
    repeat = found["commands"]["suite"]["repeat"]
    assert str(outcome.run_root) not in repeat
    done = subprocess.run(shlex.split(repeat), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "2 passed" in done.stdout) == (0, True)
    assert "test_truth PASSED" in Path(found["commands"]["suite"]["log"]).read_text()
    assert _harness(workspace.cwd, "verdict", "fake-cpu").returncode == Verdict.PASS


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        (SUITE.replace("test_more", "test_renamed"), "test checks/test_fake.py::test_more: did not report"),
        (SUITE + EXITS, "test checks/test_fake.py::test_exits: was collected and did not report"),
    ],
)
def test_a_lane_whose_suite_is_green_by_absence_fails(workspace: Any, suite: str, said: str) -> None:
    expected = workspace.path / "target" / "expected" / "fake.toml"
    expected.parent.mkdir(parents=True)
    expected.write_text('[tests."checks/test_fake.py"]\ntest_truth = 1\ntest_more = 1\n')
    outcome = workspace.run(suite=suite)
    assert outcome.verdict is Verdict.FAIL
    assert said in _messages(outcome)
    log = parse((outcome.run_root / "events.ndjson").read_bytes())
    assert log.rows[-1]["verdict"] == "fail"


@pytest.mark.slow
def test_a_harness_that_was_killed_leaves_a_log_that_says_what_was_under_way(workspace: Any) -> None:
    target = fake_target.write(workspace.path / "target", fault="hang", suite=None, timeout_s=120)
    argv = [sys.executable, "-m", "harness", "run", "--target", str(target), "--fixture", str(workspace.scan)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(argv, env=env, cwd=workspace.cwd, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            logs = [run for run in directory.find(workspace.root) if (run.logs / "scan-train.log").is_file()]
            if logs and "hanging" in (logs[0].logs / "scan-train.log").read_text():
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the injection did not bite: nothing hangs")
    finally:
        process.kill()
        process.wait(timeout=30)
        swept = _harness(workspace.cwd, "clean")
    assert (process.returncode, swept.returncode) == (-9, Verdict.PASS)
    assert _harness(workspace.cwd, "report", "rebuild", logs[0].path).returncode == Verdict.FAIL
    found = json.loads((logs[0].path / "verdict.json").read_text())
    assert (found["partial"], found["under_way"]) == (True, ["command scan-train"])
    assert [item["kind"] for item in found["silent"]] == ["fixture"]
    done = _harness(workspace.cwd, "verdict", "fake-cpu")
    assert (done.returncode, "the log is partial" in done.stdout) == (Verdict.FAIL, True)
