"""Values of canonical arrays, and the root of counts."""

import numpy as np
import pytest

from ptycho.data import values


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int64, np.float32])
def test_roots_are_taken_in_float64(dtype: type[np.generic]) -> None:
    counts = np.array([0, 1, 2, 3, 200], dtype=dtype)
    amplitude = values.amplitude_of_counts(counts)
    assert amplitude.dtype == np.float64
    assert amplitude.tolist() == [0.0, 1.0, 2**0.5, 3**0.5, 200**0.5]


def test_negative_counts_stay_negative() -> None:
    assert values.amplitude_of_counts(np.array([-9, 9])).tolist() == [-3.0, 3.0]
