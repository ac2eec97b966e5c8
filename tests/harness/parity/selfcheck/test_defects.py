"""The defects themselves: each changes what it should and nothing else, so that it is a test of the ladder."""

import numpy as np
import pytest

from harness.parity.selfcheck.defects import DEFECTS, Array, drifted, moved, with_element

RNG = np.random.default_rng(5)
REAL: Array = RNG.normal(size=(2, 3, 4, 4))
COMPLEX: Array = REAL + 1j * RNG.normal(size=REAL.shape)
SCALAR: Array = np.array(3.0)


@pytest.mark.parametrize("array", [REAL, COMPLEX, SCALAR])
def test_every_defect_that_fits_changes_the_tensor_and_not_the_original(array: Array) -> None:
    before = array.copy()
    for defect in DEFECTS:
        if defect.fits(array):
            wrong = defect.plant(array)
            same = wrong is not None and wrong.dtype == array.dtype and np.array_equal(wrong, array)
            assert not same, defect.name
    assert np.array_equal(before, array)


def test_which_defects_fit() -> None:
    names = {kind: {d.name for d in DEFECTS if d.fits(array)} for kind, array in (("c", COMPLEX), ("0", SCALAR))}
    assert names["c"] == {defect.name for defect in DEFECTS}
    assert names["0"].isdisjoint(
        {"conjugated values", "another global phase", "its last axes swapped", "another shape"}
    )


def test_one_element_is_moved_by_a_relative_amount() -> None:
    assert np.linalg.norm(moved(REAL, 1e-6) - REAL) / np.linalg.norm(REAL) == pytest.approx(1e-6, rel=1e-6)
    assert np.count_nonzero(moved(REAL, 1e-6) != REAL) == 1
    assert np.count_nonzero(np.isnan(with_element(REAL, np.nan))) == 1


@pytest.mark.parametrize("value", [True, 3, 1e-8, 0.0, "ab0", "", [1, 2], [], None, [[1], "a"]])
def test_a_drifted_value_is_another_of_its_kind(value: object) -> None:
    assert drifted(value) != value
