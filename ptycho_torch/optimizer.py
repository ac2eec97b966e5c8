"""
Adam as published (Kingma & Ba 2015, algorithm 1): ε is added after the bias correction.

Written out, although `torch.optim` has the same formula, because the state must be exchanged with the other backend
under canonical names, and because the first use of `torch.optim` imports the compiler stack: a second at start-up.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """
    Adam over named parameters.

    Args:
        parameters: canonical name to trainable parameter.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.parameters = dict(parameters)
        self.first = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.second = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.step_count = 0

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One update from the gradients that `backward` left; gradients are dropped afterwards."""
        self.step_count += 1
        correction1 = 1 - BETA1**self.step_count
        correction2 = 1 - BETA2**self.step_count
        for name, parameter in self.parameters.items():
            gradient = parameter.grad
            if gradient is None:
                raise RuntimeError(f"{name} has no gradient: it is detached from the loss")
            first, second = self.first[name], self.second[name]
            first.mul_(BETA1).add_(gradient, alpha=1 - BETA1)
            second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            denominator = (second / correction2).sqrt_().add_(EPSILON)
            parameter.addcdiv_(first, denominator, value=-learning_rate / correction1)
            parameter.grad = None
