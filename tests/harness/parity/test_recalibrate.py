"""
Recalibration: what would change is shown, nothing is written without a request, and nothing is raised without a reason.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.parity import recalibrate
from harness.parity.compare.floors import Floors, RaisedFloor
from harness.parity.judge import calibrate
from harness.parity.recalibrate import FloorChange
from ptycho.errors import UsageError

OLD = {"R3/a": 1e-7, "R3/b": 1e-7, "R3/gone": 1e-7, "R3/zero": 0.0}
NEW = {"R3/a": 2e-7, "R3/b": 0.5e-7, "R3/new": 1e-7, "R3/zero": 0.0}


def held(tensors: dict[str, float], **changes: Any) -> Floors:
    return Floors(values={"f32": {1: tensors}}, **changes)


def measuring(monkeypatch: pytest.MonkeyPatch, tensors: dict[str, float]) -> None:
    monkeypatch.setattr(calibrate, "measure", lambda _parts, **_options: held(tensors, measured={"commit": "new"}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    held(OLD).write(tmp_path / "floors.json")
    return tmp_path / "floors.json"


def test_changes_are_those_beyond_the_last_digit_the_most_raised_first() -> None:
    found = recalibrate.changes(held(OLD), held(NEW))
    assert [(item.tensor, item.ratio, item.is_raise) for item in found] == [
        ("R3/a", 2.0, True),
        ("R3/b", 0.5, False),
        ("R3/gone", None, False),
        ("R3/new", None, False),
    ]
    assert recalibrate.changes(held(OLD), held({**OLD, "R3/a": 1.00001e-7})) == []


def test_a_floor_that_was_zero_is_raised_by_anything() -> None:
    (found,) = recalibrate.changes(held({"R3/zero": 0.0}), held({"R3/zero": 1e-30}))
    assert found.is_raise


def test_nothing_is_written_unless_asked(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measuring(monkeypatch, NEW)
    before = path.read_bytes()
    assert recalibrate.main(write=False, reason=None, path=path, quiet=True) == 0
    assert path.read_bytes() == before
    text = capsys.readouterr().out
    assert "4 floors differ: 1 rise, 1 are new" in text
    (row,) = (line.split() for line in text.splitlines() if "R3/a" in line)
    assert row == ["f32", "1", "R3/a", "1.000e-07", "2.000e-07", "2"]
    assert "nothing was written" in text


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_floor_is_not_raised_without_a_reason(
    reason: str | None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch, NEW)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"1 floor\(s\) would rise(.|\n)*R3/a at gridsize 1 in f32"):
        recalibrate.main(write=True, reason=reason, path=path, quiet=True)
    assert path.read_bytes() == before


def test_the_reason_stays_beside_what_was_raised(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measuring(monkeypatch, NEW)
    assert recalibrate.main(write=True, reason=" wider sums ", path=path, quiet=True) == 0
    first = RaisedFloor(precision="f32", gridsize=1, tensor="R3/a", old=1e-7, new=2e-7, reason="wider sums")
    assert Floors.load(path) == held(NEW, measured={"commit": "new"}, raised=(first,))
    measuring(monkeypatch, {**NEW, "R3/b": 1e-6})
    recalibrate.main(write=True, reason="deeper", path=path, quiet=True)
    assert [(item.tensor, item.reason) for item in Floors.load(path).raised] == [
        ("R3/a", "wider sums"),
        ("R3/b", "deeper"),
    ]


def test_a_machine_gets_the_changes_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measuring(monkeypatch, NEW)
    assert recalibrate.main(write=False, reason=None, path=path, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["written"]
    assert {"precision": "f32", "gridsize": 1, "tensor": "R3/a", "old": 1e-7, "new": 2e-7} in told["changes"]


def test_lowering_and_adding_need_no_reason(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lower = {"R3/a": 0.5e-7, "R3/new": 1.0}
    measuring(monkeypatch, lower)
    assert recalibrate.main(write=True, reason=None, path=path, quiet=True) == 0
    assert Floors.load(path).values == {"f32": {1: lower}}


def test_a_reason_without_writing_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="--reason without --write"):
        recalibrate.main(write=False, reason="because", path=path, quiet=True)


def test_equal_floors_are_said_to_be_equal(capsys: pytest.CaptureFixture[str]) -> None:
    recalibrate.show([])
    assert capsys.readouterr().out == "every floor is what it was\n"


def test_a_long_list_is_cut_in_the_middle(capsys: pytest.CaptureFixture[str]) -> None:
    many = [FloorChange(precision="f32", gridsize=1, tensor=f"R3/{k:03d}", old=1.0, new=2.0) for k in range(100)]
    recalibrate.show(many)
    text = capsys.readouterr().out
    assert ("R3/019" in text, "R3/020" in text, "R3/099" in text) == (True, False, True)
    assert "100 floors differ: 100 rise, 0 are new; 40 of them listed" in text


def test_one_precision_alone_leaves_the_others_as_they_are(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    single = {"precision": "f32", "runs": 32}
    held(OLD, measured={"commit": "old", "parts": [single, {"precision": "bf16", "runs": 1}]}).write(path)
    half = {"precision": "bf16", "runs": 16}

    def measure(parts: Any, **_options: Any) -> Floors:
        assert {part.precision for part in parts} == {"bf16"}
        measured = {"commit": "new", "versions": {"numpy": "2"}, "parts": [half]}
        return Floors(values={"bf16": {1: {"R3/a": 4e-3}}}, measured=measured)

    monkeypatch.setattr(calibrate, "measure", measure)
    assert recalibrate.main(write=True, reason=None, precision="bf16", path=path, quiet=True) == 0
    found = Floors.load(path)
    assert (found.of("R3/a", 1, "f32"), found.of("R3/a", 1, "bf16")) == (1e-7, 4e-3)
    assert found.measured["parts"] == [single, half]
    assert found.measured["commit"] == "old"
    assert found.measured["bf16"] == {"commit": "new", "versions": {"numpy": "2"}}
