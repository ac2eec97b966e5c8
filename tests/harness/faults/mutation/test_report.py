"""The score as JSON, as tables, as a page and as a line: every figure comes from the trials."""

import json
from pathlib import Path

import pytest

from harness.faults.mutation import allclose, report
from harness.faults.mutation.campaign import MutationScore
from harness.faults.mutation.result import MutantOutcome
from harness.faults.mutation.user_path.hints import Spot
from tests.support import planted

PLAIN = dict.fromkeys(allclose.KEYS, False) | {"1e-5 absolute: loss": True}


def score() -> MutationScore:
    """Two killed, one of them below its rung; one late; one attributed to the wrong side; an equivalent."""
    return MutationScore(
        trials=[
            planted.trial(planted.mutant("torch", id="there"), at="R4", how="rung", guilty=("torch",), allclose=PLAIN),
            planted.trial(planted.mutant("tf", id="earlier"), at="R0", how="rung", gridsize=2, guilty=("torch",)),
            planted.trial(planted.mutant("tf", id="late", dies_at="R3"), MutantOutcome.LATE, at="R4", how="rung"),
            planted.trial(
                planted.mutant("core", id="same", dies_at=None, proof="a|b"), MutantOutcome.SURVIVED, at=None
            ),
        ],
        accepted=dict.fromkeys(allclose.KEYS, True) | {"1e-5 absolute: patches": False},
        seconds=90.0,
        catalogue=5,
    )


def test_the_rows_by_declared_gate() -> None:
    assert [line.cells for line in report.lines(score())] == [
        ("R3", "1", "0", "0", "1", "0", "0", "–"),
        ("R4", "2", "1", "1", "0", "0", "0", "1 of 2"),
    ]


def test_faults_that_keep_a_backend_from_answering_are_counted_apart() -> None:
    ending = planted.mutant("torch", id="raises", kind="raises", spot=Spot(file="a.py"))
    made = [
        planted.trial(ending, at="R4", how="rung", guilty=("torch",), steps=1),
        planted.trial(ending, at="R4", how="rung", guilty=("torch",), hints=("b.py, f()",)),
        planted.trial(
            ending, MutantOutcome.CONTRADICTED, at="R4", how="rung", guilty=("tf",), disagreements=("a", "b")
        ),
    ]
    found = MutationScore(trials=[*made, *score().trials])
    assert (len(found.faults), len(found.ending), found.killed) == (3, 3, 2)
    assert report.lines(found)[-1].cells == ("raises, at any rung", "3", "2", "0", "0", "1", "0", "2 of 3")
    assert "2 of 3 faults that keep a backend from answering, file and function named in 1;" in report.sentence(found)
    assert report.wrong(found)[0] == "raises: at R4, a; b"
    assert report.elsewhere(found) == ["raises: it is a.py; the terminal names b.py, f()"]


def test_the_sentence() -> None:
    assert report.sentence(score()) == (
        "2 of 3 planted faults killed at or before their declared rung, "
        "the right side named in 1 of 2 verdicts (50 %); 1 of 1 equivalent changes pass, as they must."
    )


def test_the_plain_comparison() -> None:
    rows = report.plain_rows(score())
    assert rows[0] == (
        "1e-5 absolute",
        "0 of 1, rejected",
        "1 of 1, accepted",
        "0 of 1, accepted",
        "1 of 1, rejected",
    )
    assert rows[1][1:] == ("0 of 1, accepted",) * 4
    assert rows[-1] == ("the ladder", "–", "–", "–", "1 of 1, accepted")


def test_a_plain_comparison_of_nothing_is_no_table() -> None:
    assert report.plain_rows(MutationScore(trials=score().trials[1:], accepted=score().accepted)) == []


def test_what_did_not_end_as_promised_is_listed() -> None:
    assert report.wrong(score()) == [
        "earlier: names torch at R0, gridsize 2; it is tf",
        "late: killed at R4 and not at R3: ",
    ]


@pytest.mark.parametrize(
    ("dies_at", "outcome", "said"),
    [
        ("R4", MutantOutcome.SURVIVED, "m: survives, and should be killed at R4: Too large."),
        ("R4", MutantOutcome.ERROR, "m: undecided: ended with -9"),
        (None, MutantOutcome.KILLED, "m: declared equivalent, but killed at R2, gridsize 1: why"),
    ],
)
def test_every_kind_of_wrong(dies_at: str | None, outcome: MutantOutcome, said: str) -> None:
    mutant = planted.mutant("core", id="m", dies_at=dies_at)
    made = planted.trial(mutant, outcome, at="R2", gridsize=1, detail="why", error="ended with -9")
    assert report.wrong(MutationScore(trials=[made])) == [said]


def test_the_file(tmp_path: Path) -> None:
    told = json.loads(report.write(score(), tmp_path / "mutation.json").read_text())
    assert (told["schema"], told["verdict"], told["exit_code"]) == ("ptycho-mutation/1", "fail", 1)
    assert told["outcomes"] == {"killed": 2, "late": 1, "contradicted": 0, "survived": 0, "error": 0}
    assert told["allclose"]["1e-5 absolute: loss"] == {"finds": 1, "of": 1, "accepts_clean_pair": True}
    assert [item["id"] for item in told["trials"]] == ["there", "earlier", "late", "same"]
    assert told["trials"][1]["names_guilty"] is False


def test_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report.show(score())
    told = capsys.readouterr().out
    assert "wrong: late: killed at R4 and not at R3" in told
    assert told.endswith("mutation: fail (exit 1) in 90 s (4 of 5 tried)\n")


def test_the_page() -> None:
    page = report.page(score(), {"The score": "text"})
    assert page.startswith("## The score\n\ntext\n")
    assert "| there | R4 | R4 | torch | Too large. |" in page
    assert r"| same | survived | a\|b |" in page
