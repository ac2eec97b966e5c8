"""What the in-process tests of the TensorFlow backend share: one thread, and a small problem without symmetries."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho import physics
from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.engine import Batch
from ptycho.weights import LOG_SCALE, initial

NPHOTONS = 1e6


@pytest.fixture(scope="session")
def one_thread() -> str:
    """The device, after the process was pinned to one thread: TensorFlow takes a number of threads only once."""
    from ptycho_tf.runtime import configure

    return configure(RuntimeConfig(device="cpu", threads=1))


@pytest.fixture(scope="session")
def lively_weights() -> Callable[[ModelConfig], dict[str, NDArray[np.float64]]]:
    """Weights with biases that are not zero, as after some training: zero biases hide a bias that is not used."""

    def draw(model: ModelConfig) -> dict[str, NDArray[np.float64]]:
        rng = np.random.default_rng(5)
        drawn = initial(model, nphotons=NPHOTONS, seed=7)
        biases = {name: rng.normal(scale=0.1, size=v.shape) for name, v in drawn.items() if name.endswith(".bias")}
        return {**drawn, **biases, LOG_SCALE: drawn[LOG_SCALE] + 0.125}

    return draw


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """A batch of `groups` groups, speckled patterns without symmetry."""

    def make(model: ModelConfig, groups: int, seed: int = 3) -> Batch:
        rng = np.random.default_rng(seed)
        shape = (groups, model.channels, model.side, model.side)
        axis = np.arange(model.side) - model.side / 2
        envelope = np.exp(-np.hypot(axis[:, None] - 3, axis + 2) / 6)
        frames = (rng.gamma(2.0, size=shape) * envelope).astype(np.float32)
        frames *= physics.normalisation(frames.reshape(-1, *shape[2:]))
        relative = rng.uniform(-3, 3, size=(groups, 1, 2, model.channels))
        return Batch(
            diffraction=frames,
            coords_offsets=np.zeros((groups, 1, 2, 1)),
            coords_relative=relative - relative.mean(axis=-1, keepdims=True),
            indices=np.arange(groups * model.channels).reshape(groups, model.channels),
        )

    return make


@pytest.fixture(scope="session")
def probe() -> NDArray[np.complex128]:
    """`(2, 64, 64)` normalised probe of two modes, off centre, with a tilt: nothing about it is symmetric."""
    axis = np.arange(64) - 31.5
    first = np.exp(-((axis[:, None] - 4) ** 2 / 120 + (axis + 7) ** 2 / 200)) * np.exp(0.05j * axis * axis[:, None])
    second = 0.3 * np.exp(-((axis[:, None] + 9) ** 2 + axis**2) / 90) * np.exp(0.2j * axis)
    return physics.normalise_probe(np.stack([first, second]))


@pytest.fixture(scope="session")
def patches() -> Callable[..., Any]:
    """Random complex `(groups, channels, 64, 64)` patches."""

    def make(groups: int = 2, channels: int = 4, seed: int = 11) -> NDArray[np.complex128]:
        rng = np.random.default_rng(seed)
        shape = (groups, channels, 64, 64)
        return np.asarray(rng.uniform(0.5, 1, size=shape) * np.exp(1j * rng.normal(size=shape)))

    return make
