"""
The question that every party is asked: a small network, an object, a probe and positions without any symmetry.

Sign, axis and shift mistakes hide under symmetry, a bias that is not used hides behind zero, and Adam's betas behind a
first step; so nothing here is symmetric, no bias is zero, and the optimiser is replayed over sizes from 1 to 1e-10.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.reference import kink_margin
from ptycho.config import ModelConfig
from ptycho.errors import UsageError
from ptycho.parity.request import QUANTITIES, Request, ScanFile
from ptycho.physics import forward, network
from ptycho.physics.weights import LOG_SCALE, initial, intensity_scale
from ptycho.training.engine import Batch

NPHOTONS = 1e6
BATCH_SIZE = 2
BATCHES = 3
"""Batches that the trajectory walks through: more than one, so that their order matters."""

REPLAY_SCALES = (1.0, 1e-3, 1e-6, 1e-8, 1e-10, 0.0)
"""Sizes of the recorded gradients: below ε, about ε and above it, and exactly zero."""

REPLAY_STEPS = 6
HIGHEST_RATE = 1e-4
"""Of the trajectory. At 1e-3, and with biases about zero, training itself is unstable: one backend and its own twin,
whose weights differ in the last bit, are 2e-7 apart after 200 steps, which would hide every fault below that."""

CHECKPOINTS = (1, 10, 50, 100, 200)
SINGLE_CHECKPOINTS = (1, 5, 10)
"""Of the float32 trajectory, which is no longer than that: beyond, rounding alone has parted correct backends."""

CORNERED = frozenset({"R6", "R8"})
"""Rungs whose figures jump where a unit of the network is at a corner."""

ATTEMPTS = 200
"""Draws of patterns; about one in three keeps clear."""


def weights(model: ModelConfig, seed: int) -> dict[str, NDArray[np.float64]]:
    """Weights as after some training: biases are not zero, and w is not ln S."""
    rng = np.random.default_rng([seed, 1])
    drawn = initial(model, nphotons=NPHOTONS, seed=seed)
    # Positive, so that hardly a unit is near its ReLU's corner everywhere: the gradient of one that is consists of
    # rounding, and Adam makes a full step of it.
    biases = {name: rng.uniform(0.1, 0.4, size=v.shape) for name, v in drawn.items() if name.endswith(".bias")}
    return {**drawn, **biases, LOG_SCALE: drawn[LOG_SCALE] + 0.125}


def batch(model: ModelConfig, groups: int, seed: int, attempt: int = 0) -> Batch:
    """Speckled patterns, off centre, with offsets from the group's mean that differ along x and y."""
    rng = np.random.default_rng([seed, 2, *([attempt] if attempt else [])])
    shape = (groups, model.channels, model.side, model.side)
    axis = np.arange(model.side) - model.side / 2
    # As wide as the patch: far pixels that differ by rounding alone would be ties of the pooling.
    envelope = np.exp(-np.hypot(axis[:, None] - 3, axis + 2) / (6 * model.side / 64))
    frames = (rng.gamma(2.0, size=shape) * envelope).astype(np.float32)
    frames *= np.float32(forward.normalisation(frames.reshape(-1, *shape[2:])))
    spread = np.array([4.0, 2.4])[:, None]
    drawn = rng.uniform(-1, 1, size=(groups, 1, 2, model.channels)) * spread
    return Batch(
        diffraction=frames,
        coords_offsets=np.zeros((groups, 1, 2, 1)),
        coords_relative=drawn - drawn.mean(axis=-1, keepdims=True),
        indices=np.arange(groups * model.channels).reshape(groups, model.channels),
    )


def illumination(side: int) -> NDArray[np.complex128]:
    """`(2, N, N)` normalised probe of two modes, off centre and tilted."""
    axis = np.arange(side) - (side - 1) / 2
    u, v = axis[:, None] * 64 / side, axis * 64 / side
    first = np.exp(-((u - 4) ** 2 / 120 + (v + 7) ** 2 / 200)) * np.exp(0.05j * u * v)
    second = 0.3 * np.exp(-((u + 9) ** 2 + v**2) / 90) * np.exp(0.2j * v)
    return forward.normalise_probe(np.stack([first, second]))


def recorded_gradients(seed: int) -> tuple[dict[str, NDArray[np.float64]], ...]:
    """Gradients of a kernel and a bias at every size of `REPLAY_SCALES`, and one that goes to zero half-way."""
    rng = np.random.default_rng([seed, 3])
    steps: list[dict[str, NDArray[np.float64]]] = []
    for step in range(REPLAY_STEPS):
        gradients: dict[str, NDArray[np.float64]] = {}
        for scale in REPLAY_SCALES:
            gradients[f"kernel_{scale:g}"] = scale * rng.normal(size=(4, 3, 3, 3))
            gradients[f"bias_{scale:g}"] = scale * rng.normal(size=5)
        # Of one sign: the moment of a single number that changes sign can be nothing but rounding.
        gradients["scalar"] = np.array(rng.uniform(0.5, 1.5))
        gradients["fades"] = rng.normal(size=7) * (step < REPLAY_STEPS // 2)
        steps.append(gradients)
    return tuple(steps)


def rates(steps: int) -> tuple[float, ...]:
    """One learning rate a step, no two neighbours alike."""
    return tuple(float(rate) for rate in HIGHEST_RATE * (0.6 + 0.4 * np.cos(0.37 * np.arange(steps))))


def request(
    *,
    gridsize: int,
    seed: int,
    scan: Path,
    steps: int = max(CHECKPOINTS),
    precision: str = "f64",
    **changes: Any,
) -> Request:
    """
    A question, new every time: its nonce is random, everything else follows from the seed.

    Args:
        gridsize: g.
        seed: of weights, patterns and gradients.
        scan: file whose way through the loaders is hashed.
        steps: length of the trajectory; in float32 up to the last of `SINGLE_CHECKPOINTS` that it reaches.
        precision: precision of the backends. In `f32` every number of the question is a float32 value, so that a
            backend that rounds its inputs and the oracle that does not are given the same.
        changes: other fields of `Request`.
    """
    model = ModelConfig(filter_scale=1, gridsize=gridsize, intensity_scale_trainable=True)
    drawn, patterns = weights(model, seed), batch(model, BATCH_SIZE * BATCHES, seed)
    asked = Request(
        nonce=secrets.token_hex(16),
        quantities=QUANTITIES,
        precision=precision,
        model=model,
        nphotons=NPHOTONS,
        threads=1,
        scan=ScanFile(path=scan.absolute(), seed=seed, batch_size=4, batches=2),
        steps=checkpoints(steps, precision),
        learning_rates=rates(max(steps, REPLAY_STEPS)),
        batch_size=BATCH_SIZE,
        batch=patterns,
        probe=illumination(model.side),
        weights=drawn,
        replay=recorded_gradients(seed),
    )
    asked = replace(asked if precision == "f64" else changed(asked, single), **changes)
    if precision != "f64" and not CORNERED.isdisjoint(asked.quantities):
        asked = cleared(asked, seed)
    if "R3" not in asked.quantities or asked.inputs:
        return asked
    recorded = recorded_inputs(asked)
    if precision != "f64":
        recorded = {name: single(value) for name, value in recorded.items()}
    return replace(asked, inputs=recorded)


def recorded_inputs(asked: Request) -> dict[str, NDArray[np.float64]]:
    """Return what each layer of the oracle's network is given by the first batch."""
    scale = intensity_scale(asked.nphotons, asked.model.side)
    return dict(network.run(asked.first.diffraction, asked.weights, asked.model, scale).inputs)


def cleared(asked: Request, seed: int) -> Request:
    """
    A float32 question whose first patterns keep clear of the network's corners, drawn until they do.

    Raises:
        UsageError: they do not within `ATTEMPTS` draws.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            asked = replace(asked, batch=batch(asked.model, len(asked.batch.diffraction), seed, attempt))
        if kink_margin.is_clear(recorded_inputs(asked), asked.weights):
            return asked
    raise UsageError(f"seed {seed} gives no patterns clear of the network's corners in {ATTEMPTS} draws; take another")


def checkpoints(steps: int, precision: str) -> tuple[int, ...]:
    """After how many steps of a trajectory its weights are looked at."""
    if precision != "f64":
        # Only where the envelope was measured.
        return tuple(at for at in SINGLE_CHECKPOINTS if at <= steps)
    return (*(at for at in CHECKPOINTS if at < steps), *([steps] if steps else []))


def single(value: NDArray[Any]) -> NDArray[Any]:
    """Rounded to float32 or complex64, and back in its own type."""
    given = np.asarray(value)
    return given.astype(np.complex64 if np.iscomplexobj(given) else np.float32).astype(given.dtype)


def changed(asked: Request, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Request:
    """A question with something done to every number in it but the patterns, which are float32 in every precision."""
    return replace(
        asked,
        probe=change(asked.probe),
        weights={name: change(value) for name, value in asked.weights.items()},
        inputs={name: change(value) for name, value in asked.inputs.items()},
        replay=tuple({name: change(value) for name, value in step.items()} for step in asked.replay),
    )
