"""Noise: every element moves by one unit, both ways, and each part of a complex number by its own."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.reference import problem, rounding_noise
from harness.parity.reference.rounding_noise import BFLOAT16_UNIT, UNITS, RoundingNoise, to_bfloat16
from tests.support.golden_step0 import FIXTURE

UNIT = UNITS["f32"]


def test_the_units_are_the_roundoff_and_the_smallest_move_of_the_oracle() -> None:
    single, double = (float(np.finfo(dtype).eps) for dtype in (np.float32, np.float64))
    assert UNITS == {"f32": single / 2, "f64": double, "bf16": single / 2}
    # The numbers of bfloat16 after 1 are 2^-7 apart.
    assert to_bfloat16(np.array([1 + BFLOAT16_UNIT, 1 + 1.01 * BFLOAT16_UNIT])).tolist() == [1, 1 + 2 * BFLOAT16_UNIT]


@pytest.mark.parametrize("precision", UNITS)
def test_moves_do_not_add_up_in_one_direction(precision: str) -> None:
    ones = np.ones(10_000)
    moved = (RoundingNoise(UNITS[precision], 1)(ones) - ones) / UNITS[precision]
    assert np.abs(moved) == pytest.approx(ones)
    assert float(np.mean(moved)) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("shape", [(), (1,), (7, 3), (1000,)])
def test_every_element_moves_by_one_unit(shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(0).normal(size=shape)
    moved = np.asarray(RoundingNoise(UNIT, 1)(value) / value - 1) / UNIT
    assert moved.shape == shape
    assert np.abs(moved) == pytest.approx(np.ones(shape), rel=1e-6)


def test_it_moves_up_and_down_equally_often_and_by_its_seed() -> None:
    ones = np.ones(10_000)
    ups = RoundingNoise(UNIT, 1)(ones) > 1
    assert np.mean(ups) == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(ups, RoundingNoise(UNIT, 1)(ones) > 1)
    assert not np.array_equal(ups, RoundingNoise(UNIT, 2)(ones) > 1)
    drawn = RoundingNoise(UNIT, 1)
    assert not np.array_equal(drawn(ones), drawn(ones))


def test_real_and_imaginary_part_move_each_by_its_own() -> None:
    moved = RoundingNoise(UNIT, 3)(np.full(1000, 1 + 1j))
    assert np.mean((moved.real > 1) == (moved.imag > 1)) == pytest.approx(0.5, abs=0.1)


def test_zero_and_infinity_stay() -> None:
    assert np.array_equal(RoundingNoise(UNIT, 1)(np.array([0.0, np.inf])), [0.0, np.inf])


def test_every_number_of_a_question_is_moved() -> None:
    asked = problem.request(gridsize=2, seed=1, scan=FIXTURE, steps=1, precision="f32", quantities=("R3", "R7"))
    moved = rounding_noise.perturbed(asked, RoundingNoise(UNIT, 1))
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = [(asked.probe, moved.probe)]
    pairs += [(asked.batch.diffraction, moved.batch.diffraction)]
    pairs += [(asked.weights[name], moved.weights[name]) for name in asked.weights]
    pairs += [(asked.inputs[name], moved.inputs[name]) for name in asked.inputs]
    pairs += [(asked.replay[0][name], moved.replay[0][name]) for name in asked.replay[0] if not name.endswith("_0")]
    assert len(asked.inputs) > 0
    assert all(np.any(before != after) for before, after in pairs)
    assert all(np.abs(before - after).max() <= 2 * UNIT * np.abs(before).max() for before, after in pairs)
