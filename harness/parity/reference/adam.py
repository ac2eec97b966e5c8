"""
Adam again, from the paper and not from either backend: what the optimiser and every trajectory are judged by.

Each operation can be followed by a rounding, which is how the floors of float32 are measured.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.physics.network import Rounding, exactly

Array = NDArray[Any]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Kingma & Ba 2015, algorithm 1."""


class ReferenceAdam:
    """
    Adam over named arrays.

    Args:
        values: name to value; kept as copies.
        rounded: applied to the result of each operation.
    """

    def __init__(self, values: Mapping[str, Array], rounded: Rounding = exactly) -> None:
        self.rounded = rounded
        self.values = {name: np.array(value, dtype=np.float64) for name, value in values.items()}
        self.first = {name: np.zeros_like(value) for name, value in self.values.items()}
        self.second = {name: np.zeros_like(value) for name, value in self.values.items()}
        self.count = 0

    def step(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One step of the algorithm, line by line."""
        self.count += 1
        rounded = self.rounded
        for name, gradient in gradients.items():
            self.first[name] = rounded(rounded(BETA1 * self.first[name]) + rounded((1 - BETA1) * gradient))
            self.second[name] = rounded(rounded(BETA2 * self.second[name]) + rounded((1 - BETA2) * gradient**2))
            corrected = rounded(self.first[name] / (1 - BETA1**self.count))
            spread = rounded(np.sqrt(rounded(self.second[name] / (1 - BETA2**self.count))))
            change = rounded(rate * rounded(corrected / rounded(spread + EPSILON)))
            # Nothing is rounded where nothing is subtracted.
            self.values[name] = np.where(change, rounded(self.values[name] - change), self.values[name])
