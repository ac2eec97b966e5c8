"""A lane that did not run, or whose newest run is cut, red or of another state, is no pass."""

from pathlib import Path
from typing import Any

import pytest
import sample_log

from harness import lanes, origin, runroot
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

Row = dict[str, Any]


class Checkout:
    """A folder with a lock and a data set, and the runs of its lanes."""

    def __init__(self, path: Path) -> None:
        self.path, self.root = path, path / ".harness"
        self.lock, self.scan = path / "lock.txt", path / "scan.npz"
        self.lock.write_text("a==1\n")
        self.scan.write_bytes(b"data")
        self.number = 0

    def run(self, rows: list[Row] | None = None, lane: str = "fake-cpu") -> Path:
        """A run of a lane in the present state; each is a second younger than the one before."""
        self.number += 1
        made = runroot.create(self.root)
        about = origin.describe(root=self.path, locks=[self.lock], fixtures={"scan": self.scan}, device="cpu")
        filled = [dict(row) for row in (sample_log.whole() if rows is None else rows)]
        for row in filled:
            row["utc"] = f"2026-01-02T03:04:{self.number:02d}.000+00:00"
            row |= {"origin": about, "name": lane.rpartition("-")[0]} if row["event"] == "run.start" else {}
            row |= {"lane": lane} if row["event"] == "device.chosen" else {}
        sample_log.write(made.path, filled)
        return made.path


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_lanes_that_passed_in_this_state_stand(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.run()
    other = checkout.run(lane="other-gpu")
    assert lanes.main(checkout.root, ["fake-cpu", "other-gpu"]) == Verdict.PASS
    assert f"other-gpu: pass ({other})" in capsys.readouterr().out.splitlines()


def test_a_lane_that_did_not_run_fails(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.run()
    assert lanes.main(checkout.root, ["fake-cpu", "fake-gpu"]) == Verdict.FAIL
    assert f"the lane did not run: no run of it in {checkout.root}/runs" in capsys.readouterr().out
    with pytest.raises(UsageError, match="name the lanes that must report"):
        lanes.main(checkout.root, [])


@pytest.mark.parametrize("change", ["lock", "scan"])
def test_a_pass_of_another_lock_or_data_set_is_stale(checkout: Checkout, change: str) -> None:
    checkout.run()
    getattr(checkout, change).write_bytes(b"other")
    (found,) = lanes.judge(checkout.root, ["fake-cpu"])
    assert found.verdict is Verdict.FAIL
    assert [reason.partition(" of sha256")[0] for reason in found.reasons] == [
        f"stale outcome: {'data set scan' if change == 'scan' else f'lock {checkout.lock}'}: the outcome is"
    ]


def test_an_outcome_that_does_not_say_what_it_belongs_to_is_stale(checkout: Checkout) -> None:
    made = runroot.create(checkout.root)
    rows = sample_log.whole()
    rows[0] = rows[0] | {"origin": {"commit": "c0ffee"}}
    sample_log.write(made.path, rows)
    (found,) = lanes.judge(checkout.root, ["fake-cpu"])
    assert found.verdict is Verdict.FAIL
    assert found.reasons == (
        "stale outcome: the outcome does not say what it belongs to: its origin lacks root, locks, fixtures, device",
    )


def test_the_newest_run_counts_and_not_the_best(checkout: Checkout) -> None:
    checkout.run()
    cut = checkout.run(sample_log.whole()[:-1])
    (found,) = lanes.judge(checkout.root, ["fake-cpu"])
    assert (found.verdict, found.run) == (Verdict.FAIL, cut)
    assert found.reasons[0].startswith("fail: the log is partial")
    whole = checkout.run()
    assert [(item.verdict, item.run) for item in lanes.judge(checkout.root, ["fake-cpu"])] == [(Verdict.PASS, whole)]


def test_a_run_that_was_killed_before_its_device_was_settled_is_the_newest_of_its_lanes(checkout: Checkout) -> None:
    checkout.run()
    killed = checkout.run(sample_log.beginning()[:2])
    assert [item.run for item in lanes.judge(checkout.root, ["fake-cpu"])] == [killed]


def test_a_graver_verdict_is_not_softened_by_being_stale(checkout: Checkout) -> None:
    checkout.run([*sample_log.whole()[:-1], sample_log.end("INTERRUPTED")])
    checkout.scan.write_bytes(b"other")
    (found,) = lanes.judge(checkout.root, ["fake-cpu"])
    assert found.verdict is Verdict.INTERRUPTED
