"""
Training on several devices or machines with TensorFlow: `TF_CONFIG` names the ranks, MultiWorkerMirroredStrategy adds.

Imported only by a process that is one of several. The strategy connects the workers and sums over them; variables stay
this process's own, made outside its scope, because it would refuse the assignments of an optimiser that it does not
know. With one replica a process, equal sums keep them equal. Each rank differentiates its own rows of every batch,
weighted by their share, so that the sum is the gradient of the whole batch also where the rows do not divide evenly.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import RuntimeConfig
from ptycho.errors import DeviceError
from ptycho.training.collective import collect_losses, unreachable
from ptycho.training.engine import Batch, BatchShard, Losses
from ptycho.training.ranks import Ranks
from ptycho_tf.dset_loader_tf_mmap import batches_to
from ptycho_tf.engine import TensorFlowEngine, masked
from ptycho_tf.runtime import Tensor, configure, tf


class Group:
    """
    The connection to the other ranks; see `ptycho.training.collective.Group`.

    Args:
        ranks: who this process is.
        strategy: what connects them.
    """

    def __init__(self, ranks: Ranks, strategy: Any) -> None:
        self.ranks = ranks
        self.strategy = strategy
        self._sum = tf.function(
            lambda values: strategy.run(added, args=(values,)), autograph=False, reduce_retracing=True
        )

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Elementwise sum over all ranks."""
        with contact():
            return np.asarray(self._sum(tf.constant(values)).numpy())

    def leave(self) -> None:
        """Nothing: the connection ends with the process."""


def join(ranks: Ranks, runtime: RuntimeConfig) -> Group:
    """
    Connect to the other ranks. On GPUs, each process must see exactly one.

    Raises:
        DeviceError: this process sees several GPUs.
        InfrastructureError: the others do not answer.
    """
    gpus = tf.config.list_physical_devices("GPU") if runtime.device != "cpu" else []
    if len(gpus) > 1:
        raise DeviceError(
            f"rank {ranks.rank} sees {len(gpus)} GPUs; allowed: one for each process: "
            "set CUDA_VISIBLE_DEVICES to its own, or pass --device cpu"
        )
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        configure(runtime)
    # The strategy must come before the first operation, therefore before a GPU is proved to compute.
    with contact():
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    configure(runtime)
    return Group(ranks, strategy)


def added(values: Tensor) -> Tensor:
    """Sum over the replicas of a tensor, inside `strategy.run`."""
    # An argument has no device yet, and the strategy asks for one.
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(values))


@contextmanager
def contact() -> Iterator[None]:
    """
    A block that needs the other ranks.

    Raises:
        InfrastructureError: one of them is gone.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError) as error:
        reason = next((line for line in str(error).splitlines() if "task" in line), type(error).__name__)
        raise unreachable(reason.strip()) from error


class DistributedEngine(TensorFlowEngine):
    """
    An engine whose steps and evaluations are taken by all ranks together; weights are the same bits on each.

    Args:
        group: the other ranks.
        options: as for `TensorFlowEngine`.
    """

    def __init__(self, *, group: Group, **options: Any) -> None:
        super().__init__(**options)
        self.group = group
        side, channels = self.model.side, self.model.channels
        frames = tf.TensorSpec((None, channels, side, side), tf.float32)
        coords = tf.TensorSpec((None, 1, 2, channels), tf.float64)
        number = tf.TensorSpec((), tf.float64)
        self._step = tf.function(
            lambda *arguments: group.strategy.run(self._share_step, args=arguments),
            input_signature=(frames, coords, number, number),
            autograph=False,
        )
        mask = (tf.TensorSpec(frames.shape, tf.bool), number)
        self._step_masked = tf.function(
            lambda *arguments: group.strategy.run(self._share_step, args=arguments),
            input_signature=(frames, coords, number, number, *mask),
            autograph=False,
        )

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        """One optimiser step a global batch; losses are added up over the ranks at the epoch's end."""
        return self._all(batches, iter(learning_rates))

    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        """Losses of global batches, without a step."""
        return self._all(batches, None)

    def fingerprint(self) -> dict[str, Any]:
        """As for one process, and how many there are."""
        return super().fingerprint() | {"ranks": self.group.ranks.world}

    def _all(self, batches: Iterable[Batch], rates: Iterator[float] | None) -> Losses:
        def score(share: BatchShard) -> tuple[Tensor, Tensor]:
            (tensors,) = batches_to([share])
            if rates is None:
                return (
                    self._score(*masked(tensors)[:2]) if tensors.good is None else self._score_masked(*masked(tensors))
                )
            weight, rate = (tf.constant(value, tf.float64) for value in (share.weight, next(rates)))
            with contact():
                if tensors.good is None:
                    return self._step(tensors.diffraction, tensors.coords_relative, weight, rate)
                return self._step_masked(
                    tensors.diffraction, tensors.coords_relative, weight, rate, tensors.good, tensors.good_share
                )

        return collect_losses(self.group, batches, score, _fetch)

    def _share_step(
        self,
        diffraction: Tensor,
        coords_relative: Tensor,
        weight: Tensor,
        learning_rate: Tensor,
        good: Tensor | None = None,
        good_share: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        with tf.GradientTape() as tape:
            result = self._losses(diffraction, coords_relative, good, good_share)
        gradients = tape.gradient(result.total, self.optimizer.targets)
        flat = tf.concat([tf.reshape(item, [-1]) for item in gradients], axis=0)
        whole = added(flat * tf.cast(weight, flat.dtype))
        parts = tf.split(whole, self.optimizer.sizes)
        agreed = [tf.reshape(part, item.shape) for part, item in zip(parts, gradients, strict=True)]
        self.optimizer.step(agreed, learning_rate)
        return result.total, result.deviance


def _fetch(scores: Sequence[tuple[Tensor, Tensor]]) -> NDArray[Any]:
    """Losses of all steps; a step that failed is heard of when its result is fetched."""
    with contact():
        return np.array([[float(loss) for loss in step] for step in scores])


create_engine = DistributedEngine
"""The name under which the core's workflow finds the engine of either backend."""
