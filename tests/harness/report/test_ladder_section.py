"""The ladder of a page: marks on their scale, margins in words, and the first failure in full."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.report import ladder_picture, ladder_section, load_runs, write
from harness.report.ladder_section import Ladder
from ptycho.verdict import Verdict
from tests.support import sample_runs
from tests.support.fakes import fake_adapter


def climbed(path: Path, *, spoilt: float = 0.0, **changes: Any) -> Ladder:
    folder = sample_runs.ladder(path, spoilt=spoilt)
    told = json.loads((folder / "parity.json").read_text())
    (folder / "parity.json").write_text(json.dumps(told | changes))
    found = ladder_section.of(load_runs.load(folder))
    assert found is not None
    return found


def test_it_stands_upright_with_what_was_not_measured_at_the_top(tmp_path: Path) -> None:
    found = climbed(tmp_path)
    assert ["R9", "R4", "R3"] == [step.name for step in found.steps]
    assert ["unverified", "pass", "pass"] == [step.result for step in found.steps]
    assert (None, "2 of 2 rungs pass") == (found.failure, found.summary)
    assert ["not measured", "margin 9000", "margin 900"] == [step.margin for step in found.steps]


def test_the_first_failure_is_told_in_full(tmp_path: Path) -> None:
    found = climbed(tmp_path, spoilt=0.1)
    failure = found.failure
    assert failure is not None
    assert ("R4 at gridsize 1 in f64", "torch", "R4/exit_wave") == (failure.where, failure.guilty, failure.tensor)
    assert ("allowed", "1.00e-11") == failure.facts[0]
    assert ("smallest tolerance that would pass", "1.00e-01") == failure.facts[1]
    assert ("torch to the reference", "1.00e-01") == failure.distances.rows[0][:2]
    assert 3 == len(failure.elements.rows)
    assert failure.picture is not None
    assert failure.picture.uri.startswith("data:image/png;base64,")
    assert "ptycho_torch/physics.py, exit_wave()" == failure.look_at[0]
    assert failure.catches.startswith("the product of probe and object")
    assert "R3 passes, R4 fails: how the layers are put together, not a layer" == failure.standing[0]
    assert ("element", "torch", "tf", "oracle", "torch − oracle", "torch / oracle") == tuple(failure.elements.headings)
    assert "python -m harness parity replay kept.npz" == failure.command
    assert 1 == len(failure.others.rows)
    assert ["R4"] == [step.name for step in found.steps if step.first]
    assert "1·10¹⁰ times the limit" == found.steps[1].margin


@pytest.mark.slow
def test_a_picture_outside_the_run_is_not_shown(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"\x89PNG")
    told = climbed(tmp_path / "a", spoilt=0.1).failure
    assert told is not None
    folder = sample_runs.ladder(tmp_path / "b", spoilt=0.1)
    read = json.loads((folder / "parity.json").read_text())
    read["first_failure"]["picture"] = str(outside)
    (folder / "parity.json").write_text(json.dumps(read))
    found = ladder_section.of(load_runs.load(folder))
    assert found is not None
    assert found.failure is not None
    assert found.failure.picture is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"rungs": None, "unverified": "x", "proof": [], "first_failure": {}},
        {"rungs": [{}, 3, {"rung": None, "worst": "inf", "tolerance": "x", "failures": [1]}]},
        {"first_failure": {"distances": [], "worst_elements": [{"index": 3}], "reasons": 4, "picture": 5}},
        {"refused": {"tf": "x"}, "parties": 3},
    ],
)
def test_a_document_of_another_version_is_shown_as_far_as_it_goes(changes: dict[str, Any], tmp_path: Path) -> None:
    assert climbed(tmp_path, spoilt=0.1, **changes).table.caption


def test_refusals_and_planted_faults_are_listed(tmp_path: Path) -> None:
    canary = {"id": "c", "story": "s", "at": "R2", "named": ["tf"], "outcome": "killed"}
    found = climbed(tmp_path, refused={"tf, gridsize 2": ["its nonce is old"]}, proof={"canaries": [canary]})
    assert ["tf, gridsize 2: its nonce is old"] == list(found.refused)
    assert ("s", "R2", "tf") == found.proof.rows[0][1:4]


def test_places_rise_with_the_share_and_the_limit_parts_them() -> None:
    shares = [None, -6.0, -3.0, -0.1, 0.0, 0.1, 8.0, 16.0, math.inf]
    places = [ladder_picture.place(share) for share in shares]
    assert sorted(places) == places
    assert ladder_picture.LIMIT == ladder_picture.place(0.0)
    assert [3.0, 97.0] == [min(places), max(places)]


def _mark(result: str, worst: float | None, allowed: float | None) -> ladder_section.Mark:
    return ladder_section.Mark(precision="f64", gridsize="1", result=result, worst=worst, allowed=allowed, tip="tip")


@pytest.mark.parametrize(
    ("mark", "right"),
    [
        (_mark("pass", 1e-13, 1e-11), False),
        (_mark("pass", None, None), False),
        (_mark("fail", 1e-3, 1e-11), True),
        (_mark("fail", None, None), True),
        (_mark("fail", 1.0, 0.0), True),
        (_mark("fail", math.inf, 1e-11), True),
        (_mark("fail", 1e-13, 1e-11), True),
    ],
)
def test_a_mark_is_right_of_the_limit_if_and_only_if_it_fails(mark: ladder_section.Mark, right: bool) -> None:
    drawn = ladder_picture.scale("R4", [mark])
    place = float(drawn.partition('cx="')[2].partition("%")[0])
    assert right is (place > ladder_picture.LIMIT)
    assert ("bad" in drawn) is right


def test_a_run_that_climbed_nothing_has_no_ladder(tmp_path: Path) -> None:
    assert ladder_section.of(load_runs.load(sample_runs.mutation(tmp_path))) is None


@pytest.mark.deep
def test_a_fault_planted_in_an_adapter_is_the_pages_first_failure(tmp_path: Path) -> None:
    fault = "value * (1 + 1e-8) if name in ('R4/phase', 'R6/object') else value"
    sides = {"torch": fake_adapter.write(tmp_path / "torch"), "tf": fake_adapter.write(tmp_path / "tf", fault=fault)}
    given = [f"--python={side}={path}" for side, path in sides.items()]
    small = ("--gridsize", "1", "--precision", "f64", "--steps", "1", "--canaries", "0", "--json")
    root = tmp_path / "harness"
    assert Verdict.FAIL == main.main(["parity", *given, *small, "--root", str(root)])
    (run,) = map(load_runs.load, (root / "runs").iterdir())
    made = write.write([run.path], root=root)
    html = made.path.read_text()
    assert "First failing rung: R4 at gridsize 1 in f64; at fault: tf" in html
    assert "R4/phase" in html
    assert "-m harness parity replay" in html
    assert "look at" in html
    assert "ptycho_tf/network.py, Network.decode()" in html
    found = ladder_section.of(run)
    assert found is not None
    assert found.failure is not None
    assert found.failure.picture is not None
