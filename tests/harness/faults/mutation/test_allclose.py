"""Plain closeness at published tolerances: what it finds, and what it cannot see."""

from typing import Any

import numpy as np
import pytest

from harness.faults.mutation import allclose
from harness.parity.compare.response import Answer

RNG = np.random.default_rng(2)
CLEAN = {
    "R4/patches": RNG.normal(size=(2, 8)) + 2.0,
    "R4/code": RNG.normal(size=4),
    "R5/plain.total": np.array(-5.0),
    "R6/kernel": RNG.normal(size=9) + 2.0,
    "R6/object": RNG.normal(size=9),
    "R6/weighted.kernel": RNG.normal(size=9),
}


def kills(**torch: Any) -> dict[str, bool]:
    changed = {name: value for name, value in {**CLEAN, **torch}.items() if value is not None}
    answers = {
        side: Answer(exact={}, arrays=arrays, refusals=(), manifest={})
        for side, arrays in (("torch", changed), ("tf", CLEAN))
    }
    return allclose.kills(answers)


def scaled(factor: float, name: str = "R6/kernel") -> dict[str, Any]:
    return {name: CLEAN[name] * factor}


def test_equal_outputs_are_accepted_by_all() -> None:
    assert set(kills().values()) == {False}


@pytest.mark.parametrize(
    ("factor", "found"),
    [
        (1.01, [True, True, True, True, True]),
        (1 + 1e-4, [True, False, True, True, True]),
        (1 + 2e-6, [False, False, False, True, False]),
        (1 + 1e-9, [False, False, False, False, False]),
    ],
)
def test_each_tolerance_is_the_published_one(factor: float, found: list[bool]) -> None:
    told = kills(**scaled(factor))
    assert [told[allclose.key(name, "gradients")] for name in allclose.COMPARATORS] == found


@pytest.mark.parametrize(
    ("name", "kind"), [("R4/patches", "patches"), ("R5/plain.total", "loss"), ("R6/kernel", "gradients")]
)
def test_patches_loss_and_gradients_are_compared_each_by_itself(name: str, kind: str) -> None:
    told = kills(**scaled(2.0, name))
    assert [name for name, found in told.items() if found] == [
        allclose.key(each, kind) for each in allclose.COMPARATORS
    ]


@pytest.mark.parametrize("name", ["R4/code", "R6/object", "R6/weighted.kernel"])
def test_what_people_do_not_compare_is_not_seen(name: str) -> None:
    assert set(kills(**scaled(2.0, name)).values()) == {False}


@pytest.mark.parametrize("given", [None, CLEAN["R6/kernel"][:3], CLEAN["R6/kernel"] * np.nan])
def test_a_missing_another_or_a_nan_tensor_is_not_close(given: Any) -> None:
    told = kills(**{"R6/kernel": given})
    assert {told[allclose.key(name, "gradients")] for name in allclose.COMPARATORS} == {True}
