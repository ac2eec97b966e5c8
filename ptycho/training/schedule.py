"""
The learning rate, shared by both backends: their own schedules disagree by one epoch and on what a threshold means.

Keras drops the rate on bad epoch p and PyTorch on p + 1, and PyTorch's default relative threshold never fires on a
negative loss. Here: the p-th epoch in a row without improvement drops the rate, absolute threshold.
"""

import math
from collections.abc import Iterator
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


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """
    Factor of the plateau's rate at each step: a linear warm-up, and a half cosine down to zero where asked for.

    Adam's first steps are as long as any other, whatever the gradient. Where every unit is pushed the same way by the
    mean pattern, full steps can kill all of them before the differences between patterns are seen.

    Attributes:
        total_steps: steps of the whole training.
        warmup_steps: steps until the full rate.
        cosine: whether the rate falls to zero over the training (Loshchilov & Hutter 2017, eq. 5, without restarts).
    """

    total_steps: int
    warmup_steps: int = 0
    cosine: bool = False

    def factors(self, first: int, count: int) -> Iterator[float]:
        """
        Factors of steps `first` to `first + count - 1`, counted from 0.

        Example:
            >>> list(Ramp(total_steps=8, warmup_steps=4).factors(2, 3))
            [0.75, 1.0, 1.0]
        """
        for step in range(first, first + count):
            warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
            yield warm * (0.5 * (1 + math.cos(math.pi * step / self.total_steps)) if self.cosine else 1.0)
