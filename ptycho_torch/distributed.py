"""
Training on several devices or machines with PyTorch: `torchrun` starts the ranks, DistributedDataParallel adds up.

Imported only by a process that is one of several. Each rank differentiates its own rows of every batch, weighted by
their share, so that the averaged gradients are those of the whole batch also where the rows do not divide evenly.
gloo connects CPUs, NCCL GPUs; small agreements go over gloo in both cases.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from ptycho.config import RuntimeConfig
from ptycho.errors import DeviceError
from ptycho.training.collective import collect_losses, unreachable
from ptycho.training.engine import Batch, BatchShard, Losses
from ptycho.training.ranks import Ranks
from ptycho_torch import assembly
from ptycho_torch.dset_loader_pt_mmap import TensorBatch, batches_to
from ptycho_torch.engine import TorchEngine
from ptycho_torch.runtime import configure


class Group:
    """
    The connection to the other ranks; see `ptycho.training.collective.Group`.

    The wrapper that adds gradients up imports the compiler, which makes a cache folder in TMPDIR before it has anything
    to keep: it gets a place here that goes when the connection does.

    Args:
        ranks: who this process is.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self._cache = tempfile.TemporaryDirectory(prefix="ptycho-torch-")
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", self._cache.name)

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Elementwise sum over all ranks."""
        tensor = torch.from_numpy(np.array(values))
        with contact():
            dist.all_reduce(tensor)
        return tensor.numpy()

    def leave(self) -> None:
        """Close the connection."""
        dist.destroy_process_group()
        self._cache.cleanup()


def join(ranks: Ranks, runtime: RuntimeConfig) -> Group:
    """
    Connect to the other ranks. On GPUs, each process takes the one of its number on its machine.

    Raises:
        DeviceError: there is no GPU of that number.
        InfrastructureError: the others do not answer.
    """
    gpus = torch.cuda.device_count() if runtime.device != "cpu" else 0
    if gpus and ranks.local >= gpus:
        raise DeviceError(
            f"rank {ranks.rank} is number {ranks.local} on its machine, which has {gpus} GPUs; "
            f"start {gpus} processes there or fewer, or pass --device cpu"
        )
    if gpus:
        torch.cuda.set_device(ranks.local)
    device = configure(runtime)
    with contact():
        dist.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl")
    return Group(ranks)


@contextmanager
def contact() -> Iterator[None]:
    """
    A block that needs the other ranks.

    Raises:
        InfrastructureError: one of them is gone. gloo says so by a plain RuntimeError that names its source file.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise unreachable(str(error).splitlines()[0]) from error


class DistributedEngine(TorchEngine):
    """
    An engine whose steps and evaluations are taken by all ranks together; weights are the same bits on each.

    Args:
        group: the other ranks.
        options: as for `TorchEngine`.
    """

    def __init__(self, *, group: Group, **options: Any) -> None:
        super().__init__(**options)
        self.group = group
        with contact():
            self.replica = DistributedDataParallel(self.network, gradient_as_bucket_view=True)
        self.stepping = False

    def patches(self, batch: TensorBatch) -> Tensor:
        """As `TorchEngine.patches`; in a training step the forward pass goes through the wrapper that adds up."""
        network = self.replica if self.stepping else self.network
        return assembly.consistent(network(batch.diffraction), batch.coords_relative, self.model.gridsize)

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        """One optimiser step a global batch; losses are added up over the ranks at the epoch's end."""
        self.network.train()
        self.stepping = True
        try:
            return self._all(batches, iter(learning_rates))
        finally:
            self.stepping = False

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        """Losses of global batches, without a step."""
        self.network.eval()
        return self._all(batches, None)

    def fingerprint(self) -> dict[str, Any]:
        """As for one process, and how many there are."""
        return super().fingerprint() | {"ranks": self.group.ranks.world}

    def _all(self, batches: Iterable[Batch], rates: Iterator[float] | None) -> Losses:
        def score(share: BatchShard) -> Tensor:
            (tensors,) = batches_to([share], self.device)
            result = self.losses(tensors)
            if rates is not None:
                self._step(result.total * share.weight, next(rates))
            return torch.stack([result.total.detach(), result.deviance])

        return collect_losses(self.group, batches, score, lambda scores: torch.stack(list(scores)).cpu().numpy())

    def _step(self, part: Tensor, learning_rate: float) -> None:
        # The wrapper means over the ranks; their parts are to be added.
        with contact():
            (part * self.group.ranks.world).backward()
        gradients = [cast(Tensor, value.grad) for value in self.trained.values()]
        self.optimizer.step(gradients, learning_rate)
        for value in self.trained.values():
            value.grad = None


create_engine = DistributedEngine
"""The name under which the core's workflow finds the engine of either backend."""
