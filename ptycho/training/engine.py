"""
The interface of a backend: one Protocol, implemented by `ptycho_torch.engine` and `ptycho_tf.engine`.

Everything that is not under test (loading, grouping, batch order, initial weights, schedule, stitching, metrics) is
in the core and shared; an engine is what is left: network, physics on tensors, loss, optimiser step.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Batch:
    """
    A batch of the network. B groups of C = gridsize² patterns; channel c ↔ (row, col) = (c // g, c % g).

    Attributes:
        diffraction: `(B, C, N, N)` float32 normalised amplitude X, 0 at bad pixels.
        coords_offsets: `(B, 1, 2, 1)` float64 mean (x, y) of each group, object pixels.
        coords_relative: `(B, 1, 2, C)` float64, −(coords − mean) as (x, y), object pixels.
        indices: `(B, C)` int64 pattern indices in the file.
        good: `(B, C, N, N)` bool, False at bad pixels; None where all pixels count.
        good_share: share of good pixels in the whole scan, by which means over all pixels become means over good ones:
            one number for all batches, so that a batch of several processes is the sum of its parts.
    """

    diffraction: NDArray[np.float32]
    coords_offsets: NDArray[np.float64]
    coords_relative: NDArray[np.float64]
    indices: NDArray[np.int64]
    good: NDArray[np.bool_] | None = None
    good_share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class BatchShard(Batch):
    """
    One rank's part of a batch that several processes take together.

    Attributes:
        counted: groups here that count: all of them, or none where there were not enough for every rank.
        whole: groups of the whole batch.
    """

    counted: int
    whole: int

    @property
    def weight(self) -> float:
        """Return what a mean over these groups contributes to the mean over the whole batch."""
        return self.counted / self.whole


@dataclass(frozen=True, kw_only=True)
class Losses:
    """
    Losses of an epoch, one entry a step.

    Attributes:
        total: `(steps,)` float64 objective: Poisson term plus the optional ones.
        deviance: `(steps,)` float64 mean Poisson deviance per pixel.
        sizes: `(steps,)` int64 groups in each batch.
    """

    total: NDArray[np.float64]
    deviance: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @property
    def mean_total(self) -> float:
        """Mean objective over groups."""
        return float(np.average(self.total, weights=self.sizes))

    @property
    def mean_deviance(self) -> float:
        """Mean deviance over groups."""
        return float(np.average(self.deviance, weights=self.sizes))


class Engine(Protocol):
    """A network with its physics and optimiser on one device."""

    @property
    def device(self) -> str:
        """Return where it computes: `"cpu"` or `"cuda"`."""

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        """Take one optimiser step per batch, each at its own rate, without waiting for the device inside the epoch."""

    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        """The losses of batches, without a step."""

    def gradients(self, batch: Batch) -> dict[str, NDArray[Any]]:
        """Gradient of the objective to each trained weight, canonical names and layout, without a step."""

    def predict(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.complexfloating]]:
        """Object patches of each batch, `(B, C, N, N)`, as the physics sees them (assembled for gridsize > 1)."""

    def consistent_patches(
        self, patches: NDArray[np.complexfloating], coords_relative: NDArray[np.float64]
    ) -> NDArray[np.complexfloating]:
        """Assemble `(B, C, N, N)` patches on a canvas and extract them again; the same array at gridsize 1."""

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Canonical weights, and the optimiser's `adam.m/NAME`, `adam.v/NAME` and `adam.step`."""

    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `state` returned, moments and step count included."""

    def fingerprint(self) -> dict[str, Any]:
        """Versions, device, threads and precision in use."""


@runtime_checkable
class SupportsTracing(Protocol):
    """An engine that builds its training once, before the first step, where another computes as it goes."""

    def trace(self, *, masked: bool = False) -> None:
        """
        Build what `train_epoch` and `evaluate` run, without running it; weights and moments stay as they are.

        Args:
            masked: whether batches will have bad pixels.
        """
