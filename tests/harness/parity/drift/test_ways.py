"""Taking a batch apart and putting the answers together again; a model that looks at its neighbours is found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.response import Answer
from harness.parity.drift import judge, ways
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.ways import GROUPS, ORDER, RUNGS, WAYS, Way
from harness.parity.drift.words import Word
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.reference import problem
from ptycho.parity.request import BATCH_FIELDS, Request
from tests.support.golden_step0 import FIXTURE

Array = NDArray[Any]
Model = Callable[[Array], Array]


@pytest.fixture(scope="module")
def request_of_a_ladder() -> Request:
    asked = problem.request(gridsize=1, seed=42, scan=FIXTURE, steps=1, quantities=RUNGS, masked=False)
    return ways.enlarged(asked, 42)


def alone(x: Array) -> Array:
    """A model that treats every pattern alone."""
    return np.asarray(np.sqrt(x + 1) * 3)


def beside(x: Array) -> Array:
    """A model that subtracts the mean of the batch."""
    return np.asarray(x - 1e-6 * x.mean())


def shifted(x: Array) -> Array:
    """A model that gives each pattern the result of the one before."""
    return np.roll(alone(x), 1, axis=0)


def answer(request: Request, model: Model) -> Answer:
    """What an adapter with such a model would say."""
    x = request.first.diffraction.astype(np.float64)
    made = model(x)
    arrays = {"R4/patches": made, "R4/predicted.0": made, "R5/plain.nll": np.array(np.mean(made**2))}
    # What comes after the first batch differs from way to way.
    arrays |= {"R4/predicted.1": made[:1], "R5/evaluated.total": np.array([made.sum(), 0.0])}
    return Answer(exact={}, arrays=arrays, refusals=(), manifest={})


def compared(request: Request, way: Way, model: Model) -> dict[str, Word]:
    """The word of each rung."""
    plain, other = (
        ways.merged(one, [answer(part, model) for part in ways.requests(request, one, 1)]) for one in (WAYS[0], way)
    )
    found = answer(ways.requests(request, WAYS[0], 1)[0], alone if model is shifted else model)
    expected = ways.expected(OracleAnswer(exact={}, arrays=found.arrays))
    question = Question(gridsize=1, precision="f64", seed=42, request=request, path=Path("request.npz"))
    rows = judge.compare(question, expected, {OLD: plain, NEW: other}, "torch", way=way.name)
    return {row.climbed.rung.name: row.word for row in rows}


def test_every_way_asks_for_the_same_patterns(request_of_a_ladder: Request) -> None:
    for way in WAYS:
        asked = ways.requests(request_of_a_ladder, way, 2)
        assert [part.threads for part in asked] == [2] * len(way.parts)
        for field in BATCH_FIELDS:
            whole = np.concatenate([getattr(part.first, field) for part in asked])
            order = [number for part in way.parts for number in part]
            assert np.array_equal(whole, getattr(request_of_a_ladder.first, field)[order])
        assert sorted(number for part in way.parts for number in part) == list(range(GROUPS))
    assert all(number != place for place, number in enumerate(ORDER))


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
def test_a_model_that_treats_patterns_alone_is_identical_in_every_way(way: Way, request_of_a_ladder: Request) -> None:
    found = compared(request_of_a_ladder, way, alone)
    assert found["R4"] is Word.IDENTICAL
    # A mean over the batch is added up in another order.
    assert found["R5"] in (Word.IDENTICAL, Word.ROUNDING)


@pytest.mark.parametrize("way", WAYS[2:], ids=[way.name for way in WAYS[2:]])
def test_a_model_that_looks_at_its_neighbours_is_a_regression(way: Way, request_of_a_ladder: Request) -> None:
    assert compared(request_of_a_ladder, way, beside)["R4"] is Word.REGRESSION


def test_results_that_change_places_are_not_identical(request_of_a_ladder: Request) -> None:
    assert compared(request_of_a_ladder, WAYS[1], shifted)["R4"] is Word.OUTSIDE


def test_a_part_that_was_not_answered_is_no_pass(request_of_a_ladder: Request) -> None:
    first, second = (answer(part, alone) for part in ways.requests(request_of_a_ladder, WAYS[2], 1))
    refused = Answer(exact={}, arrays=second.arrays, refusals=("its nonce is wrong",), manifest={})
    assert ways.merged(WAYS[2], [first, refused]).refusals == ("its nonce is wrong",)
    silent = Answer(exact={}, arrays={}, refusals=(), manifest={})
    assert ways.merged(WAYS[2], [first, silent]).arrays == {}
