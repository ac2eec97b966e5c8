"""
An engine whose whole network is one number a channel, drawn to the mean of what it sees, with a momentum.

It keeps `ptycho.training.engine.Engine` and canonical names, so that checkpoints and resuming are those of a real
training. Its state depends on the order of the batches and on every rate: a resumed training that lost something ends
elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.physics.weights import LOG_SCALE
from ptycho.training.engine import Batch, Losses

BIAS = "amplitude.inner.bias"
_MOMENTUM = 0.9


class StandIn:
    """
    Follows the mean of each channel.

    Args:
        model: not used: there is one network.
        runtime: not used: there is one device.
        probe: illumination, `(modes, N, N)`.
        weights: initial values, of which it takes two.
        nphotons: not used.
        mae_weight: not used.
        tv_weight: not used.
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
        del model, runtime, nphotons, mae_weight, tv_weight
        self._probe = probe[0]
        self._bias = np.array(weights[BIAS], dtype=np.float64)
        self._log_scale = np.array(weights[LOG_SCALE])
        self._moment = np.zeros_like(self._bias)
        self._step = 0

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        """One step a batch; too few or too many rates are an error."""
        totals = []
        for batch, rate in zip(batches, learning_rates, strict=True):
            totals.append((self._loss(batch), len(batch.indices)))
            self._moment = _MOMENTUM * self._moment + (1 - _MOMENTUM) * (self._bias - _mean(batch))
            self._bias = self._bias - rate * self._moment
            self._step += 1
        return _losses(totals)

    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        """Losses without a step."""
        return _losses([(self._loss(batch), len(batch.indices)) for batch in batches])

    def gradients(self, batch: Batch) -> dict[str, NDArray[Any]]:
        """Gradient of the objective."""
        return {BIAS: 2 * (self._bias - _mean(batch)) / self._bias.size}

    def predict(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.complexfloating]]:
        """Flat patches of the amplitude that was learnt."""
        for batch in batches:
            yield np.broadcast_to(self._bias[:, None, None], batch.diffraction.shape).astype(np.complex64)

    def consistent_patches(
        self, patches: NDArray[np.complexfloating], coords_relative: NDArray[np.float64]
    ) -> NDArray[np.complexfloating]:
        """The patches as they are."""
        del coords_relative
        return patches

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Weights and moments under canonical names."""
        return {
            BIAS: self._bias,
            LOG_SCALE: self._log_scale,
            f"adam.m/{BIAS}": self._moment,
            f"adam.v/{BIAS}": np.zeros_like(self._bias),
            "adam.step": np.array(self._step),
        }

    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `state` returned."""
        self._bias, self._log_scale = np.array(state[BIAS], np.float64), np.array(state[LOG_SCALE])
        self._moment, self._step = np.array(state[f"adam.m/{BIAS}"], np.float64), int(state["adam.step"].item())

    def fingerprint(self) -> dict[str, Any]:
        """Return what it is."""
        return {"framework": "none", "device": self.device}

    def _loss(self, batch: Batch) -> float:
        """Distance to the means, and of the pattern of a flat object to the patterns: as dear as a real step's FFTs."""
        waves = np.fft.fft2(np.broadcast_to(self._probe, batch.diffraction.shape))
        flat = float(np.mean((np.abs(waves) / batch.diffraction.shape[-1] - batch.diffraction) ** 2))
        return float(np.mean((self._bias - _mean(batch)) ** 2)) + flat


def _mean(batch: Batch) -> NDArray[np.float64]:
    return np.asarray(batch.diffraction.mean(axis=(0, 2, 3), dtype=np.float64))


def _losses(totals: list[tuple[float, int]]) -> Losses:
    values = np.array([value for value, _ in totals])
    return Losses(total=values, deviance=values, sizes=np.array([size for _, size in totals], dtype=np.int64))


create_engine = StandIn
