"""The oracle and its problem: nothing symmetric or idle in the question, nothing shared with what is judged."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.comparison import distance
from harness.parity.compare.rungs import RUNGS
from harness.parity.judge import oracle
from harness.parity.reference import problem
from harness.parity.reference.adam import ReferenceAdam
from ptycho.errors import UsageError
from ptycho.parity.request import QUANTITIES, Request
from ptycho.physics.weights import LOG_SCALE
from tests.support.golden_step0 import FIXTURE


def ask(gridsize: int = 2, **changes: object) -> Request:
    return problem.request(gridsize=gridsize, seed=11, scan=FIXTURE, steps=2, **changes)  # type: ignore[arg-type]


def test_the_rungs_are_the_quantities_in_order() -> None:
    assert tuple(rung.name for rung in RUNGS) == QUANTITIES


def turned(image: NDArray[np.complex128]) -> list[NDArray[np.complex128]]:
    """An image under every symmetry of the square, conjugated too."""
    quarters = [np.rot90(image, k, axes=(-2, -1)) for k in range(4)]
    flipped = [np.swapaxes(quarter, -1, -2) for quarter in quarters]
    return [*quarters[1:], *flipped, image.conj()]


def test_nothing_in_the_question_is_symmetric() -> None:
    asked = ask()
    assert min(distance(other, asked.probe) for other in turned(asked.probe)) > 0.1
    frames = asked.batch.diffraction.astype(np.complex128)
    assert min(distance(other, frames) for other in turned(frames)[:-1]) > 0.1
    x, y = asked.batch.coords_relative[:, 0, 0], asked.batch.coords_relative[:, 0, 1]
    assert min(distance(other, x) for other in (y, -x, x[:, ::-1], -y)) > 0.1


def test_nothing_in_the_question_is_idle() -> None:
    asked = ask()
    assert all(np.abs(value).min() > 0 for value in asked.weights.values())
    sizes = [float(np.abs(value).max()) for value in asked.replay[-1].values()]
    assert min(sizes) == 0.0
    assert 0 < sorted(set(sizes))[1] < 1e-9
    assert len(asked.replay) >= 4
    assert len(set(asked.learning_rates)) == len(asked.learning_rates)


def test_every_question_has_its_own_nonce_and_the_same_seed_the_same_problem() -> None:
    one, other = ask(), ask()
    assert one.nonce != other.nonce
    assert np.array_equal(one.batch.diffraction, other.batch.diffraction)
    assert not np.array_equal(one.batch.diffraction, problem.batch(one.model, 6, 12).diffraction)


def test_only_what_was_asked_for_is_answered() -> None:
    asked = ask(quantities=("R0", "R5"))
    assert list(oracle.exact(asked, "ptycho_torch")) == ["R0"]
    assert {name[:2] for name in oracle.arrays(asked)} == {"R5"}


def test_adam_takes_the_first_step_of_the_paper() -> None:
    adam = ReferenceAdam({"a": np.array([1.0, 1.0, 1.0])})
    adam.step({"a": np.array([2.0, -1e-8, 0.0])}, 0.1)
    assert adam.values["a"] == pytest.approx([1 - 0.1 * 2 / (2 + 1e-8), 1 + 0.1 / 2, 1.0], rel=1e-15)


@pytest.mark.slow
def test_the_trajectory_lowers_the_loss_and_moves_every_trained_weight() -> None:
    asked = problem.request(gridsize=1, seed=11, scan=FIXTURE, steps=7, quantities=("R8",))
    found = oracle.arrays(asked)
    losses = found["R8/losses"]
    assert losses.shape == (7,)
    assert losses[6] < losses[3] < losses[0]  # the same batch, three steps apart
    assert all(np.any(found[f"R8/7.{name}"]) for name in asked.weights)
    # Adam's first step is the learning rate, whatever the gradient.
    assert abs(found[f"R8/1.{LOG_SCALE}"]) == pytest.approx(asked.learning_rates[0], rel=1e-6)


def test_a_scan_in_the_other_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "legacy.npz"
    np.savez(path, diffraction=np.zeros((4, 4, 2)))
    with pytest.raises(UsageError, match="no member diff3d"):
        oracle.data(problem.request(gridsize=1, seed=1, scan=path, steps=1))
