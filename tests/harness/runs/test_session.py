"""A run of any kind ends with the verdict of its log, and with its reports beside it."""

import json
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from harness.record import directory
from harness.record.directory import RunRoot
from harness.record.log import EventLog, read
from harness.record.required import RequiredResults
from harness.runs import session
from ptycho.errors import InfrastructureError
from ptycho.verdict import Verdict
from tests.support import sample_log
from tests.support.injected import bites


def _begun(path: Path, **expected: Any) -> EventLog:
    events = EventLog(path / "events.ndjson")
    session.begin(
        events,
        kind="parity",
        name="ladder",
        token="t0ken",
        origin=sample_log.ORIGIN,
        expected=RequiredResults(rungs=("R3",), **expected),
    )
    return events


def test_a_run_that_reported_everything_passes(tmp_path: Path) -> None:
    events = _begun(tmp_path)
    events.write("rung.end", rung="R3", result="pass")
    assert session.end(events, Verdict.PASS) is Verdict.PASS
    assert not events.open
    found = json.loads((tmp_path / "verdict.json").read_text())
    assert (found["kind"], found["verdict"], found["rungs"]) == ("parity", "pass", {"R3": "pass"})
    assert (tmp_path / "junit.xml").is_file()


def test_a_silent_rung_fails_whatever_the_run_says(tmp_path: Path) -> None:
    events = _begun(tmp_path)
    assert session.end(events, Verdict.PASS) is Verdict.FAIL
    rows = list(read(events.path))
    assert [row["event"] for row in rows] == ["run.start", "run.expect", "problem", "problem", "run.end"]
    assert rows[2]["message"] == "no evidence: no fixture, test, rung or benchmark reported at all"
    assert rows[3]["message"] == "no evidence: rung R3: did not report"
    assert rows[-1]["verdict"] == "fail"


def test_a_graver_verdict_stays(tmp_path: Path) -> None:
    assert session.end(_begun(tmp_path), Verdict.INFRA) is Verdict.INFRA


@pytest.mark.parametrize("ending", [Verdict.INFRA, Verdict.TIMEOUT, Verdict.OOM])
def test_a_rung_that_failed_outlives_what_died_later(ending: Verdict, tmp_path: Path) -> None:
    events = _begun(tmp_path)
    events.write("rung.end", rung="R3", result="fail")
    assert session.end(events, ending) is Verdict.FAIL
    assert list(read(events.path))[-1]["verdict"] == "fail"
    assert json.loads((tmp_path / "verdict.json").read_text())["exit_code"] == Verdict.FAIL


def test_who_interrupts_a_run_gets_130_and_the_failed_rung(tmp_path: Path) -> None:
    events = _begun(tmp_path)
    events.write("rung.end", rung="R3", result="fail")
    assert session.end(events, Verdict.INTERRUPTED) is Verdict.INTERRUPTED
    found = json.loads((tmp_path / "verdict.json").read_text())
    assert (found["exit_code"], found["rung_counts"]["failed"]) == (Verdict.INTERRUPTED, ["R3"])


@pytest.mark.fault("report-volume")
def test_reports_that_cannot_be_written_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events, told = _begun(tmp_path), []
    events.write("rung.end", rung="R3", result="pass")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    verdict = session.end(events, Verdict.PASS, lambda *found: told.append(found))
    bites(not (tmp_path / "verdict.json").exists(), "no report could be written")
    assert verdict is Verdict.INFRA
    ((blamed, message),) = told
    assert (blamed, message.partition(":")[0]) == (Verdict.INFRA, "the reports could not be written")
    assert list(read(events.path))[-1]["event"] == "run.end"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.ndjson"]


@pytest.fixture
def kept(tmp_path: Path) -> RunRoot:
    return directory.create(tmp_path)


def _logged(kept: RunRoot) -> AbstractContextManager[tuple[EventLog, session.SessionResult]]:
    return session.logged(kept, kind="quality", origin=sample_log.ORIGIN, expected=RequiredResults(rungs=("R9",)))


def _verdict(kept: RunRoot) -> tuple[str, list[str]]:
    told = json.loads((kept.path / "verdict.json").read_text())
    return told["verdict"], [problem["message"] for problem in told["problems"]]


def test_a_block_that_tells_its_verdict_passes_and_leaves_no_scratch(kept: RunRoot) -> None:
    with _logged(kept) as (events, ended):
        events.write("rung.end", rung="R9", result="pass")
        ended(Verdict.PASS)
    assert _verdict(kept) == ("pass", [])
    assert not kept.scratch.exists()


def test_a_block_that_tells_nothing_has_failed(kept: RunRoot) -> None:
    with _logged(kept) as (events, _):
        events.write("rung.end", rung="R9", result="pass")
    assert _verdict(kept)[0] == "fail"


@pytest.mark.parametrize(
    ("error", "verdict", "message"),
    [
        (InfrastructureError("the disk is gone"), "infra", "the disk is gone"),
        (KeyboardInterrupt("SIGTERM"), "interrupted", "interrupted: SIGTERM"),
    ],
)
def test_a_block_that_raises_says_why_and_leaves_no_scratch(
    error: BaseException, verdict: str, message: str, kept: RunRoot
) -> None:
    with pytest.raises(type(error)), _logged(kept):
        raise error
    told, problems = _verdict(kept)
    assert (told, message in problems) == (verdict, True)
    assert not kept.scratch.exists()


def test_the_exit_code_of_an_error_is_what_the_log_amounts_to(
    kept: RunRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    def die() -> None:
        with _logged(kept) as (events, _):
            events.write("rung.end", rung="R9", result="fail")
            raise InfrastructureError("the adapter died")

    with pytest.raises(InfrastructureError) as caught:
        die()
    assert (caught.value.verdict, _verdict(kept)[0]) == (Verdict.FAIL, "fail")
    assert capsys.readouterr().err == f"as a page: {sys.executable} -m harness report {kept.path} --open\n"
