"""The TensorFlow backend as the shared suites see it, on the CPU or a lane's GPU; it takes a number of threads once."""

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.suites.backend import SUITES, BackendUnderTest

pytest.register_assert_rewrite(*SUITES)
# Keras, where a test imports it, would write its configuration into HOME; where there can be no file, it goes without.
os.environ["KERAS_HOME"] = os.devnull


class TensorFlowBackend(BackendUnderTest):
    package: ClassVar[str] = "ptycho_tf"
    framework: ClassVar[str] = "tensorflow"

    @property
    def tf(self) -> Any:
        return self.module("runtime").tf

    def tensor(self, array: NDArray[Any], dtype: str | None = None) -> Any:
        return self.tf.constant(np.asarray(array, dtype=dtype))

    def array(self, tensor: Any) -> NDArray[Any]:
        return np.asarray(tensor.numpy())

    def gradients(self, function: Callable[..., Any], *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        inputs = [self.tf.Variable(array) for array in arrays]
        with self.tf.GradientTape() as tape:
            result = function(*inputs)
        return [self.array(gradient) for gradient in tape.gradient(result, inputs)]

    def total(self, tensor: Any) -> Any:
        return self.tf.reduce_sum(tensor)

    def trainable(self, network: Any) -> dict[str, NDArray[Any]]:
        names = {variable.ref(): name for name, variable in network.parameters.items()}
        return {names[variable.ref()]: self.canonical(variable) for variable in network.trainable_variables}

    def parameter(self, canonical: NDArray[Any]) -> Any:
        return self.tf.Variable(self.module("network").from_canonical(np.asarray(canonical)))

    def gradient_of(self, canonical: NDArray[Any]) -> Any:
        return self.tensor(self.module("network").from_canonical(np.asarray(canonical)))

    def canonical(self, parameter: Any) -> NDArray[Any]:
        return np.asarray(self.module("network").to_canonical(parameter.numpy()))


@pytest.fixture(scope="session")
def backend() -> BackendUnderTest:
    return TensorFlowBackend()
