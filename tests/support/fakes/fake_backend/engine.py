"""
An engine whose whole network is one number a channel, drawn to the mean of what it sees, with a momentum.

It keeps `ptycho.training.engine.Engine` and canonical names. Its state depends on the order of batches and on every
rate, so that a wrong batch, a wrong rate or a lost moment shows in the weights; and it writes down what it was asked.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.physics.weights import LOG_SCALE
from ptycho.training.engine import Batch, Losses

BIAS = "amplitude.inner.bias"
CREATED: list["FakeEngine"] = []
"""Every engine of this process, the last one last."""


class FakeEngine:
    """
    Follows the mean of each channel.

    Attributes:
        options: what it was created with.
        trained: pattern indices and rate of every training step, an inner list an epoch.
        evaluated: pattern indices of every evaluation, batch by batch.
        predicted: pattern indices of every predicted batch.
        losses: if not empty, the objective of the next evaluations, first one first.
    """

    device = "cpu"

    def __init__(
        self,
        *,
        model: ModelConfig,
        runtime: RuntimeConfig,
        probe: NDArray[np.complex128],
        weights: Mapping[str, NDArray[Any]],
        nphotons: float,
        mae_weight: float = 0.0,
        tv_weight: float = 0.0,
    ) -> None:
        self.model = model
        self.options: dict[str, Any] = {"runtime": runtime, "probe": probe, "weights": weights, "nphotons": nphotons}
        self.options |= {"mae_weight": mae_weight, "tv_weight": tv_weight}
        self.bias = np.array(weights[BIAS], dtype=np.float64)
        self.log_scale = np.array(weights[LOG_SCALE])
        self.moment = np.zeros_like(self.bias)
        self.step = 0
        self.trained: list[list[tuple[list[Any], float]]] = []
        self.evaluated: list[list[list[Any]]] = []
        self.predicted: list[list[Any]] = []
        self.losses: list[float] = []
        CREATED.append(self)

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        """One step a batch; too few or too many rates are an error."""
        steps, totals = [], []
        for batch, rate in zip(batches, learning_rates, strict=True):
            steps.append((batch.indices.tolist(), rate))
            totals.append((self._loss(batch), len(batch.indices)))
            self.moment = 0.9 * self.moment + 0.1 * (self.bias - _mean(batch))
            self.bias = self.bias - rate * self.moment
            self.step += 1
        self.trained.append(steps)
        return _losses(totals)

    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        """Losses without a step."""
        seen = list(batches)
        self.evaluated.append([batch.indices.tolist() for batch in seen])
        planted = self.losses.pop(0) if self.losses else None
        return _losses([(self._loss(batch) if planted is None else planted, len(batch.indices)) for batch in seen])

    def gradients(self, batch: Batch) -> dict[str, NDArray[Any]]:
        """Gradient of the objective."""
        return {BIAS: 2 * (self.bias - _mean(batch)) / self.bias.size}

    def predict(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.complexfloating]]:
        """A tilted patch, of the amplitude that was learnt, for every pattern."""
        for batch in batches:
            self.predicted.append(batch.indices.tolist())
            side = batch.diffraction.shape[-1]
            tilt = np.exp(1j * np.linspace(-0.5, 0.5, side)).astype(np.complex64)
            height = np.broadcast_to(0.5 + self.bias[:, None, None], batch.diffraction.shape)
            yield (height * tilt).astype(np.complex64)

    def consistent_patches(
        self, patches: NDArray[np.complexfloating], coords_relative: NDArray[np.float64]
    ) -> NDArray[np.complexfloating]:
        """The patches as they are."""
        del coords_relative
        return patches

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Weights and moments under canonical names."""
        return {
            BIAS: self.bias,
            LOG_SCALE: self.log_scale,
            f"adam.m/{BIAS}": self.moment,
            f"adam.v/{BIAS}": np.zeros_like(self.bias),
            "adam.step": np.array(self.step),
        }

    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `state` returned."""
        self.bias, self.log_scale = np.array(state[BIAS], np.float64), np.array(state[LOG_SCALE])
        self.moment, self.step = np.array(state[f"adam.m/{BIAS}"], np.float64), int(state["adam.step"].item())

    def fingerprint(self) -> dict[str, Any]:
        """What it is."""
        return {"framework": "none", "device": self.device, "precision": self.options["runtime"].precision}

    def _loss(self, batch: Batch) -> float:
        return float(np.mean((self.bias - _mean(batch)) ** 2)) - 5


def _mean(batch: Batch) -> NDArray[np.float64]:
    return np.asarray(batch.diffraction.mean(axis=(0, 2, 3), dtype=np.float64))


def _losses(totals: list[tuple[float, int]]) -> Losses:
    values = np.array([value for value, _ in totals])
    return Losses(total=values, deviance=values + 5, sizes=np.array([size for _, size in totals], dtype=np.int64))


create_engine = FakeEngine
