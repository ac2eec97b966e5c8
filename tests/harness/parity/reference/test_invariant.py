"""Laws as values: residuals, shapes and types that do not fit, and counting."""

import numpy as np
import pytest

from harness.parity.reference.invariant import agree, counted, law_of


def test_the_residual_is_the_distance_of_two_things() -> None:
    law = agree("a", "x twice is y", ("x", "y"), lambda a: (a["y"], 2 * a["x"]), 1e-13)
    assert law.residual({"x": np.ones(4), "y": np.full(4, 2.0)}) == 0.0
    assert law.residual({"x": np.ones(4), "y": np.full(4, 2.002)}) == pytest.approx(1e-3)
    with pytest.raises(ValueError, match=r"shape \(1,\), expected \(4,\)"):
        law.residual({"x": np.ones(4), "y": np.ones(1)})


def test_a_known_value_wants_its_shape_and_double_precision() -> None:
    law = law_of("a", "x is 1", ("x",), lambda a: a["x"], np.ones(3), 1e-13)
    assert law.residual({"x": np.ones(3)}) == 0.0
    assert law.residual({"x": np.full(3, np.nan)}) == np.inf
    with pytest.raises(ValueError, match="expected"):
        law.residual({"x": np.ones((3, 1))})
    with pytest.raises(TypeError, match="double precision"):
        law.residual({"x": np.ones(3, np.float32)})


def test_what_is_counted_must_be_none() -> None:
    law = counted("a", "no x is negative", ("x",), lambda a: float(np.sum(a["x"] < 0)))
    assert law.limit == 0.0
    assert law.residual({"x": np.array([1.0, -1.0, -2.0])}) == 2.0
