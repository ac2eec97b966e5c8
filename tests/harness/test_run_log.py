"""A run of any kind ends with what its log amounts to, and with its reports beside it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import sample_log

from harness import run_log
from harness.events import EventLog, read
from harness.expectations import Expected
from ptycho.verdict import Verdict


def _begun(path: Path, **expected: Any) -> EventLog:
    events = EventLog(path / "events.ndjson")
    run_log.begin(
        events,
        kind="parity",
        name="ladder",
        token="t0ken",
        origin=sample_log.ORIGIN,
        expected=Expected(rungs=("R3",), **expected),
    )
    return events


def test_a_run_that_reported_everything_passes(tmp_path: Path) -> None:
    events = _begun(tmp_path)
    events.write("rung.end", rung="R3", result="pass")
    assert run_log.end(events, Verdict.PASS) is Verdict.PASS
    assert not events.open
    found = json.loads((tmp_path / "verdict.json").read_text())
    assert (found["kind"], found["verdict"], found["rungs"]) == ("parity", "pass", {"R3": "pass"})
    assert (tmp_path / "junit.xml").is_file()


def test_a_silent_rung_fails_whatever_the_run_says(tmp_path: Path) -> None:
    events = _begun(tmp_path)
    assert run_log.end(events, Verdict.PASS) is Verdict.FAIL
    rows = list(read(events.path))
    assert [row["event"] for row in rows] == ["run.start", "run.expect", "problem", "problem", "run.end"]
    assert rows[2]["message"] == "no evidence: no fixture, test, rung or benchmark reported at all"
    assert rows[3]["message"] == "no evidence: rung R3: did not report"
    assert rows[-1]["verdict"] == "fail"


def test_a_graver_verdict_stays(tmp_path: Path) -> None:
    assert run_log.end(_begun(tmp_path), Verdict.INFRA) is Verdict.INFRA


def test_reports_that_cannot_be_written_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events, told = _begun(tmp_path), []
    events.write("rung.end", rung="R3", result="pass")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    verdict = run_log.end(events, Verdict.PASS, lambda *found: told.append(found))
    assert verdict is Verdict.INFRA
    ((blamed, message),) = told
    assert (blamed, message.partition(":")[0]) == (Verdict.INFRA, "the reports could not be written")
    assert list(read(events.path))[-1]["event"] == "run.end"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.ndjson"]
