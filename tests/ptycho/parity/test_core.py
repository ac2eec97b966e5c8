"""What the core is asked: everything is answered, from the seed alone, and the inputs are as awkward as they claim."""

import numpy as np
import pytest

from harness.parity.reference import problem
from ptycho.data.grouping import nearest
from ptycho.parity import core
from ptycho.parity.request import Request
from tests.support.golden_step0 import FIXTURE


def ask(gridsize: int, seed: int = 3) -> Request:
    return problem.request(gridsize=gridsize, seed=seed, scan=FIXTURE, steps=1)


@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_answers_follow_from_the_request(gridsize: int) -> None:
    one, other = (dict(core.measure(ask(gridsize))) for _ in range(2))
    assert {name: np.asarray(value).tobytes() for name, value in one.items()} == {
        name: np.asarray(value).tobytes() for name, value in other.items()
    }
    assert len(one) >= 45
    assert np.asarray(one["groups.all"]).shape == (30, gridsize**2)


def test_neighbours_tie_on_the_raster() -> None:
    x, y = core.raster()
    points = np.stack([y, x], axis=1)
    near = nearest(points, np.arange(len(x)))
    squares = np.sum((points[near] - points[:, None]) ** 2, axis=-1)
    assert int(np.sum(np.diff(squares, axis=1) == 0)) > 10
    assert not np.array_equal(x, y)


def test_counts_overflow_when_squared() -> None:
    counts = core.counts()
    assert counts.dtype == np.uint16
    assert not np.array_equal((counts * counts).astype(float), counts.astype(float) ** 2)


def test_the_probe_is_not_normalised_and_has_no_symmetry() -> None:
    modes = core.modes(64)
    assert np.abs(modes).max() > 5
    assert all(not np.allclose(modes, other) for other in (modes.conj(), modes.swapaxes(1, 2), modes[:, ::-1]))


def test_the_poisson_questions_reach_every_branch() -> None:
    rates, counts = zip(*(core.poisson(number)[:2] for number in range(4)), strict=True)
    assert not counts[1].any()
    assert np.array_equal(rates[2], counts[2])
    assert int(np.sum(rates[3] < core.poisson(3)[2])) == 8


def test_streams_of_losses_are_flat_noisy_and_negative() -> None:
    streams = core.losses(3)
    assert (streams["falling"] < 0).all()
    assert len(set(streams["flat"].tolist())) == 1
    assert (np.diff(streams["noisy"]) > 0).any()
    assert set(dict(core.schedules(3))) == {
        *(f"plateau.{name}.{start:g}" for name in streams for start in (1e-3, 5e-5)),
        *(f"ramp.{total}.{warmup}.{cosine}" for total, warmup, cosine in core.RAMPS),
    }
