"""
The learning-rate schedule, shared by both backends: their own disagree by one epoch and on what a threshold means.

Keras drops the rate on bad epoch p and PyTorch on p + 1, and PyTorch's default relative threshold never fires on a
negative loss. Here: the p-th epoch in a row without improvement drops the rate, absolute threshold.
"""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """
    Plateau schedule on the validation loss, as a value: `observe` returns the next state.

    Attributes:
        learning_rate: rate of the next epoch.
        best: lowest loss so far.
        bad_epochs: epochs in a row without improvement.
        factor: what a drop multiplies the rate by.
        patience: epochs without improvement that cause a drop.
        minimum: floor of the rate.
        threshold: how much lower than `best` a loss must be to count, absolute.
    """

    learning_rate: float
    best: float = math.inf
    bad_epochs: int = 0
    factor: float = 0.5
    patience: int = 2
    minimum: float = 1e-4
    threshold: float = 0.0

    def observe(self, loss: float) -> "Plateau":
        """
        The state after an epoch with this validation loss.

        Example:
            >>> Plateau(learning_rate=1e-3).observe(-5.0).observe(-5.0).observe(-4.0).learning_rate
            0.0005
        """
        if loss < self.best - self.threshold:
            return replace(self, best=loss, bad_epochs=0)
        if self.bad_epochs + 1 < self.patience:
            return replace(self, bad_epochs=self.bad_epochs + 1)
        lower = max(self.learning_rate * self.factor, min(self.minimum, self.learning_rate))
        return replace(self, learning_rate=lower, bad_epochs=0)
