"""
Adam as published (Kingma & Ba 2015, algorithm 1): ε is added after the bias correction.

Written out, although `torch.optim` has the same formula, because the state is exchanged with the other backend under
canonical names, and because the first use of `torch.optim` imports the compiler stack: a second at start-up.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho.training.checkpoint import STEP, require_moments

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """
    Adam over named parameters.

    Args:
        parameters: canonical name to trainable parameter.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.names = tuple(parameters)
        self.targets = tuple(parameters.values())
        self.first = tuple(torch.zeros_like(value) for value in self.targets)
        self.second = tuple(torch.zeros_like(value) for value in self.targets)
        self.step_count = 0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """
        One step, in place.

        Args:
            gradients: one per parameter, in the order of `parameters`.
            learning_rate: of this step.
        """
        self.step_count += 1
        rate = learning_rate / (1 - BETA1**self.step_count)
        correction = 1 - BETA2**self.step_count
        for target, gradient, first, second in zip(self.targets, gradients, self.first, self.second, strict=True):
            first.mul_(BETA1).add_(gradient, alpha=1 - BETA1)
            second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            target.addcdiv_(first, (second / correction).sqrt_().add_(EPSILON), value=-rate)

    def export(self) -> dict[str, NDArray[Any]]:
        """`adam.m/NAME` and `adam.v/NAME` in canonical layout, and `adam.step`, int64."""
        state: dict[str, NDArray[Any]] = {STEP: np.array(self.step_count, dtype=np.int64)}
        for letter, moments in (("m", self.first), ("v", self.second)):
            for name, moment in zip(self.names, moments, strict=True):
                state[f"adam.{letter}/{name}"] = moment.detach().cpu().numpy().copy()
        return state

    @torch.no_grad()
    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """
        Take over what `export` returned.

        Raises:
            CheckpointError: listing each missing moment.
        """
        require_moments(state, self.names)
        self.step_count = int(state[STEP])
        for letter, moments in (("m", self.first), ("v", self.second)):
            for name, moment in zip(self.names, moments, strict=True):
                moment.copy_(torch.from_numpy(np.array(state[f"adam.{letter}/{name}"])))
