"""The PyTorch backend as the shared suites see it, on one thread of the CPU, or on the GPU of a lane."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.suites.backend import SUITES, BackendUnderTest

pytest.register_assert_rewrite(*SUITES)


class TorchBackend(BackendUnderTest):
    package: ClassVar[str] = "ptycho_torch"
    framework: ClassVar[str] = "torch"

    def tensor(self, array: NDArray[Any], dtype: str | None = None) -> Any:
        import torch

        return torch.from_numpy(np.array(array, dtype=dtype)).to(self.device)

    def array(self, tensor: Any) -> NDArray[Any]:
        return np.asarray(tensor.detach().cpu().numpy())

    def gradients(self, function: Callable[..., Any], *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        import torch

        inputs = [self.tensor(array).requires_grad_() for array in arrays]
        return [self.array(gradient) for gradient in torch.autograd.grad(function(*inputs), inputs)]

    def total(self, tensor: Any) -> Any:
        return tensor.sum()

    def trainable(self, network: Any) -> dict[str, NDArray[Any]]:
        return {name: self.array(value) for name, value in network.named_parameters() if value.requires_grad}

    def parameter(self, canonical: NDArray[Any]) -> Any:
        return self.tensor(canonical).requires_grad_()

    def gradient_of(self, canonical: NDArray[Any]) -> Any:
        return self.tensor(canonical)

    def canonical(self, parameter: Any) -> NDArray[Any]:
        return self.array(parameter)


@pytest.fixture(scope="session")
def backend() -> BackendUnderTest:
    return TorchBackend()
