"""A log is worth what it shows: every way to be green by absence is planted and must be red."""

from pathlib import Path
from typing import Any

import pytest

from harness.record import log, state
from harness.record import verdict as log_verdict
from harness.record.log import Log
from harness.record.verdict import LogVerdict
from ptycho.verdict import Verdict
from tests.support import sample_log, sample_runs
from tests.support.injected import bites

Row = dict[str, Any]


def _judge(rows: list[Row]) -> LogVerdict:
    return log_verdict.judge(state.tell(Log(rows=tuple(rows), damage=())))


def _run(
    *, job: list[Row] | None = None, tests: list[Row] | None = None, more: tuple[Row, ...] = (), **expected: Any
) -> list[Row]:
    """A run that says that it passed."""
    return [
        *sample_log.beginning(**expected),
        *(sample_log.job() if job is None else job),
        *(sample_log.whole_suite() if tests is None else tests),
        *more,
        sample_log.end(),
    ]


def _messages(judged: LogVerdict) -> str:
    return "\n".join(problem.message for problem in judged.problems)


def test_a_sound_run_passes() -> None:
    assert LogVerdict(verdict=Verdict.PASS, partial=False, problems=(), silent=()) == _judge(_run())


def _skipped() -> list[Row]:
    return sample_log.whole_suite(*(sample_log.one_test(name, "skipped", "no reason") for name in sample_log.TESTS))


@pytest.mark.fault("silent-suite")
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (_run(job=[]), "no evidence: fixture scan: did not report"),
        (_run(tests=[]), "no evidence: suite: no test was collected"),
        (_run(tests=sample_log.whole_suite(names=())), "no evidence: suite: no test was collected"),
        (_run(tests=_skipped()), "no evidence: suite: all 3 tests that reported were skipped"),
        (
            _run(tests=sample_log.whole_suite(names=sample_log.TESTS[1:])),
            "no evidence: test tests/test_a.py::test_one: did not report: 0 of at least 1",
        ),
        (
            _run(tests=sample_log.whole_suite(*(sample_log.one_test(name) for name in sample_log.TESTS[:-1]))),
            "no evidence: test tests/test_a.py::test_many[2]: was collected and did not report",
        ),
        (
            _run(tests=sample_log.whole_suite(*(sample_log.one_test(n, "failed") for n in sample_log.TESTS))),
            "3 tests failed: tests/test_a.py::test_one, ",
        ),
        (_run(rungs=["R3"]), "no evidence: rung R3: did not report"),
        (
            _run(rungs=["R3"], more=(sample_log.parent("rung.end", rung="R3", result="unverified"),)),
            "1 rung did not pass: R3: unverified",
        ),
        (_run(benchmarks=["epoch"]), "no evidence: benchmark epoch: did not report"),
        (
            _run(more=(sample_log.parent("benchmark.end", benchmark="epoch", verdict="fail"),)),
            "1 benchmark did not pass: epoch",
        ),
        (
            [*sample_log.beginning(fixtures=[], suite=False, tests={}), sample_log.end()],
            "no evidence: no fixture, test, rung or benchmark reported at all",
        ),
    ],
)
def test_green_by_absence_is_red(rows: list[Row], said: str) -> None:
    ended = [row["verdict"] for row in rows if row["event"] == "run.end"]
    bites([Verdict.parse(verdict) for verdict in ended] == [Verdict.PASS], "the run itself says that it passed")
    judged = _judge(rows)
    assert (judged.verdict, judged.partial) == (Verdict.FAIL, False)
    assert said in _messages(judged)


@pytest.mark.parametrize("verdict", [Verdict.BUDGET, Verdict.INCONCLUSIVE])
def test_over_budget_and_too_busy_are_verdicts_of_their_own(verdict: Verdict) -> None:
    told = sample_log.parent("benchmark.end", benchmark="epoch", verdict=verdict.name.lower())
    judged = _judge(_run(more=(told,)))
    assert (judged.verdict, _messages(judged)) == (verdict, "1 benchmark did not pass: epoch")


def test_a_module_that_could_not_be_collected_fails() -> None:
    rows = _run()
    error = sample_log.suite("collect.error", test="tests/test_b.py", message="ImportError")
    rows.insert(next(at for at, row in enumerate(rows) if row["event"] == "suite.collected"), error)
    assert "could not be collected: tests/test_b.py" in _messages(_judge(rows))


def test_a_fixture_that_failed_fails_the_run_unless_the_finding_is_known() -> None:
    job = sample_log.job()
    job[-1] = job[-1] | {"verdict": "fail"}
    assert "1 fixture did not pass: scan" in _messages(_judge(_run(job=job)))
    about = {"id": "unseeded", "subject": "scan", "sentence": "s", "severity": "error", "known": "no seed option"}
    assert _judge(_run(job=job, more=(sample_log.parent("finding", **about),))).verdict is Verdict.PASS


def test_failed_tests_are_only_lived_with_under_their_own_finding() -> None:
    failed = sample_log.whole_suite(*(sample_log.one_test(name, "failed") for name in sample_log.TESTS))
    about = {"subject": "", "sentence": "s", "severity": "error", "known": "why"}
    for name, verdict in (("suite-failed", Verdict.PASS), ("unseeded", Verdict.FAIL)):
        assert verdict is _judge(_run(tests=failed, more=(sample_log.parent("finding", id=name, **about),))).verdict


def test_the_gravest_of_what_is_said_and_what_is_seen_decides() -> None:
    problem = sample_log.parent("problem", verdict="oom", message="12 GiB")
    assert _judge([*_run(job=[])[:-1], problem, sample_log.end("OOM")]).verdict is Verdict.OOM
    assert _judge([*_run()[:-1], sample_log.end("INTERRUPTED")]).verdict is Verdict.INTERRUPTED
    assert _judge([*_run()[:-1], problem, sample_log.end("PASS")]).verdict is Verdict.OOM


def test_a_cut_log_is_never_a_pass_and_says_what_was_under_way() -> None:
    judged = _judge(_run()[:5])
    assert (judged.verdict, judged.partial) == (Verdict.FAIL, True)
    assert judged.problems[0].message == (
        "the log is partial: it ends after 'phase.start' instead of 'run.end'; running: command scan-train, phase train"
    )
    assert _judge([]).problems[0].message.startswith("the log is partial: it is empty")


def test_many_silent_tests_are_one_sentence_and_all_are_kept() -> None:
    rows = _run()
    rows[1] = rows[1] | {"tests": {f"t.py::test_{number}": 1 for number in range(300)}}
    judged = _judge(rows)
    (problem,) = judged.problems
    assert problem.message.endswith("and 295 more (all are in verdict.json)")
    assert len(judged.silent) == 300


def test_what_the_end_would_lack_is_known_before_it_is_written(tmp_path: Path) -> None:
    folder = sample_log.write(tmp_path / "run", _run()[:-1])
    assert log_verdict.closing(folder / "events.ndjson", Verdict.PASS)[0] == []
    known = sample_log.parent("problem", verdict="fail", message="a leak")
    folder = sample_log.write(tmp_path / "silent", [*_run(job=[])[:-1], known])
    (problem,), judged = log_verdict.closing(folder / "events.ndjson", Verdict.PASS)
    assert judged.verdict is Verdict.FAIL
    assert (problem.verdict, problem.message) == (Verdict.FAIL, "no evidence: fixture scan: did not report")
    folder = sample_log.write(tmp_path / "open", [row for row in _run()[:-1] if row["event"] != "suite.end"])
    assert "these had not ended: suite" in log_verdict.closing(folder / "events.ndjson", Verdict.PASS)[0][0].message
    assert log_verdict.closing(folder / "events.ndjson", Verdict.INTERRUPTED)[0] == []


@pytest.mark.parametrize("ending", sample_runs.ENDINGS)
def test_a_rung_that_failed_is_red_whatever_died_later(ending: str) -> None:
    content = sample_runs.stopped_log(ending, guilty=["torch"], where="ptycho_torch/physics.py:18 exit_wave")
    judged = log_verdict.judge(state.tell(log.parse(content)))
    assert judged.verdict is (Verdict.INTERRUPTED if ending == "interrupted" else Verdict.FAIL)
    assert judged.failed
    assert [
        "1 rung did not pass: R2: fail (gridsize 1 in f64; gridsize 2 in f64)",
        "first to fail: R2 at gridsize 1 in f64: at fault: torch; ptycho_torch/physics.py:18 exit_wave",
    ] == [problem.message for problem in judged.problems[:2]]


def test_a_run_that_was_stopped_before_anything_failed_is_no_red() -> None:
    rows = [row for row in log.parse(sample_runs.stopped_log("infra")).rows if row.get("result") != "fail"]
    judged = _judge(rows)
    assert (judged.verdict, judged.failed) == (Verdict.INFRA, False)


def test_a_ladder_cut_at_any_byte_after_a_failure_is_a_fail() -> None:
    whole = sample_runs.stopped_log("infra")
    first = whole.index(b"\n", whole.index(b'"result": "fail"')) + 1
    bites(log_verdict.judge(state.tell(log.parse(whole[: first - 1]))).failed is False, "the line is not whole")
    for cut in range(first, len(whole) + 1):
        judged = log_verdict.judge(state.tell(log.parse(whole[:cut])))
        assert (judged.verdict, judged.failed) == (Verdict.FAIL, True)
