"""The kinds of gradients at corners: those of the formulas, by differences taken away from the corner."""

import math

from harness.parity.compare.comparison import Result
from harness.parity.compare.response import Answer
from harness.parity.judge.ladder import OracleAnswer, climb
from harness.parity.reference import problem, subgradients
from ptycho.parity.operations import corners as questions
from ptycho.parity.operations import kind
from tests.support.golden_step0 import FIXTURE

REQUESTS = {p: problem.request(gridsize=1, seed=3, scan=FIXTURE, steps=1, precision=p) for p in ("f64", "f32")}


def test_every_question_has_its_kinds() -> None:
    for request in REQUESTS.values():
        found = subgradients.expected(request)
        assert {case.name for case in questions(request)} == set(found)
        assert all(found.values())


def test_only_epsilon_depends_on_the_precision() -> None:
    double, single = (subgradients.expected(REQUESTS[p]) for p in ("f64", "f32"))
    assert {name for name in double if double[name] != single[name]} == {"terms.intensity"}
    assert (double["terms.intensity"][1], single["terms.intensity"][1]) == ("-8.00e+08", "one")


def test_slopes_that_are_no_corner_are_those_of_the_formula() -> None:
    found = subgradients.expected(REQUESTS["f64"])

    def slope(function: object, at: float) -> str:
        assert callable(function)
        return kind(round((function(at + 1e-6) - function(at - 1e-6)) / 2e-6, 6))

    assert found["phase_head"][0] == slope(lambda x: math.pi * math.tanh(x), 0.0)
    assert found["compose.imaginary.phase"][3] == slope(lambda phase: -2 * math.sin(phase), 1.0)
    assert found["compose.real.phase"][3] == slope(lambda phase: -2 * math.cos(phase), 1.0)
    assert found["mae"][4] == slope(lambda rate: abs(math.sqrt(rate) - 1), 4.0)
    assert found["mae"][5] == slope(lambda rate: abs(math.sqrt(rate) - 3), 4.0)
    assert found["terms.intensity"][3] == slope(lambda rate: rate - 4 * math.log(rate), 1.0)


def test_another_kind_fails_the_rung_and_names_the_side() -> None:
    expected = OracleAnswer(
        exact={s: {"R2b": subgradients.expected(REQUESTS["f64"])} for s in ("torch", "tf")}, arrays={}
    )
    for name, wrong in (("pool.tie", ["half", "half", "zero", "zero"]), ("amplitude.dark_object", ["nan, nan"] * 4)):
        given = {"torch": expected.exact["torch"], "tf": {"R2b": {**expected.exact["tf"]["R2b"], name: wrong}}}
        answers = {s: Answer(exact=exact, arrays={}, refusals=(), manifest={}) for s, exact in given.items()}
        (rung,) = climb(1, answers, expected, ["R2b"])
        assert (rung.result, rung.guilty) == (Result.FAIL, ("tf",))
        assert [item.tensor for item in rung.judgements if item.reasons] == [f"R2b/{name}"]
