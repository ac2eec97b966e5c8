"""Adam against a NumPy transcription of algorithm 1, and the mistakes that it must not make."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.errors import CheckpointError

pytestmark = pytest.mark.usefixtures("one_thread")

Real = NDArray[np.float64]
SHAPES = {"layer.weight": (3, 3, 2, 5), "layer.bias": (5,), "w": ()}


def correct(m: Real, v: Real, t: int) -> Real:
    """The direction of algorithm 1: ε after the bias correction."""
    return np.asarray((m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8))


def keras(m: Real, v: Real, t: int) -> Real:
    """Keras' direction: ε = 1e-7 before the bias correction."""
    return np.asarray(np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7))


def recorded_gradients(steps: int) -> list[dict[str, Real]]:
    """Gradients from 1 down to 1e-10, some exactly zero."""
    rng = np.random.default_rng(6)
    drawn = []
    for _ in range(steps):
        table = {n: np.asarray(rng.normal(size=s) * 10.0 ** rng.integers(-10, 1, size=s)) for n, s in SHAPES.items()}
        table["layer.bias"][1] = 0
        drawn.append(table)
    return drawn


def transcription(gradients: list[dict[str, Real]], rate: float, direction: Callable[[Real, Real, int], Real]) -> Any:
    weights, m, v = ({name: np.zeros(shape) for name, shape in SHAPES.items()} for _ in range(3))
    for t, table in enumerate(gradients, start=1):
        for name, g in table.items():
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            weights[name] = weights[name] - rate * direction(m[name], v[name], t)
    return weights


def run(gradients: list[dict[str, Real]], rate: float, dtype: Any = np.float64) -> tuple[dict[str, Any], Any]:
    from ptycho_tf.optimizer import Adam
    from ptycho_tf.runtime import tf

    variables = {name: tf.Variable(np.zeros(shape, dtype)) for name, shape in SHAPES.items()}
    adam = Adam(variables)
    for table in gradients:
        adam.step([tf.constant(table[name].astype(dtype)) for name in SHAPES], tf.constant(rate, tf.float64))
    return {name: variable.numpy() for name, variable in variables.items()}, adam


def furthest(actual: dict[str, Real], expected: dict[str, Real], rate: float) -> float:
    """Largest difference in units of the learning rate, the size of a step."""
    return max(float(np.max(np.abs(actual[name] - expected[name]))) / rate for name in SHAPES)


def test_fifty_steps_are_algorithm_one() -> None:
    gradients = recorded_gradients(50)
    actual, _ = run(gradients, 1e-3)
    assert furthest(actual, transcription(gradients, 1e-3, correct), 1e-3) < 1e-13


def test_keras_epsilon_would_be_noticed() -> None:
    gradients = recorded_gradients(50)
    assert furthest(run(gradients, 1e-3)[0], transcription(gradients, 1e-3, keras), 1e-3) > 1e-3


def test_first_moments_are_exact_in_float32() -> None:
    gradients = recorded_gradients(1)
    _, adam = run(gradients, 1e-3, np.float32)
    g = gradients[0]["layer.bias"].astype(np.float32)
    # TensorFlow's fused kernel computes 1 − 0.999 in float32 and is 1.3e-5 off here.
    assert np.allclose(adam.export()["adam.v/layer.bias"], 0.001 * g.astype(np.float64) ** 2, rtol=3e-7, atol=0)


def test_learning_rate_belongs_to_the_step() -> None:
    gradients = recorded_gradients(1)
    small, large = run(gradients, 1e-4)[0], run(gradients, 1e-3)[0]
    assert np.allclose(large["layer.weight"], 10 * small["layer.weight"], rtol=1e-14, atol=0)


def test_state_has_canonical_names_and_layouts() -> None:
    _, adam = run(recorded_gradients(3), 1e-3)
    state = adam.export()
    assert {name: value.shape for name, value in state.items() if name.startswith("adam.m/")} == {
        "adam.m/layer.weight": (5, 2, 3, 3),
        "adam.m/layer.bias": (5,),
        "adam.m/w": (),
    }
    assert (state["adam.step"].dtype, int(state["adam.step"])) == (np.int64, 3)


def test_resumed_run_ends_where_the_whole_one_does() -> None:
    from ptycho_tf.optimizer import Adam
    from ptycho_tf.runtime import tf

    gradients = recorded_gradients(6)
    whole, _ = run(gradients, 1e-3)
    half, adam = run(gradients[:3], 1e-3)
    variables = {name: tf.Variable(value) for name, value in half.items()}
    resumed = Adam(variables)
    resumed.load(adam.export())
    for table in gradients[3:]:
        resumed.step([tf.constant(table[name]) for name in SHAPES], tf.constant(1e-3, tf.float64))
    assert all(np.array_equal(whole[name], variables[name].numpy()) for name in SHAPES)


def test_incomplete_state_is_refused() -> None:
    _, adam = run(recorded_gradients(1), 1e-3)
    state = adam.export()
    del state["adam.v/layer.bias"], state["adam.step"]
    with pytest.raises(CheckpointError, match=r"adam\.step\n  - adam\.v/layer\.bias"):
        adam.load(state)
