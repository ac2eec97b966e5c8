"""The question of what programs call, in the plain way and compiled; which answers are compared, and which count."""

from pathlib import Path

import numpy as np
import pytest

from harness.parity.compare.response import Answer
from harness.parity.drift import compiled
from harness.parity.judge.ladder import OracleAnswer
from ptycho.parity.request import COMPILED, PROGRAM, Request
from tests.support.golden_step0 import FIXTURE


@pytest.mark.slow
def test_both_ways_are_asked_the_same_and_only_one_of_them_compiled(tmp_path: Path) -> None:
    path = tmp_path / "request.npz"
    asked = compiled.question(gridsize=1, precision="f64", seed=42, scan=FIXTURE, path=path)
    assert Request.load(path).way == asked.request.way == PROGRAM
    other = compiled.request(asked)
    assert (other.way, other.quantities, other.steps) == (COMPILED, compiled.RUNGS, (1, compiled.STEPS))
    assert np.array_equal(other.first.diffraction, asked.request.first.diffraction)


def test_only_what_programs_call_is_expected() -> None:
    names = {
        "R4/predicted.0": True,
        "R4/predicted.1": False,
        "R4/exit_wave": False,
        "R5/plain.total": True,
        "R5/plain.nll": False,
        "R6/encoder.0.0.weight": True,
        "R6/weighted.encoder.0.0.weight": False,
        "R6/object": False,
        "R6/probe": False,
        "R8/1.weights": True,
        "R8/losses": True,
    }
    oracle = OracleAnswer(exact={}, arrays={name: np.zeros(1) for name in names}, beside={"R4": lambda *_: []})
    found = compiled.expected(oracle)
    assert [*found.arrays] == [name for name, wanted in names.items() if wanted]
    assert found.beside == {}


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ({"graphs": 4, "breaks": 0}, True),
        ({"graphs": 4, "breaks": 1}, False),
        ({"graphs": 0, "breaks": 0}, False),
        ({"graphs": 4}, False),
        ("yes", False),
        (None, False),
    ],
)
def test_an_answer_counts_only_if_it_was_compiled_whole(said: object, *, counts: bool) -> None:
    given = Answer(exact={}, arrays={"R4/predicted.0": np.zeros(2)}, refusals=(), manifest={"compiled": said})
    assert (compiled.proved(given).refusals == ()) == counts


def test_an_answer_that_failed_keeps_its_own_reason() -> None:
    silent = Answer(exact={}, arrays={}, refusals=(), manifest={})
    assert compiled.proved(silent) is silent
