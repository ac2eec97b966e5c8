"""The score of generated changes, its bars, and the lines of the survivors."""

import pytest

from harness.faults.mutation.generated import report
from harness.faults.mutation.generated.changes import of_module
from harness.faults.mutation.generated.report import GeneratedScore
from harness.faults.mutation.generated.trial import ALIVE, EQUIVALENT, ERROR, KILLED, ChangeTrial
from ptycho.verdict import Verdict

(CHANGE,) = (c for c in of_module("ptycho_tf/a.py", "\n\ndef f(a):\n    return a < b\n")["f"] if c.old == "<")


def score(killed: int = 0, alive: int = 0, equivalent: int = 0, errors: int = 0, **named: int) -> GeneratedScore:
    tried = [ChangeTrial(change=CHANGE, outcome=KILLED, at="tests")] * (killed - sum(named.values()))
    tried += [ChangeTrial(change=CHANGE, outcome=KILLED, at="R4", named=("tf",))] * named.get("rightly", 0)
    tried += [ChangeTrial(change=CHANGE, outcome=KILLED, at="R4", named=("torch",))] * named.get("wrongly", 0)
    for outcome, count in ((ALIVE, alive), (EQUIVALENT, equivalent), (ERROR, errors)):
        tried += [ChangeTrial(change=CHANGE, outcome=outcome, detail="why", tests=3)] * count
    return GeneratedScore(tried=tried, functions=7, changes=70, seed=5)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (score(killed=97, alive=3), Verdict.PASS),
        (score(killed=96, alive=4), Verdict.FAIL),
        (score(killed=92, equivalent=8), Verdict.PASS),
        (score(killed=91, equivalent=9), Verdict.FAIL),
        (score(killed=100, rightly=49, wrongly=1), Verdict.PASS),
        (score(killed=100, rightly=48, wrongly=2), Verdict.FAIL),
        (score(killed=99, errors=1), Verdict.INFRA),
        (score(killed=1, alive=1, errors=1), Verdict.FAIL),
        (score(), Verdict.INFRA),
    ],
)
def test_the_bars_are_asked_at_their_limits(given: GeneratedScore, verdict: Verdict) -> None:
    assert given.verdict is verdict


def test_the_sentence_has_every_figure() -> None:
    assert report.sentence(score(killed=5, alive=2, equivalent=1, errors=1, rightly=2, wrongly=1)) == (
        "9 changes, drawn with seed 5 out of 70 in 7 functions: 5 killed, 1 equivalent, 2 alive, 1 undecided; "
        "the right side named in 2 of 3 verdicts."
    )


def test_survivors_have_file_and_line() -> None:
    listed = report.lines(score(killed=1, alive=1, wrongly=1))
    assert listed == [
        "alive: ptycho_tf/a.py:4 f: comparison limit: '<' → '<=' (why)",
        "wrong side: ptycho_tf/a.py:4 f: comparison limit: '<' → '<=': R4 names torch; it is tf",
    ]


def test_the_json_has_all_of_it() -> None:
    plain = report.as_dict(score(killed=1, alive=1))
    assert (plain["verdict"], plain["exit_code"], plain["outcomes"]) == ("fail", 1, {"alive": 1, "killed": 1})
    assert plain["trials"][0]["file"] == "ptycho_tf/a.py"
    assert (plain["trials"][0]["line"], plain["trials"][0]["owner"]) == (4, "tf")
