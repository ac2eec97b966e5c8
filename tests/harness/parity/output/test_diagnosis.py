"""The block of the first failure: the tensor nearest to the cause, where to look, what it resembles, how to go on."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.comparison import Judgement, Result, judge
from harness.parity.compare.location import Location
from harness.parity.compare.rungs import RUNGS
from harness.parity.judge.ladder import JudgedRung
from harness.parity.output import diagnosis, replay
from harness.parity.output.artifacts import relations
from harness.parity.output.evidence import Evidence
from harness.parity.output.report import LadderReport
from ptycho.fingerprint import ROOT

TRUE = np.random.default_rng(8).normal(size=(2, 4, 8, 8))
BY_NAME = {rung.name: rung for rung in RUNGS}


def climbed(*judgements: Judgement) -> JudgedRung:
    return JudgedRung(rung=BY_NAME[judgements[0].tensor.partition("/")[0]], gridsize=1, judgements=judgements)


def failing(tensor: str, wrong: NDArray[Any] = TRUE * 2, side: str = "torch") -> Judgement:
    return judge(tensor, {"torch": TRUE, "tf": TRUE} | {side: wrong}, TRUE, 1e-11)


def block(*judgements: Judgement, **changes: Any) -> str:
    failed = climbed(*judgements)
    return "\n".join(diagnosis.lines(failed, diagnosis.diagnose(failed, [failed], **changes), Evidence()))


def test_the_failure_nearest_to_the_cause_is_shown_and_the_others_are_listed() -> None:
    one, other = failing("R4/intensity", TRUE * 1e6), failing("R4/amplitude.0.out")
    assert diagnosis.decisive(climbed(one, other)) is other
    text = block(one, other)
    assert "look at: ptycho_torch/network.py, Decoder.forward()" in text
    assert "R4 fails in 2 of 2 comparisons, also in: intensity" in text


def test_a_name_that_is_in_no_table_falls_back_to_the_worst() -> None:
    one, other = failing("R4/x"), failing("R4/y", TRUE * 9)
    assert diagnosis.decisive(climbed(one, other)) is other
    assert "look at" not in block(one, other)


def test_hints_are_those_of_the_quantity() -> None:
    text = block(failing("R5/plain.nll"))
    assert "points at: the Poisson likelihood" in text
    assert "pooling" not in text


def test_the_side_that_is_guilty_is_where_to_look() -> None:
    assert "look at: ptycho_tf/loss.py, poisson_nll()\n     or: ptycho_tf/loss.py, terms()" in block(
        failing("R5/plain.nll", side="tf")
    )


def test_of_a_foreign_target_no_file_of_ours_is_named() -> None:
    text = block(failing("R5/plain.nll"), foreign=["torch"])
    assert "look at" not in text
    assert "ptycho_torch" not in text


def test_where_a_backend_raised_is_shown_instead_of_the_table() -> None:
    place = Location(file="ptycho_torch/loss.py", line=38, function="poisson_nll", text="return rate.lgo()")
    raised = Judgement(
        tensor="R5/plain.total",
        result=Result.FAIL,
        reasons=("torch raised AttributeError",),
        guilty=("torch",),
        location=place,
    )
    text = block(failing("R5/plain.nll"), raised)
    assert "look at: ptycho_torch/loss.py:38, poisson_nll(): return rate.lgo()" in text
    assert "terms()" not in text


@pytest.mark.parametrize(
    ("call", "after", "look_at"),
    [
        ("intensity", None, "ptycho_torch/physics.py, intensity()"),
        ("engine", "R5/plain.nll", "ptycho_torch/loss.py, poisson_nll()"),
    ],
)
def test_an_answer_that_the_core_cannot_use_leads_to_who_gave_it(call: str, after: str | None, look_at: str) -> None:
    raised = Judgement(
        tensor="R5/raised",
        result=Result.FAIL,
        reasons=("torch raised ValueError: cannot reshape array",),
        guilty=("torch",),
        location=Location(file="ptycho/parity/measure.py", line=154, function="conventions"),
        call=call,
        after=after,
    )
    text = block(raised)
    assert f"look at: {look_at}" in text
    assert "or: ptycho/parity/measure.py:154, conventions()" in text
    assert "points at" not in text


def test_elements_are_a_table_with_how_many_differ() -> None:
    wrong = TRUE.copy()
    wrong[:, 2] *= -1
    judged = failing("R4/amplitude", wrong)
    sides = {"torch": wrong, "tf": TRUE}
    kept = Evidence(resembles=relations(judged, sides, TRUE), extent="channel 2", size=TRUE.size)
    failed = climbed(judged)
    lines = diagnosis.lines(failed, diagnosis.diagnose(failed, [failed]), kept)
    assert "  torch in channel 2 is −1 × what is expected" in lines
    assert "  128 of 512 elements differ, all in channel 2; the worst first:" in lines
    heading = next(line for line in lines if line.split()[:2] == ["element", "torch"])
    assert heading.split("  ")[-1] == "torch / oracle"


@pytest.mark.parametrize("side", ["torch", "tf"])
def test_relations_are_those_of_the_guilty_side(side: str) -> None:
    judged = failing("R4/amplitude", TRUE[..., ::-1], side)
    sides = {"torch": TRUE, "tf": TRUE} | {side: TRUE[..., ::-1]}
    assert relations(judged, sides, TRUE) == (f"{side} is what is expected, mirrored along column",)


def test_a_single_wrong_element_has_no_relation() -> None:
    wrong = TRUE.copy()
    wrong[0, 1, 2, 3] *= -1
    assert relations(failing("R4/amplitude", wrong), {"torch": wrong, "tf": TRUE}, TRUE) == ()


def test_json_has_all_of_it() -> None:
    kept = Evidence(resembles=("torch is a",), extent="channel 1")
    first = LadderReport(climbed=[climbed(failing("R5/plain.nll"))], evidence=kept, seed=1, seconds=1).as_dict()[
        "first_failure"
    ]
    assert first["look_at"][0] == "ptycho_torch/loss.py, poisson_nll()"
    assert first["hint"].startswith("the Poisson likelihood")
    assert first["catches"] == BY_NAME["R5"].catches
    assert first["standing"][0] == "R5 fails: the loss"
    assert (list(first["resembles"]), first["extent"], first["location"]) == (["torch is a"], "channel 1", None)
    assert first["worst_elements"][0]["name"].startswith("group ")


@pytest.mark.slow
def test_the_command_works_as_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "with a blank"
    folder.mkdir()
    path = replay.save(folder / "kept.npz", "R3/encoder.0", 1, {"torch": TRUE * 2, "tf": TRUE}, TRUE)
    typed = replay.command(path)
    ended = subprocess.run(typed, shell=True, capture_output=True, text=True, check=False)  # as pasted
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout.splitlines()[-1] == "R3/encoder.0: fail"


def test_the_command_names_what_is_below_the_current_folder_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "my env" / "python"))
    said = shlex.split(replay.command(tmp_path / "runs" / "kept.npz"))
    assert said == ["my env/python", *("-m", "harness", "parity", "replay", "runs/kept.npz")]
    monkeypatch.setattr(sys, "executable", "/elsewhere/python")
    assert shlex.split(replay.command(Path("/other/kept.npz")))[::5] == ["/elsewhere/python", "/other/kept.npz"]


def test_what_is_missing_is_called_missing_and_points_at_no_code() -> None:
    given = {"torch": None, "tf": np.ones(3)}
    missing = judge("R4/agreed", given, np.ones(3), 1e-9)
    assert (True, ("torch",)) == (missing.is_missing, missing.guilty)
    failed = climbed(missing)
    found = diagnosis.diagnose(failed, [failed])
    assert ((), True) == (found.look_at, found.hint.startswith("an answer that was not given"))
    shown = "\n".join(diagnosis.lines(failed, found, Evidence()))
    assert "torch is missing" in shown
    assert failed.rung.catches not in shown
