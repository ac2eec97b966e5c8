"""The PyTorch engine: network, physics, loss and optimiser behind the core's `Engine` protocol."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.physics.weights import intensity_scale
from ptycho.training.device_work import DeviceWork, blank_batch
from ptycho.training.engine import Batch, Losses
from ptycho_torch import assembly, device_work, loss, physics
from ptycho_torch.dset_loader_pt_mmap import TensorBatch, batches_to
from ptycho_torch.network import Network
from ptycho_torch.optimizer import Adam
from ptycho_torch.runtime import COMPLEX, REAL, as_array, configure, fingerprint


class TorchEngine:
    """
    A network with its physics and optimiser on one device; see `ptycho.training.engine.Engine`.

    Args:
        model: the network and its physics.
        runtime: device, precision and threads.
        probe: `(P, N, N)` complex, already normalised.
        weights: canonical weights.
        nphotons: mean photons per pattern.
        mae_weight: weight of the amplitude term.
        tv_weight: weight of the total variation.
    """

    def __init__(
        self,
        *,
        model: ModelConfig,
        runtime: RuntimeConfig,
        probe: ArrayLike,
        weights: Mapping[str, NDArray[np.generic]],
        nphotons: float,
        mae_weight: float = 0.0,
        tv_weight: float = 0.0,
    ) -> None:
        self.model = model
        self.runtime = runtime
        self.device = configure(runtime)
        self.dtype = REAL[runtime.precision]
        self.scale = intensity_scale(nphotons, model.side)
        self.mae_weight, self.tv_weight = mae_weight, tv_weight
        self.network = Network(model, self.scale, runtime.precision).to(self.device)
        self.network.load(weights)
        self.probe = torch.from_numpy(np.array(probe)).to(self.device, COMPLEX[self.dtype])
        self.trained = {name: value for name, value in self.network.named_parameters() if value.requires_grad}
        self.optimizer = Adam(self.trained)

    def patches(self, batch: TensorBatch) -> Tensor:
        """`(B, C, N, N)` complex object patches, assembled for gridsize > 1."""
        return assembly.consistent(self.network(batch.diffraction), batch.coords_relative, self.model.gridsize)

    def losses(self, batch: TensorBatch) -> loss.Terms:
        """Forward pass and every loss term of one batch."""
        patches = self.patches(batch)
        return loss.terms(
            intensity=physics.intensity(patches, self.probe),
            patches=patches,
            diffraction=batch.diffraction,
            log_scale=self.network.log_intensity_scale,
            scale=self.scale,
            mae_weight=self.mae_weight,
            tv_weight=self.tv_weight,
            good=batch.good,
            good_share=batch.good_share,
        )

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        """One optimiser step a batch, each at its own rate; losses stay on the device until the epoch's end."""
        self.network.train()
        reported: list[tuple[Tensor, Tensor, int]] = []
        rates = iter(learning_rates)
        for batch in batches_to(batches, self.device):
            result = self.losses(batch)
            self.optimizer.step(self._differentiate(result.total), next(rates))
            reported.append((result.total.detach(), result.deviance, batch.size))
        return _collect(reported)

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        """Losses without a step."""
        self.network.eval()
        reported = []
        for batch in batches_to(batches, self.device):
            result = self.losses(batch)
            reported.append((result.total, result.deviance, batch.size))
        return _collect(reported)

    def predict(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.complexfloating]]:
        """Object patches of each batch, `(B, C, N, N)`."""
        self.network.eval()
        for batch in batches_to(batches, self.device):
            with torch.inference_mode():
                patches = self.patches(batch)
            yield as_array(patches)

    @torch.no_grad()
    def consistent_patches(
        self, patches: NDArray[np.complexfloating], coords_relative: NDArray[np.float64]
    ) -> NDArray[np.complexfloating]:
        """Assemble and extract given patches, as `predict` does with the network's own."""
        values = torch.from_numpy(np.array(patches)).to(self.device, COMPLEX[self.dtype])
        relative = torch.from_numpy(np.array(coords_relative)).to(self.device)
        return as_array(assembly.consistent(values, relative, self.model.gridsize))

    def gradients(self, batch: Batch) -> dict[str, NDArray[np.floating]]:
        """Gradients of the objective by canonical name, in canonical layout, without a step."""
        (tensors,) = batches_to([batch], self.device)
        values = self._differentiate(self.losses(tensors).total)
        return {name: as_array(value) for name, value in zip(self.trained, values, strict=True)}

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Canonical weights, and the optimiser's `adam.m/NAME`, `adam.v/NAME` and `adam.step`."""
        return {**self.network.export(), **self.optimizer.export()}

    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `state` returned, moments and step count included."""
        self.network.load({name: value for name, value in state.items() if not name.startswith("adam.")})
        self.optimizer.load(state)

    def fingerprint(self) -> dict[str, Any]:
        """Versions, device, threads, precision; on a GPU also the evidence of the work done there."""
        found = fingerprint(self.device, self.runtime)
        return found if self.device == "cpu" else found | {"work": self.work()}

    def work(self) -> DeviceWork:
        """Return what was done on the device, as evidence; one more batch is evaluated for it."""
        weights, batch = list(self.network.parameters()), blank_batch(self.model)
        return device_work.collect(weights, batch, lambda item: self.evaluate([item]), self.device)

    def _differentiate(self, objective: Tensor) -> tuple[Tensor, ...]:
        """A weight that the objective does not depend on is an error here, not a gradient of zero."""
        return torch.autograd.grad(objective, tuple(self.trained.values()))


def _collect(reported: list[tuple[Tensor, Tensor, int]]) -> Losses:
    return Losses(
        total=torch.stack([total for total, _, _ in reported]).cpu().numpy(),
        deviance=torch.stack([deviance for _, deviance, _ in reported]).cpu().numpy(),
        sizes=np.array([size for _, _, size in reported], dtype=np.int64),
    )


create_engine = TorchEngine
"""The name under which the core's workflow finds the engine of either backend."""
