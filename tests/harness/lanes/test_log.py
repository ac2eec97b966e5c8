"""A lane's own log decides about it: what its target must report is written first, what is missing last."""

from pathlib import Path
from typing import Any

import pytest

from harness.lanes import log
from harness.record.log import EventLog, read
from harness.record.outcome import FixtureResult, Outcome
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

MANIFEST = '[tests."checks/test_fake.py"]\ntest_truth = 1\n'


def _begin(workspace: Any, target: Any, pytest_arguments: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    events = EventLog(workspace.cwd / "events.ndjson")
    fixtures = {"scan": workspace.scan}
    log.begin(events, target, token="t0ken", device="cpu", fixtures=fixtures, pytest=pytest_arguments)
    events.close()
    return list(read(events.path))


def _with_manifest(workspace: Any, text: str = MANIFEST, **settings: object) -> Any:
    target = workspace.target(**settings)
    (target.file.parent / "expected").mkdir(exist_ok=True)
    (target.file.parent / "expected" / target.file.name).write_text(text)
    return target


def test_the_log_says_what_the_run_is_about(workspace: Any) -> None:
    target = _with_manifest(workspace)
    (target.root / "requirements").mkdir()
    (target.root / "requirements" / "fake-cpu.txt").write_text("a==1\n")
    start, expect = _begin(workspace, target)
    assert (start["kind"], start["name"], start["token"], start["cwd"]) == ("lane", "fake", "t0ken", str(Path.cwd()))
    assert (start["origin"]["root"], start["origin"]["device"]) == (str(target.root), "cpu")
    assert list(start["origin"]["locks"]) == [str(target.root / "requirements" / "fake-cpu.txt")]
    assert len(start["origin"]["fixtures"]["scan"]["sha256"]) == 64
    assert (expect["fixtures"], expect["suite"]) == (["scan"], True)
    assert expect["tests"] == {"checks/test_fake.py::test_truth": 1}


def test_without_a_manifest_or_a_suite_less_is_expected(workspace: Any) -> None:
    assert [row.get("tests") for row in _begin(workspace, workspace.target())] == [None, {}]
    (workspace.cwd / "events.ndjson").unlink()
    expect = _begin(workspace, _with_manifest(workspace, suite=None))[1]
    assert (expect["suite"], expect["tests"]) == (False, {})


def test_the_callers_own_selection_lifts_the_manifest_and_it_is_said(workspace: Any) -> None:
    _, expect, note = _begin(workspace, _with_manifest(workspace), ("-k", "one"))
    assert (expect["suite"], expect["tests"]) == (True, {})
    assert note["message"] == "the manifest of 1 tests does not hold: pytest was given '-k one'"


def test_a_wrong_manifest_is_refused_before_anything_runs(workspace: Any) -> None:
    with pytest.raises(UsageError, match="it lists no test"):
        _begin(workspace, _with_manifest(workspace, ""))
    # The log says all the same what run it is of.
    assert ["run.start", "run.expect"] == [row["event"] for row in read(workspace.cwd / "events.ndjson")]


def _end(folder: Path, outcome: Outcome) -> None:
    events = EventLog(folder / "events.ndjson")
    outcome.events = events
    for problem in [*outcome.problems]:
        events.write("problem", verdict=problem.verdict.name.lower(), message=problem.message)
    log.end(events, outcome)
    outcome.blame(Verdict.BUDGET, "said after the log was closed")


def test_what_the_log_lacks_is_blamed_on_the_outcome(tmp_path: Path) -> None:
    result = FixtureResult(fixture="scan", verdict=Verdict.PASS)
    outcome = Outcome(lane="l", device="d", run_root=tmp_path, fixtures=[result], notes=["by the way"])
    before = outcome.verdict
    _end(tmp_path, outcome)
    assert (before, outcome.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert outcome.problems[0].message == "the event log breaks its grammar: event 1, note: a log begins with run.start"
    rows = list(read(tmp_path / "events.ndjson"))
    assert (rows[0]["message"], rows[-1]["event"], rows[-1]["verdict"]) == ("by the way", "run.end", "fail")
    assert (tmp_path / "junit.xml").stat().st_size > 0
