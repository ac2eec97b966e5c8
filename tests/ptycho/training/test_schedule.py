import json
import math
from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import accumulate

import pytest

from ptycho.training.schedule import Plateau, Ramp

START = Plateau(learning_rate=1e-3)


def rates(losses: Iterable[float], start: Plateau = START) -> list[float]:
    """The rate after each loss."""
    states = accumulate(losses, lambda state, loss: state.observe(loss), initial=start)
    return [state.learning_rate for state in states][1:]


def test_the_second_bad_epoch_in_a_row_halves_the_rate() -> None:
    assert rates([-5.0, -4.0, -4.5, -4.5, -4.5]) == [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4]


@pytest.mark.parametrize(("patience", "expected"), [(1, [1e-3, 5e-4, 2.5e-4]), (3, [1e-3, 1e-3, 1e-3])])
def test_patience_is_the_number_of_bad_epochs(patience: int, expected: list[float]) -> None:
    assert rates([-5.0, -5.0, -5.0], replace(START, patience=patience)) == expected


def test_an_improvement_starts_the_count_again() -> None:
    assert rates([-5.0, -4.0, -5.1, -5.0, -5.2, -5.0]) == [1e-3] * 6


def test_after_a_drop_the_count_starts_again() -> None:
    dropped = START.observe(-5.0).observe(-4.0).observe(-4.0)
    assert (dropped.learning_rate, dropped.bad_epochs, dropped.best) == (5e-4, 0, -5.0)


def test_a_stalled_negative_loss_drops_the_rate_where_a_relative_threshold_never_would() -> None:
    stalled = [-5.0] * 5
    assert rates(stalled)[-1] == 2.5e-4
    # PyTorch's default: better is less than best · (1 − 1e-4), which for a negative best lies above it.
    assert all(loss < -5.0 * (1 - 1e-4) for loss in stalled)


def test_the_threshold_is_absolute() -> None:
    state = replace(START, best=-5.0, threshold=0.01)
    assert [state.observe(loss).bad_epochs for loss in (-5.005, -5.01, -5.02)] == [1, 1, 0]
    assert [state.observe(loss).best for loss in (-5.005, -5.01, -5.02)] == [-5.0, -5.0, -5.02]


def test_the_rate_stops_at_the_minimum() -> None:
    assert rates([0.0] * 9)[2::2] == [5e-4, 2.5e-4, 1.25e-4, 1e-4]


def test_a_rate_below_the_minimum_is_never_raised() -> None:
    assert rates([0.0] * 5, Plateau(learning_rate=5e-5)) == [5e-5] * 5


def test_a_loss_that_is_no_number_is_no_improvement() -> None:
    state = START.observe(-5.0).observe(math.nan)
    assert (state.best, state.bad_epochs) == (-5.0, 1)


@pytest.mark.parametrize("losses", [[], [-5.0], [-5.0, -4.0], [0.1 + 0.2, 1.0, 1.0, 1.0]])
def test_the_state_survives_a_checkpoint(losses: list[float]) -> None:
    state = START
    for loss in losses:
        state = state.observe(loss)
    assert Plateau(**json.loads(json.dumps(asdict(state)))) == state
    assert (state.best == math.inf) is (not losses)


def test_without_warm_up_and_cosine_every_factor_is_one() -> None:
    assert list(Ramp(total_steps=4).factors(0, 6)) == [1.0] * 6


def test_warm_up_rises_by_equal_steps_to_the_full_rate() -> None:
    assert list(Ramp(total_steps=8, warmup_steps=4).factors(0, 6)) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_cosine_falls_from_one_to_zero() -> None:
    factors = list(Ramp(total_steps=4, cosine=True).factors(0, 5))
    assert factors == pytest.approx([1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125), 0], abs=1e-15)


def test_warm_up_and_cosine_multiply() -> None:
    warm, falling, both = (
        list(Ramp(total_steps=10, warmup_steps=warmup_steps, cosine=cosine).factors(0, 10))
        for warmup_steps, cosine in ((4, False), (0, True), (4, True))
    )
    assert both == [one * other for one, other in zip(warm, falling, strict=True)]


@pytest.mark.parametrize("cosine", [False, True])
def test_epochs_joined_are_the_whole_training(cosine: bool) -> None:
    ramp = Ramp(total_steps=12, warmup_steps=5, cosine=cosine)
    joined = [factor for epoch in range(4) for factor in ramp.factors(3 * epoch, 3)]
    assert joined == list(ramp.factors(0, 12))
    # A resume that started counting again would differ.
    assert joined != list(ramp.factors(0, 3)) * 4
