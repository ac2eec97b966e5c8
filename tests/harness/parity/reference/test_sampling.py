"""The second writing of the core's draws: equal to the core's, and right by itself where an answer is known."""

import numpy as np
import pytest

from harness.parity.compare.comparison import distance
from harness.parity.reference import sampling
from ptycho.config import ModelConfig
from ptycho.data import grouping
from ptycho.physics import forward
from ptycho.physics.weights import initial


@pytest.mark.parametrize("gridsize", [1, 2])
@pytest.mark.parametrize("wanted", [None, 9])
def test_groups_are_the_cores(gridsize: int, wanted: int | None) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 20, size=40), rng.uniform(0, 30, size=40)
    made = sampling.groups(x, y, gridsize=gridsize, wanted=wanted, seed=5)
    assert made.tolist() == grouping.group(x, y, gridsize=gridsize, n_groups=wanted, seed=5).tolist()


def test_of_equally_near_patterns_the_first_is_the_nearer() -> None:
    x, y = (axis.ravel().astype(float) for axis in np.meshgrid(np.arange(5), np.arange(5)))
    made = sampling.groups(x, y, gridsize=2, wanted=None, seed=1)
    assert {int(k) for k in made[12][1:]} < {7, 11, 13, 17}
    assert made.tolist() == grouping.group(x, y, gridsize=2, n_groups=None, seed=1).tolist()


@pytest.mark.parametrize(("count", "batch"), [(64, 4), (200, 4), (7, 16)])
def test_split_and_order_are_the_cores(count: int, batch: int) -> None:
    train, validation = sampling.split(count, batch, 3)
    core = grouping.split(count, batch, 3)
    assert [train.tolist(), validation.tolist()] == [core.train.tolist(), core.validation.tolist()]
    assert sorted([*train, *validation]) == list(range(count))
    assert sampling.order(train, 3, 2).tolist() == grouping.epoch_order(train, seed=3, epoch=2).tolist()


def test_the_factor_brings_the_mean_pattern_to_its_energy() -> None:
    frames = np.random.default_rng(0).uniform(size=(5, 8, 8)).astype(np.float32)
    scaled = frames * sampling.factor(frames)
    assert np.mean(np.sum(scaled**2, axis=(1, 2))) == pytest.approx(16, rel=1e-12)
    assert sampling.factor(frames) == pytest.approx(forward.normalisation(frames), rel=1e-15)


@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_the_probe_is_the_cores(modes: int, masked: bool) -> None:
    rng = np.random.default_rng(1)
    probe = rng.normal(size=(modes, 16, 16)) + 1j * rng.normal(size=(modes, 16, 16))
    made = sampling.illumination(probe[0] if modes == 1 else probe, divisor=3.0, masked=masked)
    assert distance(made, forward.normalise_probe(probe, probe_scale=3.0, masked=masked)) < 1e-15


@pytest.mark.slow
def test_first_weights_are_the_cores() -> None:
    made = sampling.weights(1, 4, 1e6, 9)
    core = initial(ModelConfig(filter_scale=1, gridsize=2), nphotons=1e6, seed=9)
    assert {name: value.tolist() for name, value in core.items()} == {n: v.tolist() for n, v in made.items()}


def test_offsets_add_up_to_the_positions() -> None:
    x, y, members = np.array([1.0, 2.0, 6.0]), np.array([0.0, 4.0, 5.0]), np.array([[0, 2]])
    offsets, relative = sampling.relative(x, y, members)
    assert offsets[0, 0, :, 0].tolist() == [3.5, 2.5]
    assert relative[0, 0].tolist() == [[2.5, -2.5], [2.5, -2.5]]
