"""What operations must give, against values worked out by hand and by other routes."""

import numpy as np
import pytest

from harness.parity.reference import operations, problem
from harness.parity.reference.operations import ACCURACIES, UNIT
from ptycho.parity.operations import cases
from tests.support.golden_step0 import FIXTURE

REQUESTS = {p: problem.request(gridsize=2, seed=3, scan=FIXTURE, steps=1, precision=p) for p in ("f64", "f32")}


@pytest.mark.parametrize("precision", ["f64", "f32"])
def test_every_case_has_an_expectation_in_its_own_precision(precision: str) -> None:
    found = operations.expected(REQUESTS[precision])
    assert list(found) == [f"R2/{case.name}" for case in cases(REQUESTS[precision])]
    double = {name for name, item in found.items() if item.dtype in (np.float64, np.complex128)}
    single_loss = {"R2/log", "R2/nll", "R2/deviance", "R2/mae", "R2/root", "R2/variation", "R2/terms"}
    single_loss |= {"R2/terms.masked"}
    assert double == (set(found) if precision == "f64" else single_loss)


def test_the_bounds_are_those_of_their_kinds() -> None:
    found = operations.expected(REQUESTS["f64"])
    limits = {name: item.limit for name, item in found.items()}
    assert limits["R2/convolve.deep"] == 2 * np.sqrt(9 * 128 + 1)
    assert limits["R2/intensity.even"] == 2 * np.log2(64**2) + 4
    exact = {"R2/pool.odd", "R2/join.inner", "R2/extract.whole", "R2/placements.odd", "R2/convolve.tap_first"}
    assert {limits[name] for name in exact} == {0.0}
    scale = found["R2/convolve.even"].scale / UNIT["f64"]
    assert np.all(scale >= np.abs(found["R2/convolve.even"].value))


def test_a_copy_is_a_copy_of_the_question() -> None:
    asked = {case.name: case for case in cases(REQUESTS["f64"])}
    found = operations.expected(REQUESTS["f64"])
    x = asked["convolve.tap_first"].given["x"]
    shifted = np.pad(x, ((0, 0), (0, 0), (1, 0), (1, 0)))[..., :-1, :-1]
    assert np.array_equal(shifted, found["R2/convolve.tap_first"].value)
    x = asked["pool.odd"].given["x"]
    assert float(found["R2/pool.odd"].value[1, 2, 5, 3]) == x[1, 2, 10:12, 6:8].max()
    assert found["R2/pool.odd"].value.shape == (2, 3, 6, 4)
    inner = asked["join.inner"].given["inner"]
    assert np.array_equal(np.pad(inner, ((0, 0), (0, 0), (16, 16), (16, 16))), found["R2/join.inner"].value)


def test_the_loss_is_held_to_double_precision_in_single_runs() -> None:
    double, single = (operations.expected(REQUESTS[p])["R2/terms"] for p in ("f64", "f32"))
    nll = [float(item.scale[0] / np.abs(item.value[0])) for item in (double, single)]
    assert max(nll) < 1e-14
    variation = float(single.scale[2] * single.limit / single.value[2])
    assert variation == pytest.approx(2 * UNIT["f32"])


def test_every_accuracy_has_a_reason_and_leaves_no_digit() -> None:
    assert all(item.reason and 1 <= item.f64 <= 16 and 1 <= item.f32 <= 16 for item in ACCURACIES.values())
