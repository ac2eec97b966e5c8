"""A problem without symmetries, small enough for float64 in every test, and the NumPy network's answer to it."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import ModelConfig
from ptycho.physics import forward, network
from ptycho.physics.weights import LOG_SCALE, initial
from ptycho.training.engine import Batch

NPHOTONS = 1e6
ONE = ModelConfig(filter_scale=1)
FOUR = ModelConfig(filter_scale=1, gridsize=2)


def lively_weights(model: ModelConfig) -> dict[str, NDArray[np.float64]]:
    """Weights with biases that are not zero, as after some training: zero biases hide a bias that is not used."""
    rng = np.random.default_rng(5)
    drawn = initial(model, nphotons=NPHOTONS, seed=7)
    biases = {name: rng.normal(scale=0.1, size=v.shape) for name, v in drawn.items() if name.endswith(".bias")}
    return {**drawn, **biases, LOG_SCALE: drawn[LOG_SCALE] + 0.125}


def make_batch(model: ModelConfig, groups: int, seed: int = 3) -> Batch:
    """A batch of speckled patterns, off centre."""
    rng = np.random.default_rng(seed)
    shape = (groups, model.channels, model.side, model.side)
    axis = np.arange(model.side) - model.side / 2
    envelope = np.exp(-np.hypot(axis[:, None] - 3, axis + 2) / 6)
    frames = (rng.gamma(2.0, size=shape) * envelope).astype(np.float32)
    frames *= forward.normalisation(frames.reshape(-1, *shape[2:]))
    return Batch(
        diffraction=frames,
        coords_offsets=np.zeros((groups, 1, 2, 1)),
        coords_relative=make_offsets(groups, model.channels, seed),
        indices=np.arange(groups * model.channels).reshape(groups, model.channels),
    )


def make_offsets(groups: int = 2, channels: int = 4, seed: int = 2) -> NDArray[np.float64]:
    """`(groups, 1, 2, channels)` offsets from the mean, x and y unlike, pixels."""
    drawn = np.random.default_rng(seed).uniform(-4, 4, size=(groups, 1, 2, channels)) * np.array([1.0, 0.6])[:, None]
    return np.asarray(drawn - drawn.mean(axis=-1, keepdims=True))


def make_probe() -> NDArray[np.complex128]:
    """`(2, 64, 64)` normalised probe of two modes, off centre, with a tilt."""
    axis = np.arange(64) - 31.5
    first = np.exp(-((axis[:, None] - 4) ** 2 / 120 + (axis + 7) ** 2 / 200)) * np.exp(0.05j * axis * axis[:, None])
    second = 0.3 * np.exp(-((axis[:, None] + 9) ** 2 + axis**2) / 90) * np.exp(0.2j * axis)
    return forward.normalise_probe(np.stack([first, second]))


def make_patches(groups: int = 2, channels: int = 4, seed: int = 11) -> NDArray[np.complex128]:
    """Random complex `(groups, channels, 64, 64)` patches."""
    rng = np.random.default_rng(seed)
    shape = (groups, channels, 64, 64)
    return np.asarray(rng.uniform(0.5, 1, size=shape) * np.exp(1j * rng.normal(size=shape)))


@cache
def expected_patches(model: ModelConfig, groups: int, scale: float) -> NDArray[Any]:
    """What the NumPy network makes of `make_batch` with `lively_weights`: computed once, since it is slow."""
    frames = make_batch(model, groups).diffraction.astype(np.float64)
    answer = network.forward(frames, lively_weights(model), model, scale)
    answer.setflags(write=False)
    return answer
