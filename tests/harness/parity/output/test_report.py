"""What is left of a run: the report, the table, the replay file and the picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.comparison import Judgement, Limit, Result, judge
from harness.parity.compare.floors import Floors
from harness.parity.compare.rungs import RUNGS, UNMEASURED
from harness.parity.judge.ladder import JudgedRung, limit
from harness.parity.output import diff_image, replay, report
from harness.parity.output.evidence import Evidence
from harness.parity.output.report import LadderReport
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

LAYERS = next(rung for rung in RUNGS if rung.name == "R3")
TRUE = np.random.default_rng(2).normal(size=(2, 3, 8, 8))


def judged(tf: NDArray[Any] | None = None) -> Judgement:
    return judge("R3/encoder.0", {"torch": TRUE, "tf": TRUE if tf is None else tf}, TRUE, 1e-12)


def made(judgement: Judgement, **changes: Any) -> LadderReport:
    climbed = [JudgedRung(rung=LAYERS, gridsize=2, judgements=(judgement,))]
    return LadderReport(climbed=climbed, seed=1, seconds=2.0, **changes)


def test_a_pass_says_what_was_compared_and_what_was_not(tmp_path: Path) -> None:
    read = json.loads(made(judged()).write(tmp_path / "parity.json").read_text())
    assert (read["schema"], read["verdict"], read["exit_code"]) == ("ptycho-parity/2", "pass", 0)
    assert read["first_failure"] is None
    (row,) = read["rungs"]
    assert (row["rung"], row["gridsize"], row["precision"], row["result"]) == ("R3", 2, "f64", "pass")
    assert (row["compared"], row["not_gated"], row["worst"], row["tolerance"]) == (1, 0, 0.0, 1e-12)
    assert read["precisions"] == ["f64"]
    assert [item["name"] for item in read["unverified"]] == [item.name for item in UNMEASURED]


def test_a_failure_names_side_tensor_elements_and_tolerance() -> None:
    spoilt = TRUE.copy()
    spoilt[1, 2, 3, 4] += 1.0
    found = made(judged(spoilt), evidence=Evidence(command="again")).as_dict()
    first = found["first_failure"]
    assert (first["rung"], first["gridsize"], first["guilty"], first["tensor"]) == ("R3", 2, ["tf"], "R3/encoder.0")
    assert first["worst_elements"][0]["index"] == (1, 2, 3, 4)
    assert first["minimum_tolerance"] == pytest.approx(1 / np.linalg.norm(TRUE))
    assert (first["command"], found["exit_code"]) == ("again", 1)


def test_an_infinite_figure_is_still_json(tmp_path: Path) -> None:
    endless = judge("R3/a", {"torch": np.ones(3), "tf": np.zeros(3)}, np.zeros(3), 1e-12)
    read = json.loads(made(endless).write(tmp_path / "parity.json").read_text())
    assert read["first_failure"]["distances"]["torch"] == "inf"
    assert read["rungs"][0]["worst"] == "inf"


def test_a_refused_answer_fails_a_run_in_which_every_rung_stands() -> None:
    assert made(judged(), refused={"tf, gridsize 2": ["its nonce is old"]}).verdict is Verdict.FAIL


def test_the_table_and_the_diagnosis_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    report.show(made(judged(TRUE * 1.5), refused={"tf, gridsize 2": ["its nonce is old"]}))
    text = capsys.readouterr().out
    assert "first failing rung: R3 at gridsize 2 in f64; at fault: tf" in text
    assert "minimum tolerance that would pass: 0.5" in text
    assert "refused: tf, gridsize 2: its nonce is old" in text
    assert "parity in f64: fail (exit 1)" in text
    listed = [line.split()[0] for line in text.splitlines()[: 2 + len(UNMEASURED)]]
    assert listed == ["rung", "R3", *(item.name for item in UNMEASURED)]
    assert text.count("unverified") == len(UNMEASURED)


@pytest.mark.parametrize("tf", [TRUE, TRUE * 2, TRUE[:1], None], ids=["equal", "twice", "misshapen", "missing"])
def test_a_kept_comparison_is_judged_as_before(tf: NDArray[Any] | None, tmp_path: Path) -> None:
    sides = {"torch": TRUE, "tf": tf}
    before = judge("R3/encoder.0", sides, TRUE, limit(LAYERS, "R3/encoder.0", 2, "f64", Floors.load()))
    path = replay.save(tmp_path / "kept.npz", "R3/encoder.0", 2, sides, TRUE)
    assert replay.again(path) == before
    assert str(path) in replay.command(path)


def test_a_file_that_is_no_kept_comparison_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "kept.npz", a=np.zeros(3))
    with pytest.raises(UsageError, match="is not a replay file"):
        replay.again(tmp_path / "kept.npz")


def test_a_kept_comparison_is_shown_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    replay.show(judged(TRUE * 1.5))
    text = capsys.readouterr().out
    assert "D(tf) = 0.5" in text
    assert text.splitlines()[-1] == f"R3/encoder.0: {Result.FAIL}"


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (40,), (3, 9), (2, 3, 4, 5, 6)])
def test_a_picture_is_drawn_of_any_shape(shape: tuple[int, ...], tmp_path: Path) -> None:
    expected = np.ones(shape) + 0.5j
    path = diff_image.save(tmp_path / "a.png", "R3/a", {"torch": expected * 2, "tf": expected * np.nan}, expected)
    assert path == tmp_path / "a.png"
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("shape", [(4,), (), (4, 4), (0,)])
def test_of_few_elements_there_is_a_table_and_no_picture(shape: tuple[int, ...], tmp_path: Path) -> None:
    expected = np.ones(shape)
    assert diff_image.save(tmp_path / "a.png", "R3/a", {"torch": expected * 2}, expected) is None


def test_no_picture_where_shapes_differ_or_nothing_is_expected(tmp_path: Path) -> None:
    assert diff_image.save(tmp_path / "a.png", "R3/a", {"torch": np.ones(30), "tf": None}, np.ones(40)) is None
    assert diff_image.save(tmp_path / "a.png", "R3/a", {"torch": np.ones(30)}, None) is None
    assert list(tmp_path.iterdir()) == []


def single(**changes: Any) -> LadderReport:
    """A float32 rung whose figures are 50 and 5 floors."""
    limit = Limit(tolerance=32e-7, floor=1e-7, single=True)
    sides = {"torch": (TRUE * (1 + 5e-7)).astype(np.float32), "tf": (TRUE * (1 + 5e-6)).astype(np.float32)}
    judgement = judge("R3/encoder.0", sides, TRUE, limit)
    climbed = [JudgedRung(rung=LAYERS, gridsize=1, precision="f32", judgements=(judgement,))]
    return LadderReport(climbed=climbed, seed=1, seconds=2, **changes)


def test_a_float32_rung_is_told_in_noise_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read = json.loads(single().write(tmp_path / "parity.json").read_text())
    first, (row,) = read["first_failure"], read["rungs"]
    assert read["precisions"] == ["f32"]
    assert (first["precision"], first["guilty"], first["suspect"], first["shared"]) == ("f32", ["tf"], "tf", False)
    assert first["noise_units"]["tf"] == pytest.approx(50, rel=0.05)
    assert (first["floor"], first["tolerance"]) == (1e-7, 32e-7)
    assert row["noise_units"] == first["noise_units"]["tf"]
    assert row["minimum_tolerance"] == first["minimum_tolerance"] == pytest.approx(5e-6, rel=0.05)
    report.show(single())
    text = capsys.readouterr().out
    assert "in f32; at fault: tf" in text
    assert "in noise units: torch 5" in text
    cells = next(line.split() for line in text.splitlines() if line.startswith("R3"))
    assert cells == ["R3", "1", "f32", "layers", "1", "5.0e-06", cells[6], "3e-06", "5.0e-06", "R3/encoder.0", "fail"]
    assert float(cells[6]) == pytest.approx(50, rel=0.05)


def test_what_is_not_gated_is_counted_and_no_rung_of_its_own() -> None:
    far = judge("R8/1.a", {"torch": TRUE, "tf": TRUE * 2}, TRUE, Limit(tolerance=None, gated=False))
    near = judge("R8/losses", {"torch": TRUE, "tf": TRUE}, TRUE, 1e-9)
    trajectory = next(rung for rung in RUNGS if rung.name == "R8")
    found = LadderReport(climbed=[JudgedRung(rung=trajectory, gridsize=1, judgements=(far, near))], seed=1, seconds=2.0)
    (row,) = found.as_dict()["rungs"]
    assert (row["result"], row["not_gated"], row["compared"], row["tensor"]) == ("pass", 1, 2, "R8/losses")
    assert report.rows(found)[0][4] == "2 (1 not gated)"
    assert found.verdict is Verdict.PASS


def test_a_kept_comparison_keeps_its_precision(tmp_path: Path) -> None:
    sides = {"torch": TRUE.astype(np.float32), "tf": TRUE.astype(np.float32)}
    path = replay.save(tmp_path / "kept.npz", "R3/encoder.0", 1, sides, TRUE, precision="f32")
    found = replay.again(path)
    assert (found.result, found.floor) == (Result.PASS, Floors.load().of("R3/encoder.0", 1, "f32"))
    double = replay.save(tmp_path / "double.npz", "R3/encoder.0", 1, sides, TRUE)
    assert replay.again(double).result is Result.FAIL
