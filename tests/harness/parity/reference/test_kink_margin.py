"""Corners: a unit at one is found wherever it is, and a float32 question has none in its first patterns."""

from dataclasses import replace

import numpy as np
import pytest

from harness.parity.reference import kink_margin, problem
from harness.parity.reference.kink_margin import MARGIN
from ptycho.errors import UsageError
from ptycho.parity.request import Request
from ptycho.physics import network
from tests.support.golden_step0 import FIXTURE

ASKED = problem.request(gridsize=1, seed=2, scan=FIXTURE, steps=1, precision="f32", quantities=("R6",))
INPUTS = problem.recorded_inputs(ASKED)


@pytest.mark.slow
def test_a_float32_question_keeps_clear_and_an_arbitrary_one_hardly_ever() -> None:
    assert kink_margin.is_clear(INPUTS, ASKED.weights)
    drawn = [replace(ASKED, batch=problem.batch(ASKED.model, problem.BATCH_SIZE, seed)) for seed in range(100, 112)]
    clear = [kink_margin.is_clear(problem.recorded_inputs(asked), asked.weights) for asked in drawn]
    assert not all(clear)


@pytest.mark.parametrize("name", ["encoder.0", "encoder.2", "amplitude.1", "phase.border.0"])
@pytest.mark.parametrize("index", [0, 1])
def test_a_unit_at_its_corner_is_found(name: str, index: int) -> None:
    x = INPUTS[name]
    given = network.upsample(x) if name in ("amplitude.1", "phase.border.0") else x
    weights = dict(ASKED.weights)
    for before in range(index + 1):
        kernel, bias = (weights[f"{name}.{before}.{kind}"] for kind in ("weight", "bias"))
        sums = network.convolve(given, kernel, bias)
        given = np.maximum(sums, 0)
    moved = bias.copy()
    moved[1] -= sums[0, 1, 3, 5]
    weights[f"{name}.{index}.bias"] = moved
    assert not kink_margin.is_clear({name: x}, weights)


def test_a_tie_counts_where_the_window_is_uneven() -> None:
    x = np.array([[1.0, 1.0, 5.0, 4.0], [0.0, 0.0, 1.0, 2.0]])[None, None]
    assert kink_margin.lead(x, 0.5) == 0.0
    assert kink_margin.lead(x, 1.0) == 1.0
    assert kink_margin.lead(x, 4.0) == np.inf


def test_float64_questions_are_as_they_were_drawn() -> None:
    asked = problem.request(gridsize=1, seed=2, scan=FIXTURE, steps=1, quantities=("R6",))
    first = problem.batch(asked.model, problem.BATCH_SIZE * problem.BATCHES, 2)
    assert np.array_equal(asked.batch.diffraction, first.diffraction)


def test_a_seed_without_clear_patterns_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kink_margin, "MARGIN", 1e9 * MARGIN)
    monkeypatch.setattr(problem, "ATTEMPTS", 2)
    with pytest.raises(UsageError, match="no patterns clear of the network's corners in 2 draws"):
        problem.cleared(ASKED, 2)


def test_the_same_seed_gives_the_same_question() -> None:
    again: Request = problem.request(gridsize=1, seed=2, scan=FIXTURE, steps=1, precision="f32", quantities=("R6",))
    assert np.array_equal(again.batch.diffraction, ASKED.batch.diffraction)
