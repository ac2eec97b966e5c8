"""The third party's Adam: the first step of the paper, and the second, which knows the betas."""

import numpy as np
import pytest

from harness.parity.reference.adam import ReferenceAdam


def test_the_first_step_is_the_rate_whatever_the_gradient() -> None:
    adam = ReferenceAdam({"a": np.array([1.0, 1.0, 1.0])})
    adam.step({"a": np.array([2.0, -1e-8, 0.0])}, 0.1)
    assert adam.values["a"] == pytest.approx([1 - 0.1 * 2 / (2 + 1e-8), 1 + 0.1 / 2, 1.0], rel=1e-15)


def test_the_second_step_knows_both_betas() -> None:
    adam = ReferenceAdam({"a": np.array(0.0)})
    adam.step({"a": np.array(1.0)}, 0.0)
    adam.step({"a": np.array(3.0)}, 1.0)
    first, second = 0.9 * 0.1 + 0.1 * 3, 0.999 * 0.001 + 0.001 * 9
    expected = -(first / (1 - 0.81)) / (np.sqrt(second / (1 - 0.999**2)) + 1e-8)
    assert adam.values["a"] == pytest.approx(expected, rel=1e-14)


def test_every_operation_is_rounded_where_asked_for() -> None:
    adam = ReferenceAdam(
        {"a": np.array(1.0)}, rounded=lambda value: np.asarray(value).astype(np.float32).astype(np.float64)
    )
    adam.step({"a": np.array(1 / 3)}, 1e-3)
    assert float(np.float32(adam.values["a"])) == float(adam.values["a"])
