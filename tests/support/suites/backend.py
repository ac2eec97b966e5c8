"""
What a suite needs from a framework: tensors in and out, gradients, and where the backend's modules are.

The suites speak NumPy and call the backend's own functions; only these few conversions differ, so there is one copy of
every test. `tests/torch/conftest.py` and `tests/tf/conftest.py` supply the two implementations as `backend`.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ptycho.config import RuntimeConfig
from tests.support.pipeline import DEVICE

SUITES = (
    "tests.support.golden.stored_state_suite",
    *(
        f"tests.support.suites.{name}_suite"
        for name in (
            "network",
            "physics",
            "assembly",
            "loss",
            "optimizer",
            "engine",
            "device_work",
            "loader",
            "data_pipeline",
            "adapter",
            "mask",
            "sharing",
            "default_model",
        )
    ),
)
"""Modules whose assertions pytest must rewrite: it does so by itself only for test modules."""


class BackendUnderTest(ABC):
    """
    One backend, its framework pinned to one thread, on the CPU or the GPU of a lane.

    Attributes:
        package: `"ptycho_torch"` or `"ptycho_tf"`.
        framework: as its fingerprints call it.
    """

    package: ClassVar[str]
    framework: ClassVar[str]

    def __init__(self) -> None:
        self.device: str = self.module("runtime").configure(RuntimeConfig(device=DEVICE, threads=1))

    def module(self, name: str) -> Any:
        """A module of the backend, such as `physics`."""
        return importlib.import_module(f"{self.package}.{name}")

    @abstractmethod
    def tensor(self, array: NDArray[Any], dtype: str | None = None) -> Any:
        """An array as a tensor, cast to a NumPy type by name if one is given."""

    @abstractmethod
    def array(self, tensor: Any) -> NDArray[Any]:
        """A tensor as an array, with or without a gradient attached."""

    @abstractmethod
    def gradients(self, function: Callable[..., Any], *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        """Gradients of a real scalar to its arguments; to complex ones ∂f/∂Re + i·∂f/∂Im, as both frameworks do."""

    @abstractmethod
    def total(self, tensor: Any) -> Any:
        """Sum of all elements, as a tensor."""

    @abstractmethod
    def trainable(self, network: Any) -> dict[str, NDArray[Any]]:
        """The weights of a network that its framework itself holds to be trainable, by canonical name."""

    @abstractmethod
    def parameter(self, canonical: NDArray[Any]) -> Any:
        """A trainable parameter, kernels (OIHW) in the backend's own layout."""

    @abstractmethod
    def gradient_of(self, canonical: NDArray[Any]) -> Any:
        """A given gradient as the tensor that the optimiser takes for such a parameter."""

    @abstractmethod
    def canonical(self, parameter: Any) -> NDArray[Any]:
        """A parameter's value in canonical layout."""

    def slope(self, gradient: NDArray[Any], direction: NDArray[Any]) -> float:
        """Directional derivative that a gradient from `gradients` predicts: Re Σ conj(g)·d."""
        return float(np.sum(gradient.conj() * direction).real)
