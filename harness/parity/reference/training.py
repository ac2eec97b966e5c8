"""
A training as the oracle goes through it: data, draws and learning rates, decided before the first step.

Written from the file's own arrays and from the description; the core's loaders, draws and schedule are what is judged.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.parity.reference import sampling
from ptycho.config import TrainingConfig
from ptycho.parity.request import Request
from ptycho.training.engine import Batch

Real = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Course:
    """
    A training as the oracle goes through it.

    Attributes:
        config: the options.
        request: network, photons and probe of the training, as the objective wants them.
        groups: `(G, C)`.
        train: groups that train.
        validation: groups that validate.
        frames: `(M, N, N)` network input.
        x: positions along axis 1.
        y: positions along axis 0.
        normalisation: factor from amplitude to network input.
    """

    config: TrainingConfig
    request: Request
    groups: sampling.Indices
    train: sampling.Indices
    validation: sampling.Indices
    frames: NDArray[np.float32]
    x: Real
    y: Real
    normalisation: float

    def batches(self, chosen: sampling.Indices) -> list[Batch]:
        """The batches of some groups."""
        size = self.config.batch_size
        made = []
        for start in range(0, len(chosen), size):
            members = self.groups[chosen[start : start + size]]
            offsets, relative = sampling.relative(self.x, self.y, members)
            frames = self.frames[members]
            made.append(Batch(diffraction=frames, coords_offsets=offsets, coords_relative=relative, indices=members))
        return made

    def orders(self) -> list[sampling.Indices]:
        """The order of each epoch."""
        return [sampling.order(self.train, self.config.data.seed, epoch) for epoch in range(self.config.nepochs)]


def course(request: Request, config: TrainingConfig) -> Course:
    """Everything that is decided before the first step."""
    data, model = config.data, config.model
    with np.load(data.path, allow_pickle=False) as archive:
        raw, x, y, probe = (archive[name] for name in ("diff3d", "xcoords", "ycoords", "probeGuess"))
        metadata = json.loads(str(archive["_metadata"])) if "_metadata" in archive else {}
    groups = sampling.groups(x, y, gridsize=data.gridsize, wanted=data.n_groups, seed=data.seed)
    train, validation = sampling.split(len(groups), config.batch_size, data.seed)
    factor = sampling.factor(raw[np.unique(groups[train])])
    return Course(
        config=config,
        request=replace(
            request,
            model=model,
            nphotons=float(config.nphotons or metadata.get("nphotons", 1e9)),
            probe=sampling.illumination(probe, divisor=model.probe_scale, masked=model.probe_mask),
        ),
        groups=groups,
        train=train,
        validation=validation,
        frames=raw * np.float32(factor),
        x=x,
        y=y,
        normalisation=factor,
    )


def rates(config: TrainingConfig, steps: int, validation: Sequence[float]) -> Iterator[list[float]]:
    """
    The learning rate of each step, epoch by epoch.

    Args:
        config: the options.
        steps: steps of an epoch.
        validation: losses of the epochs before, which the caller extends meanwhile.
    """
    rate, best, bad = config.learning_rate, math.inf, 0
    for epoch in range(config.nepochs):
        if epoch:
            loss = validation[epoch - 1]
            bad = 0 if loss < best else bad + 1
            best = min(best, loss)
            if bad == 2:
                rate, bad = max(rate / 2, min(1e-4, rate)), 0
        made = []
        for step in range(epoch * steps, (epoch + 1) * steps):
            warm = min(1.0, (step + 1) / config.warmup_steps)
            cosine = (1 + math.cos(math.pi * step / (config.nepochs * steps))) / 2
            made.append(rate * warm * (cosine if config.schedule == "cosine" else 1.0))
        yield made
