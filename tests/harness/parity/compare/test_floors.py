"""The floors: what is looked up, what is not known, and the committed file."""

import json
from pathlib import Path

import pytest

from harness.parity.compare import floors
from harness.parity.compare.floors import SINGLE_TO_DOUBLE, Floors, RaisedFloor
from harness.parity.reference.problem import CHECKPOINTS, SINGLE_CHECKPOINTS
from ptycho.errors import UsageError

RAISED = RaisedFloor(
    precision="f32", gridsize=1, tensor="R3/a", old=1e-7, new=2e-7, reason="another order of additions"
)
MADE = Floors(
    values={"f32": {1: {"R3/a": 2e-7, "R8/1.weights": 1e-3}, 2: {"R3/a": 4e-7}}, "f64": {1: {"R8/1.weights": 1e-11}}},
    measured={"commit": "abc"},
    raised=(RAISED,),
)


def test_a_floor_is_that_of_its_tensor_and_gridsize() -> None:
    assert (MADE.of("R3/a", 1, "f32"), MADE.of("R3/a", 2, "f32")) == (2e-7, 4e-7)
    assert MADE.of("R3/b", 1, "f32") is None
    assert MADE.of("R3/a", 3, "f32") is None


def test_in_float64_it_is_scaled_but_for_trajectories_which_grow_otherwise() -> None:
    assert MADE.of("R3/a", 1, "f64") == 2e-7 * SINGLE_TO_DOUBLE
    assert MADE.of("R8/1.weights", 1, "f64") == 1e-11
    assert MADE.of("R8/1.weights", 2, "f64") is None


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "floors.json"
    MADE.write(path)
    assert Floors.load(path) == MADE
    Floors().write(path)
    assert Floors.load(path) == Floors()


def test_without_a_file_there_are_no_floors(tmp_path: Path) -> None:
    assert Floors.load(tmp_path / "floors.json") == Floors()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        json.dumps({"schema": "ptycho-parity-floors/0", "measured": {}, "raised": [], "floors": {}}),
        json.dumps({"schema": floors.SCHEMA, "measured": {}, "floors": {}}),
        json.dumps({"schema": floors.SCHEMA, "measured": {}, "raised": [], "floors": {"f32": {"1": {"R3/a": "x"}}}}),
    ],
)
def test_a_file_that_holds_no_floors_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "floors.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="restore it, or measure again"):
        Floors.load(path)


def test_the_committed_file_says_how_it_was_measured_and_covers_every_rung() -> None:
    held = Floors.load()
    assert set(held.measured) == {"command", "commit", "versions", "parts", "bf16"}
    assert all(part["runs"] >= 8 for part in held.measured["parts"] if part["precision"] in ("f32", "bf16"))
    assert all(part["runs"] >= 16 for part in held.measured["parts"] if "R3" in part["rungs"])
    for gridsize in (1, 2):
        for precision, rungs in (
            ("f32", {"R3", "R4", "R5", "R6", "R7", "R8"}),
            ("bf16", {"R3", "R4", "R5", "R6", "R8"}),
        ):
            assert {name.partition("/")[0] for name in held.values[precision][gridsize]} == rungs
        # The optimiser steps float32 weights there, too: it is judged as in float32.
        assert held.of("R7/1.kernel_1", gridsize, "bf16") == held.of("R7/1.kernel_1", gridsize, "f32")
        half, single = (held.of("R4/patches", gridsize, precision) or 0.0 for precision in ("bf16", "f32"))
        assert half > 1000 * single > 0
        assert all(held.of(f"R8/{step}.weights", gridsize, "f32") for step in SINGLE_CHECKPOINTS)
        assert all(held.of(f"R8/{step}.weights", gridsize, "f64") for step in CHECKPOINTS)


def test_floors_are_never_borrowed_from_another_kind_of_device() -> None:
    held, nothing = floors.of_kinds(["cpu", "cpu"])
    assert (held, nothing) == (Floors.load(), ())
    derived, said = floors.of_kinds(["cpu", "NVIDIA H200"])
    assert (derived.derived, dict(derived.values)) == (True, {})
    assert "float32 on NVIDIA H200: nobody has calibrated this kind of device" in said[0]
