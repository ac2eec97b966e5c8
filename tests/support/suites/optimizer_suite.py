"""Adam against a NumPy transcription of algorithm 1, and the mistakes that it must not make."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.errors import CheckpointError
from tests.support.suites.backend import BackendUnderTest

Real = NDArray[np.float64]
Table = dict[str, Real]

SHAPES = {"layer.weight": (5, 2, 3, 3), "layer.bias": (5,), "w": ()}
RATE = 1e-3


def correct(m: Real, v: Real, t: int) -> Real:
    """The direction of algorithm 1: ε after the bias correction."""
    return np.asarray((m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8))


def keras(m: Real, v: Real, t: int) -> Real:
    """Keras' direction: ε = 1e-7 before the bias correction."""
    return np.asarray(np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7))


def uncorrected(m: Real, v: Real, t: int) -> Real:
    """No bias correction."""
    return np.asarray(m / (np.sqrt(v) + 1e-8))


def recorded_gradients(steps: int) -> list[Table]:
    """Gradients from 1 down to 1e-10, some exactly zero."""
    rng = np.random.default_rng(6)
    drawn = []
    for _ in range(steps):
        table = {n: np.asarray(rng.normal(size=s) * 10.0 ** rng.integers(-10, 1, size=s)) for n, s in SHAPES.items()}
        table["layer.bias"][1] = 0
        drawn.append(table)
    return drawn


def transcription(gradients: list[Table], direction: Callable[[Real, Real, int], Real]) -> Table:
    weights, m, v = ({name: np.zeros(shape) for name, shape in SHAPES.items()} for _ in range(3))
    for t, table in enumerate(gradients, start=1):
        for name, g in table.items():
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            weights[name] = weights[name] - RATE * direction(m[name], v[name], t)
    return weights


def start(backend: BackendUnderTest, weights: Table | None = None, dtype: str = "float64") -> tuple[Any, Any]:
    """Parameters, zero unless given, and their optimiser."""
    values = weights or {name: np.zeros(shape) for name, shape in SHAPES.items()}
    parameters = {name: backend.parameter(values[name].astype(dtype)) for name in SHAPES}
    return parameters, backend.module("optimizer").Adam(parameters)


def run(
    backend: BackendUnderTest, gradients: list[Table], rate: float = RATE, dtype: str = "float64"
) -> tuple[Table, Any]:
    """Weights after some steps from zero, and the optimiser."""
    parameters, adam = start(backend, dtype=dtype)
    follow(backend, adam, gradients, rate, dtype)
    return {name: backend.canonical(parameter) for name, parameter in parameters.items()}, adam


def follow(backend: BackendUnderTest, adam: Any, gradients: list[Table], rate: float, dtype: str = "float64") -> None:
    for table in gradients:
        adam.step([backend.gradient_of(table[name].astype(dtype)) for name in SHAPES], rate)


def furthest(actual: Table, expected: Table) -> float:
    """Largest difference in units of the learning rate, the size of a step."""
    return max(float(np.max(np.abs(actual[name] - expected[name]))) / RATE for name in SHAPES)


class OptimizerSuite:
    def test_fifty_steps_are_algorithm_one(self, backend: BackendUnderTest) -> None:
        gradients = recorded_gradients(50)
        assert furthest(run(backend, gradients)[0], transcription(gradients, correct)) < 1e-13

    @pytest.mark.parametrize("wrong", [keras, uncorrected])
    def test_another_formula_would_be_noticed(
        self, wrong: Callable[[Real, Real, int], Real], backend: BackendUnderTest
    ) -> None:
        gradients = recorded_gradients(50)
        assert furthest(run(backend, gradients)[0], transcription(gradients, wrong)) > 1e-3

    def test_first_moments_are_exact_in_float32(self, backend: BackendUnderTest) -> None:
        gradients = recorded_gradients(1)
        _, adam = run(backend, gradients, dtype="float32")
        g = gradients[0]["layer.bias"].astype(np.float32)
        # TensorFlow's fused kernel computes 1 − 0.999 in float32 and is 1.3e-5 off here.
        expected = 0.001 * g.astype(np.float64) ** 2
        assert np.allclose(adam.export()["adam.v/layer.bias"], expected, rtol=3e-7, atol=0)

    def test_learning_rate_belongs_to_the_step(self, backend: BackendUnderTest) -> None:
        gradients = recorded_gradients(1)
        small, large = run(backend, gradients, 1e-4)[0], run(backend, gradients, 1e-3)[0]
        assert np.allclose(large["layer.weight"], 10 * small["layer.weight"], rtol=1e-14, atol=0)

    def test_state_has_canonical_names_and_layouts(self, backend: BackendUnderTest) -> None:
        gradients = recorded_gradients(1)
        _, adam = run(backend, gradients)
        state = adam.export()
        assert {name: value.shape for name, value in state.items() if name.startswith("adam.m/")} == {
            f"adam.m/{name}": shape for name, shape in SHAPES.items()
        }
        assert np.allclose(state["adam.m/layer.weight"], 0.1 * gradients[0]["layer.weight"], rtol=1e-14, atol=0)
        assert (state["adam.step"].dtype, int(state["adam.step"])) == (np.int64, 1)

    def test_exported_state_is_a_copy(self, backend: BackendUnderTest) -> None:
        gradients = recorded_gradients(2)
        _, adam = run(backend, gradients[:1])
        state = adam.export()
        before = {name: value.copy() for name, value in state.items()}
        follow(backend, adam, gradients[1:], RATE)
        assert all(np.array_equal(before[name], state[name]) for name in before)

    def test_resumed_run_ends_where_the_whole_one_does(self, backend: BackendUnderTest) -> None:
        gradients = recorded_gradients(6)
        whole, _ = run(backend, gradients)
        half, adam = run(backend, gradients[:3])
        parameters, resumed = start(backend, half)
        resumed.load(adam.export())
        follow(backend, resumed, gradients[3:], RATE)
        assert all(np.array_equal(whole[name], backend.canonical(parameters[name])) for name in SHAPES)

    @pytest.mark.parametrize("count", [0, 1, 10, 99, 999, 65_536, 99_999, 2**24], ids="after {} steps".format)
    def test_a_step_from_a_state_that_was_set_is_algorithm_one(self, count: int, backend: BackendUnderTest) -> None:
        """Counters, moments and bias corrections late in a training, without training so long."""
        rng, gradients = np.random.default_rng(count), recorded_gradients(1)[0]
        first = {name: np.asarray(rng.normal(size=shape)) * min(count, 1) for name, shape in SHAPES.items()}
        second = {name: np.asarray(rng.gamma(2.0, size=shape)) * min(count, 1) for name, shape in SHAPES.items()}
        before = {name: np.asarray(rng.normal(size=shape)) for name, shape in SHAPES.items()}
        parameters, adam = start(backend, before)
        state: dict[str, NDArray[Any]] = {"adam.step": np.array(count)}
        state |= {f"adam.m/{n}": v for n, v in first.items()} | {f"adam.v/{n}": v for n, v in second.items()}
        adam.load(state)
        follow(backend, adam, [gradients], RATE)
        found = adam.export()
        assert int(found["adam.step"]) == count + 1
        for name, g in gradients.items():
            m, v = 0.9 * first[name] + 0.1 * g, 0.999 * second[name] + 0.001 * g**2
            assert np.allclose(found[f"adam.m/{name}"], m, rtol=1e-14, atol=1e-16)
            assert np.allclose(found[f"adam.v/{name}"], v, rtol=1e-14, atol=1e-30)
            moved = before[name] - RATE * correct(m, v, count + 1)
            assert np.max(np.abs(backend.canonical(parameters[name]) - moved)) < 1e-13 * RATE * (1 + 1 / RATE / 100)

    def test_incomplete_state_is_refused(self, backend: BackendUnderTest) -> None:
        _, adam = run(backend, recorded_gradients(1))
        state = adam.export()
        del state["adam.v/layer.bias"], state["adam.step"]
        with pytest.raises(CheckpointError, match=r"adam\.step\n  - adam\.v/layer\.bias"):
            adam.load(state)
