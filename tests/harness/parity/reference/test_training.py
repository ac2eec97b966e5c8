"""The oracle's learning rates by hand, and the data of a course."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.parity.reference import problem
from harness.parity.reference.training import course, rates
from ptycho.config import DataConfig, TrainingConfig
from ptycho.parity.workflow import GROUPS, plan
from tests.support.golden_step0 import FIXTURE


def config(**changes: object) -> TrainingConfig:
    plain = TrainingConfig(data=DataConfig(path=Path("s.npz")), output_dir=Path("o"), nepochs=5, warmup_steps=1)
    return replace(plain, learning_rate=8e-4, **changes)  # type: ignore[arg-type]


def test_the_second_bad_epoch_in_a_row_halves_the_rate() -> None:
    made = [epoch[0] for epoch in rates(config(), 1, [3.0, 3.0, 3.5, 2.0])]
    assert [8e-4, 8e-4, 8e-4, 4e-4, 4e-4] == made


def test_the_rate_stays_above_its_floor() -> None:
    made = [epoch[0] for epoch in rates(config(nepochs=11), 1, [1.0] * 10)]
    assert [8e-4] * 3 + [4e-4] * 2 + [2e-4] * 2 + [1e-4] * 4 == made


def test_warm_up_rises_over_its_steps_and_a_cosine_falls() -> None:
    first, second = rates(config(nepochs=2, warmup_steps=3), 2, [1.0])
    assert [8e-4 / 3, 8e-4 * 2 / 3, 8e-4, 8e-4] == pytest.approx([*first, *second])
    first, second = rates(config(nepochs=2, schedule="cosine"), 1, [1.0])
    assert [8e-4, 4e-4] == pytest.approx([*first, *second])


def test_a_course_walks_through_every_training_group_once_an_epoch() -> None:
    request = problem.request(gridsize=2, seed=4, scan=FIXTURE, steps=0)
    followed = course(request, plan(request, Path("unused")))
    assert GROUPS == len(followed.groups) == len(followed.train) + len(followed.validation)
    for order in followed.orders():
        assert followed.train.tolist() == sorted(order.tolist())
        assert [3, 2] == [len(batch.indices) for batch in followed.batches(order)]
    first, second = followed.orders()
    assert not np.array_equal(first, second)
