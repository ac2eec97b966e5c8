"""A log that promised the proof of its device and lacks it is not a pass, whoever forgot to write it."""

from typing import Any

import pytest

from harness.record import device_evidence as proven
from harness.record import log, state, verdict
from harness.record.state import RunState
from ptycho.verdict import Verdict
from tests.support import sample_log

Row = dict[str, Any]


def _proof(label: str, **changes: Any) -> Row:
    about = {"gpu": False, "provable": True, "looks": 3, "watched": 1, "reported": 1, "touched": []}
    return sample_log.parent("device.proof", label=label, **about | changes)


def _whole(*, missed: tuple[str, ...] = (), proven_labels: tuple[str, ...] | None = None, **changes: Any) -> list[Row]:
    """A run that passed and proved its device, with changes to the proof of its training."""
    rows = [dict(row) for row in sample_log.whole()]
    rows[1]["device_proof"] = True
    control = sample_log.parent("device.control", provable=True, plant="stand-in", caught=["x"], missed=list(missed))
    labels = [row["label"] for row in rows if row["event"] == "command.end"]
    kept = labels if proven_labels is None else proven_labels
    proofs = [_proof(label, **(changes if label == "scan-train" else {})) for label in kept]
    return [*rows[:3], control, *rows[3:-1], *proofs, rows[-1]]


def _told(rows: list[Row]) -> RunState:
    return state.tell(log.parse(sample_log.content(rows)))


def test_a_lane_that_proved_its_device_passes() -> None:
    told = _told(_whole())
    assert (proven.sentences(told), verdict.judge(told).verdict) == ([], Verdict.PASS)


def test_a_run_that_promised_nothing_is_held_to_nothing() -> None:
    assert proven.sentences(_told(sample_log.whole())) == []


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (_whole(missed=("library from inside",)), "no evidence: a planted use of a GPU was not caught"),
        (
            [row for row in _whole() if row["event"] != "device.control"],
            "no evidence: the planted use of a GPU (device.control) did not report",
        ),
        (
            _whole(proven_labels=("scan-infer", "suite")),
            "no evidence: which device was used is not proved for scan-train",
        ),
        (_whole(touched=["process 7 maps /lib/libcuda.so.1"]), "a GPU was touched although hidden: scan-train"),
    ],
)
def test_each_gap_is_red(rows: list[Row], sentence: str) -> None:
    judged = verdict.judge(_told(rows))
    assert (judged.verdict, [problem.message for problem in judged.problems]) == (Verdict.FAIL, [sentence])


def test_a_command_that_may_use_a_gpu_touches_it() -> None:
    told = _told(_whole(touched=["process 7 maps /lib/libcuda.so.1"], gpu=True))
    assert verdict.judge(told).verdict is Verdict.PASS


def test_what_is_lived_with_is_not_red_twice() -> None:
    about = {"id": "gpu-touched", "subject": "", "sentence": "x", "severity": "error", "known": "its framework does"}
    rows = _whole(touched=["process 7 maps /lib/libcuda.so.1"])
    assert proven.sentences(_told([*rows[:-1], sample_log.parent("finding", **about), rows[-1]])) == []


def test_a_lane_that_ended_before_its_first_command_has_nothing_to_prove() -> None:
    rows = sample_log.beginning(device_proof=True)[:2]
    assert proven.sentences(_told(rows)) == []
