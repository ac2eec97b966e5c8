"""How far an array is from the one that it should be."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def distance(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """‖actual − expected‖ / ‖expected‖, after shapes agree; NaN on either side is infinite."""
    assert actual.shape == expected.shape
    value = float(np.linalg.norm(np.ravel(actual - expected)) / np.linalg.norm(np.ravel(expected)))
    return math.inf if math.isnan(value) else value
