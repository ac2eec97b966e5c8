"""One reading of the events: what ended, what runs, and that nothing better than what was first said is believed."""

import pytest

from harness.record.log import Log
from harness.record.outcome import Problem
from harness.record.state import CommandResult, RunState, tell
from ptycho.verdict import Verdict
from tests.support import sample_log


def _tell(*rows: sample_log.Row) -> RunState:
    return tell(Log(rows=rows, damage=()))


def test_a_whole_log_tells_everything() -> None:
    story = _tell(*sample_log.whole())
    assert (story.kind, story.name, story.lane, story.token) == ("lane", "fake", "fake-cpu", "t0ken")
    assert (story.complete, story.verdict, story.last) == (True, Verdict.PASS, "run.end")
    assert story.device == "cpu (every GPU hidden)"
    assert sample_log.ORIGIN == story.origin
    assert story.reported == dict.fromkeys(sample_log.TESTS, "passed")
    assert story.collected == sample_log.TESTS
    assert story.fixtures["scan"]["scores"]["phase_psnr"] == 20.0
    assert story.epochs == {sample_log.TRAINING: 1}
    assert story.commands["suite"] == CommandResult(
        label="suite",
        argv=("python", "suite"),
        returncode=0,
        seconds=1.25,
        log="logs/suite.log",
        repeat="python -m pytest tests",
    )


def test_an_empty_log_tells_nothing_and_is_not_complete() -> None:
    story = _tell()
    assert (story.complete, story.lane, story.seconds, story.last) == (False, "", 0.0, "")


def test_what_has_not_ended_is_running() -> None:
    story = _tell(*sample_log.beginning(), sample_log.command("scan-train")[0], sample_log.one_test("t")[0])
    assert story.tests["t"].outcome == "running"
    assert story.reported == {}
    assert (story.count("running"), story.commands["scan-train"].returncode) == (1, None)


@pytest.mark.parametrize("outcomes", [("failed", "passed"), ("passed", "failed"), ("error", "skipped")])
def test_a_test_that_failed_once_has_failed(outcomes: tuple[str, str]) -> None:
    story = _tell(*(row for outcome in outcomes for row in sample_log.one_test("t", outcome)))
    assert story.tests["t"].outcome in ("failed", "error")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["PASS"], Verdict.PASS),
        (["pass"], Verdict.PASS),
        (["FAIL", "PASS"], Verdict.FAIL),
        (["PASS", "TIMEOUT"], Verdict.TIMEOUT),
        (["GREEN"], Verdict.FAIL),
        ([None], Verdict.FAIL),
        ([0], Verdict.FAIL),
    ],
)
def test_a_verdict_outside_the_closed_set_is_a_fail_and_no_second_one_is_better(
    verdicts: list[object], expected: Verdict
) -> None:
    rows = [sample_log.parent("run.end", verdict=verdict) for verdict in verdicts]
    assert expected is _tell(*rows).verdict


def test_problems_are_told_once_in_their_order() -> None:
    leak = sample_log.parent("problem", verdict="fail", message="a leak")
    story = _tell(leak, sample_log.parent("problem", verdict="oom", message="too much"), leak)
    assert story.problems == [
        Problem(verdict=Verdict.FAIL, message="a leak"),
        Problem(verdict=Verdict.OOM, message="too much"),
    ]


def test_fields_of_wrong_types_are_empty_and_violations() -> None:
    start, expect, *_ = sample_log.beginning()
    broken = [start | {"origin": 7}, expect | {"tests": []}]
    broken.append(sample_log.parent("command.end", label=3, returncode="0", seconds="long", timed_out=1))
    broken.append(sample_log.suite("suite.collected", count="1", deselected=None, tests="all"))
    broken.append(sample_log.training("epoch.end", epoch="first"))
    story = _tell(*broken)
    assert (story.origin, story.collected, story.deselected) == ({}, (), 0)
    assert story.commands["3"].returncode is None
    assert len(story.checked.violations) >= 8


def test_a_known_finding_is_known() -> None:
    about = {"id": "suite-failed", "subject": "", "sentence": "s", "severity": "error"}
    assert _tell(sample_log.parent("finding", **about, known=None)).known == frozenset()
    assert _tell(sample_log.parent("finding", **about, known="why")).known == {"suite-failed"}


def test_a_rung_that_failed_once_has_failed() -> None:
    results = ("pass", "fail", "pass")
    story = _tell(
        *(sample_log.parent("rung.end", rung="R2 f64 gridsize 1 seed 1", result=result) for result in results)
    )
    assert {"R2 f64 gridsize 1 seed 1": "fail"} == story.rungs
    assert ["R2"] == [found.rung for found in story.failed_rungs]


def test_the_lowest_rung_that_failed_comes_first_with_what_the_log_knows_of_it() -> None:
    expect = sample_log.parent("run.expect", rungs=["R2 g1 f64", "R3 g1 f64"])
    bare = sample_log.parent("rung.end", rung="R2 g1 f64", result="fail")
    rows = [sample_log.parent("rung.end", rung="R3 g1 f64", result="fail"), bare, bare | {"guilty": ["tf"]}]
    story = _tell(expect, *rows)
    assert [("R2", ("tf",)), ("R3", ())] == [(found.rung, found.guilty) for found in story.failed_rungs]


def test_a_run_that_says_nothing_of_itself_is_named_plainly() -> None:
    titles = [_tell(*rows).title for rows in ((), (sample_log.parent("note", message="x"),), sample_log.whole())]
    assert ["run that was killed before its first event", "run without a beginning", "fake-cpu"] == titles
