"""A lane that did not run, or whose newest run is cut, red or of another state, is not a pass."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import directory, provenance
from harness.runs import freshness
from ptycho.errors import UsageError
from ptycho.verdict import Verdict
from tests.support import sample_log
from tests.support.injected import bites

Row = dict[str, Any]


class Checkout:
    """A folder with a lock and a data set, and the runs of its lanes."""

    def __init__(self, path: Path) -> None:
        self.path, self.root = path, path / ".harness"
        self.lock, self.scan = path / "lock.txt", path / "scan.npz"
        self.lock.write_text("a==1\n")
        self.scan.write_bytes(b"data")
        self.number = 0

    def run(self, rows: list[Row] | None = None, lane: str = "fake-cpu", kind: str = "lane") -> Path:
        """A run in the present state; each is a second younger than the one before."""
        self.number += 1
        made = directory.create(self.root)
        about = provenance.describe(root=self.path, locks=[self.lock], fixtures={"scan": self.scan}, device="cpu")
        filled = [dict(row) for row in (sample_log.whole() if rows is None else rows)]
        for row in filled:
            row["utc"] = f"2026-01-02T03:04:{self.number:02d}.000+00:00"
            if row["event"] == "run.start":
                row |= {"origin": about, "name": lane.rpartition("-")[0] or kind, "kind": kind}
            row |= {"lane": lane} if row["event"] == "device.chosen" else {}
        sample_log.write(made.path, filled)
        return made.path


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_lanes_that_passed_in_this_state_stand(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.run()
    other = checkout.run(lane="other-gpu")
    assert freshness.main(checkout.root, ["fake-cpu", "other-gpu"]) == Verdict.PASS
    assert f"other-gpu: pass ({other})" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("lane", ["fake-cpu", "parity"])
def test_a_run_that_was_killed_before_its_first_event_is_a_run_of_no_lane(checkout: Checkout, lane: str) -> None:
    directory.create(checkout.root).events.write_bytes(b"")
    (found,) = freshness.judge(checkout.root, [lane])
    assert (Verdict.FAIL, None) == (found.verdict, found.run)
    assert "the lane did not run" in found.reasons[0]


def test_a_lane_that_did_not_run_fails(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.run()
    assert freshness.main(checkout.root, ["fake-cpu", "fake-gpu"]) == Verdict.FAIL
    assert f"the lane did not run: no run of it in {checkout.root}/runs" in capsys.readouterr().out
    with pytest.raises(UsageError, match="name the lanes that must report"):
        freshness.main(checkout.root, [])


@pytest.mark.parametrize("change", ["lock", "scan"])
def test_a_pass_of_another_lock_or_data_set_is_stale(checkout: Checkout, change: str) -> None:
    checkout.run()
    getattr(checkout, change).write_bytes(b"other")
    (found,) = freshness.judge(checkout.root, ["fake-cpu"])
    assert found.verdict is Verdict.FAIL
    assert [reason.partition(" of sha256")[0] for reason in found.reasons] == [
        f"stale outcome: {'data set scan' if change == 'scan' else f'lock {checkout.lock}'}: the outcome is"
    ]


def test_an_outcome_that_does_not_say_what_it_belongs_to_is_stale(checkout: Checkout) -> None:
    made = directory.create(checkout.root)
    rows = sample_log.whole()
    rows[0] = rows[0] | {"origin": {"commit": "c0ffee"}}
    sample_log.write(made.path, rows)
    (found,) = freshness.judge(checkout.root, ["fake-cpu"])
    assert found.verdict is Verdict.FAIL
    lacking = "root, code_sha256, locks, files, fixtures, device"
    assert found.reasons == (f"stale outcome: the outcome does not say what it belongs to: its origin lacks {lacking}",)


def test_the_newest_run_counts_and_not_the_best(checkout: Checkout) -> None:
    checkout.run()
    cut = checkout.run(sample_log.whole()[:-1])
    (found,) = freshness.judge(checkout.root, ["fake-cpu"])
    assert (found.verdict, found.run) == (Verdict.FAIL, cut)
    assert found.reasons[0].startswith("fail: the log is partial")
    whole = checkout.run()
    assert [(item.verdict, item.run) for item in freshness.judge(checkout.root, ["fake-cpu"])] == [
        (Verdict.PASS, whole)
    ]


def test_a_run_that_was_killed_before_its_device_was_settled_is_the_newest_of_its_lanes(checkout: Checkout) -> None:
    checkout.run()
    killed = checkout.run(sample_log.beginning()[:2])
    assert [item.run for item in freshness.judge(checkout.root, ["fake-cpu"])] == [killed]


def test_a_graver_verdict_is_not_softened_by_being_stale(checkout: Checkout) -> None:
    checkout.run([*sample_log.whole()[:-1], sample_log.end("INTERRUPTED")])
    checkout.scan.write_bytes(b"other")
    (found,) = freshness.judge(checkout.root, ["fake-cpu"])
    assert found.verdict is Verdict.INTERRUPTED


RUNGS = ["R0 f64 g1", "R1 f64 g1"]


def _other(kind: str, results: dict[str, str], verdict: str = "PASS") -> list[Row]:
    """A run of another kind than a lane: without device, fixture and suite."""
    wanted = {"rungs": RUNGS} if kind == "parity" else {"benchmarks": ["epoch torch"]}
    said = {"parity": ("rung.end", "rung", "result"), "benchmark": ("benchmark.end", "benchmark", "verdict")}[kind]
    begun = sample_log.beginning(**{"fixtures": [], "suite": False, "tests": {}} | wanted)[:2]
    ends = [sample_log.parent(said[0], **{said[1]: name, said[2]: result}) for name, result in results.items()]
    return [*begun, *ends, sample_log.end(verdict)]


def _verdicts(found: list[freshness.LaneVerdict]) -> list[tuple[str, Verdict, bool]]:
    return [(item.lane, item.verdict, item.asked) for item in found]


GREEN = dict.fromkeys(RUNGS, "pass")


def test_after_the_gates_one_command_says_that_everything_stands(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(lane="torch-cpu")
    checkout.run(lane="tf-cpu")
    ladder = checkout.run(_other("parity", GREEN), lane="", kind="parity")
    assert freshness.main(checkout.root, ["torch-cpu", "tf-cpu", "parity"]) == Verdict.PASS
    assert capsys.readouterr().out.splitlines()[-1] == f"parity: pass ({ladder})"


@pytest.mark.parametrize("absent", ["torch-cpu", "tf-cpu", "parity"])
def test_a_gate_that_did_not_run_is_red(checkout: Checkout, absent: str) -> None:
    for name in ("torch-cpu", "tf-cpu", "parity"):
        if name == "parity" != absent:
            checkout.run(_other("parity", GREEN), lane="", kind="parity")
        elif name != absent:
            checkout.run(lane=name)
    found = freshness.judge(checkout.root, ["torch-cpu", "tf-cpu", "parity"])
    assert [item.lane for item in found if item.verdict is not Verdict.PASS] == [absent]
    assert [item.reasons for item in found if item.lane == absent] == [
        (f"the lane did not run: no run of it in {checkout.root}/runs",)
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (
            _other("parity", GREEN | {"R1 f64 g1": "fail"}, "FAIL"),
            "fail: 1 rung did not pass: R1: fail (gridsize 1 in f64)",
        ),
        (
            _other("parity", GREEN | {"R1 f64 g1": "unverified"}),
            "fail: 1 rung did not pass: R1: unverified (gridsize 1 in f64)",
        ),
        (_other("parity", {"R0 f64 g1": "pass"}), "fail: no evidence: rung R1: did not report"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_ladder_that_does_not_stand_is_red_named_or_not(
    checkout: Checkout, rows: list[Row], reason: str, named: bool
) -> None:
    checkout.run()
    checkout.run(rows, lane="", kind="parity")
    found = freshness.judge(checkout.root, ["fake-cpu", *(["parity"] if named else [])])
    assert _verdicts(found) == [("fake-cpu", Verdict.PASS, True), ("parity", Verdict.FAIL, named)]
    assert found[1].reasons == (reason,)


def test_a_benchmark_is_judged_where_it_ran_and_missed_only_where_it_was_asked_for(checkout: Checkout) -> None:
    checkout.run()
    assert _verdicts(freshness.judge(checkout.root, ["fake-cpu"])) == [("fake-cpu", Verdict.PASS, True)]
    assert _verdicts(freshness.judge(checkout.root, ["fake-cpu", "benchmark"]))[1] == ("benchmark", Verdict.FAIL, True)
    checkout.run(_other("benchmark", {"epoch torch": "budget"}, "BUDGET"), lane="", kind="benchmark")
    (_, found) = freshness.judge(checkout.root, ["fake-cpu"])
    # A benchmark that did not pass is a contradiction to nobody: the run says budget, and its evidence says it again.
    assert (found.lane, found.verdict is not Verdict.PASS) == ("benchmark", True)


def test_a_ladder_of_another_state_is_no_business_of_who_did_not_ask_for_it(checkout: Checkout) -> None:
    checkout.run(_other("parity", {}, "FAIL"), lane="", kind="parity")
    checkout.lock.write_text("a==2\n")
    checkout.run()
    assert _verdicts(freshness.judge(checkout.root, ["fake-cpu"])) == [("fake-cpu", Verdict.PASS, True)]
    assert _verdicts(freshness.judge(checkout.root, ["parity"])) == [("parity", Verdict.FAIL, True)]


def test_a_lane_called_like_a_kind_is_not_one(checkout: Checkout) -> None:
    checkout.run(lane="parity-cpu")
    assert _verdicts(freshness.judge(checkout.root, ["parity"])) == [("parity", Verdict.FAIL, True)]


def test_a_part_of_the_tests_is_not_the_suite(checkout: Checkout) -> None:
    rows = sample_log.whole()
    for row in rows:
        row |= {"deselected": 2} if row["event"] == "suite.collected" else {}
    checkout.run(rows)
    (found,) = freshness.judge(checkout.root, ["fake-cpu"])
    assert found.verdict is Verdict.FAIL
    assert found.reasons == ("a part of the tests: 2 were deselected; run without arguments of your own",)


def test_what_a_target_itself_leaves_out_of_its_folder_is_the_whole_of_its_lane(checkout: Checkout) -> None:
    rows = sample_log.whole()
    for row in rows:
        row |= {"deselected": 2} if row["event"] == "suite.collected" else {}
        row |= {"selects": True} if row["event"] == "run.expect" else {}
    checkout.run(rows)
    assert _verdicts(freshness.judge(checkout.root, ["fake-cpu"])) == [("fake-cpu", Verdict.PASS, True)]


def test_the_same_as_data(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    run = checkout.run()
    assert freshness.main(checkout.root, ["fake-cpu", "tf-cpu"], as_json=True) == Verdict.FAIL
    plain = json.loads(capsys.readouterr().out)
    assert (plain["verdict"], plain["exit_code"]) == ("fail", 1)
    passed = {"lane": "fake-cpu", "verdict": "pass", "exit_code": 0, "asked": True, "run": str(run), "reasons": []}
    assert plain["lanes"][0] == passed
    assert (plain["lanes"][1]["run"], plain["lanes"][1]["exit_code"]) == (None, 1)


LEFT_OUT = [
    *("a test", "the suite", "a fixture", "the end", "the beginning", "what must report"),
    *("chosen tests", "deselected tests", "fixtures of the job", "checks"),
]
EVENT = {
    "a fixture": "fixture.end",
    "the end": "run.end",
    "the beginning": "run.start",
    "what must report": "run.expect",
}
CHOSEN: dict[str, Row] = {
    "chosen tests": {"tests": {}, "whole": sample_log.MANIFEST | {"tests/test_b.py::test_more": 1}},
    "fixtures of the job": {"left_out": ["a part of the fixtures"]},
    "checks": {"left_out": ["a part of the checks"]},
}


def _without(rows: list[Row], what: str, data: st.DataObject) -> list[Row]:
    """A run's events without something, as if it had never been; or with what the caller chose to leave out."""
    if what == "a test":
        tests = sorted({row["test"] for row in rows if row["event"] == "test.end"})
        gone = data.draw(st.sets(st.sampled_from(tests), min_size=1)) if tests else set()
        rows = [row for row in rows if row.get("test") not in gone]
        return [
            _changed(row, "suite.collected", tests=[t for t in row.get("tests", ()) if t not in gone]) for row in rows
        ]
    if what == "the suite":
        return [row for row in rows if row["pid"] != sample_log.SUITE and row.get("label") != "suite"]
    if what in EVENT:
        return [row for row in rows if row["event"] != EVENT[what]]
    if what == "deselected tests":
        return [_changed(row, "suite.collected", deselected=data.draw(st.integers(1, 9))) for row in rows]
    return [_changed(row, "run.expect", **CHOSEN[what]) for row in rows]


def _changed(row: Row, event: str, **fields: Any) -> Row:
    return row | fields if row["event"] == event else row


@pytest.mark.slow
@settings(max_examples=80)
@given(st.lists(st.sampled_from(LEFT_OUT), min_size=1, max_size=3, unique=True), st.booleans(), st.data())
@pytest.mark.fault("left-out")
def test_no_run_from_which_something_was_left_out_is_a_pass_of_the_whole(
    what: list[str], after_a_pass: bool, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder))
        if after_a_pass:
            checkout.run()
            (before,) = freshness.judge(checkout.root, ["fake-cpu"])
            bites(before.verdict is Verdict.PASS, "an earlier and whole run passes")
        rows = sample_log.whole()
        for item in what:
            rows = _without(rows, item, data)
        checkout.run(rows)
        (found,) = freshness.judge(checkout.root, ["fake-cpu"])
        assert found.verdict is not Verdict.PASS
        assert found.reasons != ()


@pytest.mark.parametrize("how", ["log a pipe", "log without a beginning", "record removed", "record a pipe"])
@pytest.mark.fault("left-out")
def test_a_later_run_that_hides_itself_is_not_passed_over(how: str, checkout: Checkout) -> None:
    checkout.run()
    later = checkout.run([*sample_log.whole()[:-1], sample_log.parent("problem", verdict="fail", message="x")])
    run = directory.load(later)
    assert run is not None
    directory.release(run)
    (later / "logs" / "train.log").write_text("it ran")
    victim = later / (directory.MARKER if "record" in how else directory.LOG)
    victim.unlink()
    if "pipe" in how:
        os.mkfifo(victim)
    elif "beginning" in how:
        victim.write_bytes(sample_log.content([sample_log.end()]))
    bites(not victim.is_file() or b"run.start" not in victim.read_bytes(), "it does not say what it was")
    (found,) = freshness.judge(checkout.root, ["fake-cpu"])
    assert found.verdict is Verdict.INFRA
    assert str(later) in "\n".join(found.reasons)
