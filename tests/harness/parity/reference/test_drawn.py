"""Drawn problems: what varies, what a seed decides, and that the oracle answers each."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from harness.parity.judge import oracle
from harness.parity.reference import drawn
from harness.parity.reference.drawn import DrawnProblem
from ptycho.errors import UsageError
from ptycho.physics import forward
from tests.support.golden_step0 import FIXTURE

VARIED: dict[str, tuple[Any, ...]] = {
    "gridsize": (1, 2),
    "filter_scale": (1, 2),
    "probe_big": (False, True),
    "probe_mask": (False, True),
    "intensity_scale_trainable": (False, True),
    "modes": drawn.MODES,
    "groups": drawn.GROUPS,
    "positions": drawn.POSITIONS,
}
A_WEEK = 7 * 20
"""Seeds of a week, with a survey of twenty every night."""


def values(problem: DrawnProblem) -> dict[str, Any]:
    return {name: getattr(problem if hasattr(problem, name) else problem.model, name) for name in VARIED}


def first(side: int = 64, **wanted: Any) -> DrawnProblem:
    """The first problem that has what is wanted."""
    return next(problem for seed in range(1000) if wanted.items() <= values(problem := drawn.draw(side, seed)).items())


def test_a_seed_decides_everything_but_the_nonce() -> None:
    one, two = (drawn.request(drawn.draw(64, 5), FIXTURE) for _ in range(2))
    assert one.nonce != two.nonce
    assert np.array_equal(one.batch.diffraction, two.batch.diffraction)
    assert np.array_equal(one.probe, two.probe)
    assert all(np.array_equal(one.weights[name], two.weights[name]) for name in one.weights)
    assert drawn.draw(64, 5) != drawn.draw(64, 6)


def test_every_pair_of_values_is_met_within_a_week() -> None:
    met = [values(drawn.draw(64, seed)) for seed in range(A_WEEK)]
    missing = [
        {one: a, two: b}
        for one, two in combinations(VARIED, 2)
        for a, b in product(VARIED[one], VARIED[two])
        if not any(item[one] == a and item[two] == b for item in met)
    ]
    assert missing == []


def test_the_model_that_users_have_by_default_is_among_them() -> None:
    assert first(filter_scale=2, intensity_scale_trainable=False, probe_big=True, probe_mask=False)


def test_positions_reach_the_edge_of_the_canvas_or_are_equal() -> None:
    edge = drawn.request(first(gridsize=2, positions="edge"), FIXTURE).batch.coords_relative
    room = (forward.canvas_side(64, 2) - 64) / 2
    assert np.abs(edge).max(axis=-1) == pytest.approx(room)
    together = drawn.request(first(gridsize=2, positions="together"), FIXTURE).batch.coords_relative
    assert np.array_equal(together[..., 0], together[..., 1])
    assert np.abs(together.mean(axis=-1)).max() < 1e-12


def test_modes_are_as_many_as_were_drawn_and_no_two_alike() -> None:
    problem = first(modes=5)
    probe = drawn.request(problem, FIXTURE).probe
    assert probe.shape == (5, 64, 64)
    assert min(np.abs(probe[a] - probe[b]).max() for a, b in combinations(range(5), 2)) > 0


def test_another_side_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"N = 96; allowed: 64, 128, 256"):
        drawn.draw(96, 1)


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize("seed", [0, 2])
def test_the_oracle_answers_every_rung_with_finite_numbers(side: int, seed: int) -> None:
    answered = oracle.arrays(drawn.request(drawn.draw(side, seed), FIXTURE))
    assert {name.partition("/")[0] for name in answered} == set(drawn.RUNGS)
    assert [name for name, value in answered.items() if not np.isfinite(value).all()] == []


def test_a_problem_is_said_in_words_and_its_name_draws_it_again() -> None:
    problem = first(128, gridsize=2, modes=1)
    assert problem.words.startswith(f"N 128, seed {problem.seed}: gridsize 2, 1 mode, ")
    assert problem.name == f"N 128, seed {problem.seed}"
