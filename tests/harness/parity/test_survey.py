"""The ladder over many seeds: the worst figure, the smallest margin, and every alarm."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.parity import survey
from harness.parity.compare.comparison import Judgement, Result
from harness.parity.compare.rungs import RUNGS
from harness.parity.judge.ladder import JudgedRung
from harness.parity.reference.drawn import draw
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

BY_NAME = {rung.name: rung for rung in RUNGS}


def judgement(tensor: str, figure: float, tolerance: float, floor: float | None = None) -> Judgement:
    result = Result.PASS if figure <= tolerance else Result.FAIL
    reasons = () if result is Result.PASS else ("too far",)
    return Judgement(
        tensor=tensor, result=result, reasons=reasons, figures={"tf": figure}, tolerance=tolerance, floor=floor
    )


def climbed(rung: str, precision: str, *judgements: Judgement, gridsize: int = 1) -> JudgedRung:
    return JudgedRung(rung=BY_NAME[rung], gridsize=gridsize, precision=precision, judgements=judgements)


def one(seed: int) -> list[JudgedRung]:
    """The figure grows with the seed."""
    return [
        climbed("R3", "f32", judgement("R3/a", seed * 1e-7, 32e-7, 1e-7), judgement("R3/b", 3e-7, 96e-7, 3e-7)),
        climbed("R3", "f64", judgement("R3/a", seed * 1e-15, 1e-12)),
        climbed("R0", "f64", Judgement(tensor="R0/epsilon", result=Result.PASS)),
    ]


def test_the_worst_of_each_row_is_kept_in_the_order_of_the_climb() -> None:
    found = survey.run([1, 5, 2], one)
    assert [(row.rung, row.precision, row.seeds) for row in found.rows] == [
        ("R0", "f64", 3),
        ("R3", "f64", 3),
        ("R3", "f32", 3),
    ]
    exact, double, single = found.rows
    assert (exact.figure, exact.noise_units, exact.margin) == (None, None, None)
    assert double.figure == pytest.approx(5e-15)
    assert double.noise_units is None
    assert double.margin == pytest.approx(200)
    assert single.noise_units == pytest.approx(5)
    assert (single.tensor, single.seed) == ("R3/a", 5)
    assert single.margin == pytest.approx(6.4)
    assert (found.alarms, found.verdict) == (0, Verdict.PASS)


def test_every_alarm_is_listed_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    found = survey.run([1, 40, 50], one)
    assert [alarm.seed for row in found.rows for alarm in row.alarms] == [40, 50]
    assert (found.alarms, found.verdict) == (2, Verdict.FAIL)
    survey.show(found)
    text = capsys.readouterr().out
    assert "fail: R3 at gridsize 1 in f32, seed 40: R3/a: too far" in text
    assert "parity over 3 seeds (1 to 50): fail, 2 false alarm(s)" in text


def test_silence_is_an_alarm() -> None:
    found = survey.run([1], lambda _seed: [climbed("R5", "f32")])
    assert (found.alarms, found.verdict) == (1, Verdict.FAIL)
    assert found.rows[0].alarms[0].reasons == ("nothing was compared",)
    assert survey.collect({}).verdict is Verdict.FAIL


def test_a_rung_that_is_missing_at_a_seed_is_no_pass() -> None:
    found = survey.collect({1: one(1), 2: one(2)[:1]})
    assert (found.alarms, found.verdict) == (0, Verdict.FAIL)


def test_a_refused_answer_is_no_pass() -> None:
    assert survey.collect({1: one(1)}, {"seed 1, tf": ["its nonce is old"]}).verdict is Verdict.FAIL


def test_each_seed_is_told_as_soon_as_it_is_climbed() -> None:
    told: list[int] = []
    survey.run([3, 4], one, on_seed=lambda seed, _climbed: told.append(seed))
    assert told == [3, 4]


@pytest.mark.parametrize("given", [[], [1, 1]])
def test_no_seed_and_one_twice_are_refused(given: list[int]) -> None:
    with pytest.raises(UsageError, match="one or more, each once"):
        survey.run(given, one)


def test_it_is_written_with_what_was_infinite_as_text(tmp_path: Path) -> None:
    zero = survey.run([7], lambda _seed: [climbed("R3", "f32", judgement("R3/a", 0.0, 32e-7, 1e-7))])
    read = json.loads(zero.write(tmp_path / "seeds.json").read_text())
    assert (read["schema"], read["verdict"], read["seeds"], read["false_alarms"]) == (survey.SCHEMA, "pass", [7], 0)
    (row,) = read["rows"]
    assert (row["margin"], row["noise_units"], row["alarms"]) == ("inf", 0.0, [])


def test_the_table_is_a_table() -> None:
    lines = survey.markdown(survey.run([1, 5], one)).splitlines()
    assert {line.count("|") for line in lines} == {len(survey.HEADINGS) + 1}
    assert lines[-1].split("|")[1:7] == [" R3 ", " 1 ", " f32 ", " 2 ", " 5.0e-07 ", " 5 "]


def test_drawn_problems_of_one_patch_side_are_one_row_whatever_their_gridsize() -> None:
    problems = {seed: draw(64, seed) for seed in range(6)}
    assert {problem.model.gridsize for problem in problems.values()} == {1, 2}
    found = survey.collect(
        {
            seed: [replace(one(seed + 1)[1], gridsize=problem.model.gridsize, drawn=problem)]
            for seed, problem in problems.items()
        }
    )
    (row,) = found.rows
    assert (row.side, row.gridsize, row.seeds) == (64, None, 6)
    assert found.verdict is Verdict.PASS
    assert survey.table(found)[0][1] == "N 64"
