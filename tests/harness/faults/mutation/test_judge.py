"""The judge of answers at hand: the first failure of the rungs that are named, and an answer that does not count."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.faults.mutation import judge
from harness.parity.compare.response import Answer
from harness.parity.exchange.backend_client import PACKAGES
from harness.parity.judge import oracle
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.reference import problem
from ptycho.parity.request import Request
from tests.support.golden_step0 import FIXTURE

Given = tuple[Request, OracleAnswer, Mapping[str, Answer]]


@pytest.fixture(scope="module")
def given() -> Given:
    """A request and two answers, of which TensorFlow's is wrong at R6 and R5."""
    request = replace(problem.request(gridsize=1, seed=7, scan=FIXTURE, steps=1), quantities=("R3", "R5", "R6"))
    expected = oracle.expected(request, PACKAGES)
    answers = {}
    for number, side in enumerate(PACKAGES, start=1):
        arrays = {
            name: value * (1 + number * 1e-15) if name.startswith("R3/") else value
            for name, value in expected.arrays.items()
        }
        if side == "tf":
            arrays |= {name: -arrays[name] for name in ("R5/plain.total", "R6/probe")}
        answers[side] = Answer(exact={}, arrays=arrays, refusals=(), manifest={})
    return request, expected, answers


def told(given: Given, *rungs: str, refusals: tuple[str, ...] = ()) -> dict[str, object]:
    request, expected, answers = given
    changed = {**answers, "tf": replace(answers["tf"], refusals=refusals)}
    return judge.judge(changed, expected, request, rungs)


def test_the_first_failure_of_the_rungs_that_are_named(given: Given) -> None:
    found = told(given, "R3", "R5", "R6")
    assert (found["at"], found["how"], found["guilty"]) == ("R5", "rung", ["tf"])
    assert told(given, "R3", "R6")["at"] == "R6"


def test_all_that_is_named_stands(given: Given) -> None:
    assert told(given, "R3") == {"at": None, "how": "", "guilty": [], "detail": ""}


def test_a_refused_answer(given: Given) -> None:
    found = told(given, "R3", refusals=("another nonce",))
    assert found == {"at": "R3", "how": "refused", "guilty": ["tf"], "detail": "tf: another nonce"}
