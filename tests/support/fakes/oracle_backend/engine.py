"""
An engine made of the oracle's network and Adam, so that a whole training can be judged where no framework is installed.

It is slow and right: what differs between its training and `harness.parity.reference.workflow` is the core's.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.reference import objective, problem
from harness.parity.reference.adam import ReferenceAdam
from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.physics import forward
from ptycho.physics.weights import LOG_SCALE
from ptycho.training.engine import Batch, Losses
from tests.support.golden_step0 import FIXTURE

Array = NDArray[Any]


class OracleEngine:
    """The engine's protocol on plain arrays."""

    device = "cpu"

    def __init__(
        self,
        *,
        model: ModelConfig,
        runtime: RuntimeConfig,
        probe: Array,
        weights: Mapping[str, Array],
        nphotons: float,
        mae_weight: float = 0.0,
        tv_weight: float = 0.0,
    ) -> None:
        asked = problem.request(gridsize=model.gridsize, seed=0, scan=FIXTURE, steps=0)
        self.request = replace(asked, model=model, probe=probe, nphotons=nphotons, precision=runtime.precision)
        self.model = model
        self.mae_weight, self.tv_weight = mae_weight, tv_weight
        self.fixed = {name: np.asarray(value) for name, value in weights.items()}
        trained = (name for name in weights if name != LOG_SCALE or model.intensity_scale_trainable)
        self.adam = ReferenceAdam({name: weights[name] for name in trained})

    @property
    def weights(self) -> dict[str, Array]:
        return {**self.fixed, **self.adam.values}

    def _scored(self, batch: Batch) -> tuple[objective.Evaluation, dict[str, float]]:
        found = objective.evaluate(self.request, batch, self.weights)
        return found, objective.terms(self.request, batch, found, self.mae_weight, self.tv_weight)

    def gradients(self, batch: Batch) -> dict[str, Array]:
        found, _ = self._scored(batch)
        options = {"mae_weight": self.mae_weight, "tv_weight": self.tv_weight}
        made = objective.gradients(self.request, batch, self.weights, found, **options)  # type: ignore[arg-type]
        return {name: made[name] for name in self.adam.values}

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        reported = []
        for batch, rate in zip(batches, learning_rates, strict=True):
            reported.append((self._scored(batch)[1], len(batch.indices)))
            self.adam.step(self.gradients(batch), rate)
        return _losses(reported)

    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        return _losses([(self._scored(batch)[1], len(batch.indices)) for batch in batches])

    def predict(self, batches: Iterable[Batch]) -> Iterator[Array]:
        for batch in batches:
            yield self._scored(batch)[0].patches

    def consistent_patches(self, patches: Array, coords_relative: Array) -> Array:
        if self.model.gridsize == 1:
            return patches
        canvas = forward.assemble(patches, coords_relative, self.model.gridsize)
        return forward.extract(canvas, coords_relative, patches.shape[-1])

    def state(self) -> dict[str, Array]:
        first = {f"adam.m/{name}": value for name, value in self.adam.first.items()}
        second = {f"adam.v/{name}": value for name, value in self.adam.second.items()}
        return {**self.weights, **first, **second, "adam.step": np.array(self.adam.count)}

    def load_state(self, state: Mapping[str, Array]) -> None:
        self.adam.values = {name: np.array(state[name]) for name in self.adam.values}
        self.adam.first = {name: np.array(state[f"adam.m/{name}"]) for name in self.adam.values}
        self.adam.second = {name: np.array(state[f"adam.v/{name}"]) for name in self.adam.values}
        self.adam.count = int(state["adam.step"])

    def fingerprint(self) -> dict[str, Any]:
        return {"framework": "none"}


def _losses(reported: list[tuple[dict[str, float], int]]) -> Losses:
    return Losses(
        total=np.array([terms["total"] for terms, _ in reported]),
        deviance=np.array([terms["deviance"] for terms, _ in reported]),
        sizes=np.array([size for _, size in reported]),
    )


create_engine = OracleEngine
