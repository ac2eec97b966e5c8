"""The table of the one-line edits: what counts as found, as near, and where it is written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.faults.mutation.campaign import MutationScore
from harness.faults.mutation.result import MutantOutcome, MutantTrial
from harness.faults.mutation.user_path import report
from harness.faults.mutation.user_path.hints import Spot
from ptycho.verdict import Verdict
from tests.support import planted

MUTANT = replace(planted.mutant("torch"), id="edit-a", kind="nan", spot=Spot(file="a.py", function="f"))


def made(steps: int | None = 1, outcome: MutantOutcome = MutantOutcome.KILLED, **found: Any) -> MutantTrial:
    hints = ("a.py, f()", "b.py, g()")
    told = {"at": "R2", "how": "rung", "guilty": ("torch",), "exit_code": 1, "hints": hints, **found}
    return planted.trial(MUTANT, outcome, steps=steps, **told)


NEAR, FAR = made(2), made(None)


@pytest.mark.parametrize(
    ("trials", "verdict"),
    [
        ([NEAR] * 30, Verdict.PASS),
        ([NEAR] * 25 + [FAR] * 5, Verdict.PASS),
        ([NEAR] * 24 + [FAR] * 6, Verdict.FAIL),
        ([], Verdict.FAIL),
        ([NEAR] * 29 + [made(1, MutantOutcome.CONTRADICTED)], Verdict.FAIL),
        ([NEAR] * 29 + [made(1, MutantOutcome.LATE)], Verdict.FAIL),
        ([NEAR] * 29 + [made(1, MutantOutcome.ERROR, error="e")], Verdict.INFRA),
    ],
)
def test_all_are_found_and_nearly_all_are_near(trials: list[MutantTrial], verdict: Verdict) -> None:
    assert report.verdict(MutationScore(trials=trials)) is verdict


def test_a_row() -> None:
    row = ("edit-a", "nan", "a.py, f()", "1", "R2 (by R4)", "torch", "a.py, f()", "1", "as declared")
    assert report.row(made()) == row
    wrong = made(None, MutantOutcome.CONTRADICTED, disagreements=("x", "y"))
    assert report.row(wrong)[-2:] == ("more", "contradicted: x; y")
    survived = made(None, MutantOutcome.SURVIVED, at=None, guilty=(), hints=())
    assert report.row(survived)[4:] == ("– (by R4)", "–", "–", "more", "survived")


def test_it_is_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = MutationScore(trials=[made(), NEAR, FAR], seconds=5.0)
    report.show(score)
    told = capsys.readouterr().out
    assert "from 2 of 3 at most two steps lead" in told
    assert told.endswith("edits: fail (exit 1) in 5 s\n")
    (page,) = report.write(score, tmp_path)
    assert "| edit-a | nan | a.py, f() | 1 | R2 (by R4) | torch | a.py, f() | 2 | as declared |" in page.read_text()
