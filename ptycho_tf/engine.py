"""
The TensorFlow engine: network, physics, loss and optimiser behind the core's `Engine` protocol.

Each function is traced once: its signature leaves the batch size open, so that the last, smaller batch of an epoch does
not compile everything again. Losses stay on the device until the epoch ends.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ptycho.config import ModelConfig, RuntimeConfig
from ptycho.physics.weights import intensity_scale
from ptycho.training.device_work import DeviceWork, blank_batch
from ptycho.training.engine import Batch, Losses
from ptycho_tf import assembly, device_work, loss, physics
from ptycho_tf.dset_loader_tf_mmap import TensorBatch, batches_to
from ptycho_tf.network import REAL, Network, to_canonical
from ptycho_tf.optimizer import Adam
from ptycho_tf.runtime import Tensor, as_array, configure, fingerprint, tf


class TensorFlowEngine:
    """
    A network with its physics and optimiser on one device; see `ptycho.training.engine.Engine`.

    Args:
        model: the network and its physics.
        runtime: device, precision and threads; threads can be set once per process.
        probe: `(P, N, N)` complex, already normalised.
        weights: canonical weights.
        nphotons: mean photons per pattern.
        mae_weight: weight of the amplitude term.
        tv_weight: weight of the total variation.

    Raises:
        DeviceError: the device is not there or does not work.
        CheckpointError: the weights do not fit the model.
        UsageError: TensorFlow already runs with another number of threads.
    """

    def __init__(
        self,
        *,
        model: ModelConfig,
        runtime: RuntimeConfig,
        probe: ArrayLike,
        weights: Mapping[str, NDArray[Any]],
        nphotons: float,
        mae_weight: float = 0.0,
        tv_weight: float = 0.0,
    ) -> None:
        self.model = model
        self.runtime = runtime
        self.device = configure(runtime)
        self.dtype = REAL[runtime.precision]
        self.complex = tf.complex128 if self.dtype == tf.float64 else tf.complex64
        self.scale = intensity_scale(nphotons, model.side)
        self.mae_weight, self.tv_weight = mae_weight, tv_weight
        self.network = Network(model, self.scale, runtime.precision)
        self.network.load(weights)
        self.probe = tf.constant(np.asarray(probe), self.complex)
        self.optimizer = Adam({k: v for k, v in self.network.parameters.items() if v.trainable})
        self.compile()

    def compile(self, *, jit: bool | None = None) -> None:
        """
        Make the functions that programs call; each is traced when it is first called.

        Args:
            jit: whether XLA compiles them; None leaves it to TensorFlow, which does not on a CPU.
        """
        model = self.model
        frames = tf.TensorSpec((None, model.channels, model.side, model.side), tf.float32)
        coords = tf.TensorSpec((None, 1, 2, model.channels), tf.float64)
        patches = tf.TensorSpec(frames.shape, self.complex)
        rate = tf.TensorSpec((), tf.float64)
        self._train = _compiled(jit, self._train_step, frames, coords, rate)
        self._score = _compiled(jit, self._scores, frames, coords)
        self._predict = _compiled(jit, self._patches, frames, coords)
        self._consistent = _compiled(jit, self._agree, patches, coords)
        self._gradients = _compiled(jit, self._differentiate, frames, coords)
        mask = (tf.TensorSpec(frames.shape, tf.bool), rate)
        self._train_masked = _compiled(jit, self._masked_step, frames, coords, *mask, rate)
        self._score_masked = _compiled(jit, self._masked_scores, frames, coords, *mask)
        self._gradients_masked = _compiled(jit, self._masked_gradients, frames, coords, *mask)

    def patches(self, batch: TensorBatch) -> Tensor:
        """`(B, C, N, N)` complex object patches, assembled for gridsize > 1."""
        return self._agree(self.network.forward(batch.diffraction), batch.coords_relative)

    def losses(self, batch: TensorBatch) -> loss.Terms:
        """Forward pass and every loss term of one batch."""
        patches = self.patches(batch)
        return loss.terms(
            intensity=physics.intensity(patches, self.probe),
            patches=patches,
            diffraction=batch.diffraction,
            log_scale=self.network.log_scale,
            scale=self.scale,
            mae_weight=self.mae_weight,
            tv_weight=self.tv_weight,
            good=batch.good,
            good_share=batch.good_share,
        )

    def trace(self, *, masked: bool = False) -> None:
        """Trace the training step and the evaluation, so that neither's time holds it."""
        for compiled in (self._train_masked, self._score_masked) if masked else (self._train, self._score):
            compiled.get_concrete_function()

    def train_epoch(self, batches: Iterable[Batch], learning_rates: Iterable[float]) -> Losses:
        """One optimiser step a batch, each at its own rate; losses stay on the device until the epoch's end."""
        rates = iter(learning_rates)

        def step(batch: TensorBatch) -> tuple[Tensor, Tensor]:
            if batch.good is not None:
                return self._train_masked(*masked(batch), tf.convert_to_tensor(next(rates), tf.float64))
            return self._train(batch.diffraction, batch.coords_relative, tf.constant(next(rates), tf.float64))

        return _collect(batches, step)

    def evaluate(self, batches: Iterable[Batch]) -> Losses:
        """Losses without a step."""

        def score(batch: TensorBatch) -> tuple[Tensor, Tensor]:
            if batch.good is not None:
                return self._score_masked(*masked(batch))
            return self._score(batch.diffraction, batch.coords_relative)

        return _collect(batches, score)

    def predict(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.complexfloating[Any, Any]]]:
        """Object patches of each batch, `(B, C, N, N)`."""
        for batch in batches_to(batches):
            yield as_array(self._predict(batch.diffraction, batch.coords_relative))

    def consistent_patches(
        self, patches: NDArray[np.complexfloating[Any, Any]], coords_relative: NDArray[np.float64]
    ) -> NDArray[np.complexfloating[Any, Any]]:
        """Assemble and extract given patches, as `predict` does with the network's own."""
        agreed = self._consistent(tf.constant(patches, self.complex), tf.constant(coords_relative, tf.float64))
        return as_array(agreed)

    def gradients(self, batch: Batch) -> dict[str, NDArray[Any]]:
        """Gradient of the objective to each trained weight, canonical names and layout, without a step."""
        (tensors,) = batches_to([batch])
        if tensors.good is not None:
            values = self._gradients_masked(*masked(tensors))
        else:
            values = self._gradients(tensors.diffraction, tensors.coords_relative)
        return {name: to_canonical(as_array(item)) for name, item in zip(self.optimizer.names, values, strict=True)}

    def state(self) -> dict[str, NDArray[Any]]:
        """Canonical weights and the optimiser's moments and step count."""
        return {**self.network.export(), **self.optimizer.export()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over weights, moments and step count."""
        self.network.load({name: value for name, value in state.items() if not name.startswith("adam.")})
        self.optimizer.load(state)

    def fingerprint(self) -> dict[str, Any]:
        """Versions, device, threads, precision; on a GPU also the evidence of the work done there."""
        found = fingerprint(self.device, self.runtime)
        return found if self.device == "cpu" else found | {"work": self.work()}

    def work(self) -> DeviceWork:
        """Return what was done on the device, as evidence; one more batch is evaluated for it."""
        weights, batch = list(self.network.parameters.values()), blank_batch(self.model)
        return device_work.collect(weights, batch, lambda item: self.evaluate([item]), self.device)

    # TensorFlow compiles functions of tensors, so a batch is put together again inside of them.

    def _patches(self, diffraction: Tensor, coords_relative: Tensor) -> Tensor:
        return self.patches(TensorBatch(diffraction=diffraction, coords_relative=coords_relative))

    def _losses(
        self,
        diffraction: Tensor,
        coords_relative: Tensor,
        good: Tensor | None = None,
        good_share: Tensor | None = None,
    ) -> loss.Terms:
        batch = TensorBatch(diffraction=diffraction, coords_relative=coords_relative, good=good, good_share=good_share)
        return self.losses(batch)

    def _agree(self, patches: Tensor, coords_relative: Tensor) -> Tensor:
        return assembly.consistent(patches, coords_relative, self.model.gridsize)

    def _scores(self, diffraction: Tensor, coords_relative: Tensor) -> tuple[Tensor, Tensor]:
        result = self._losses(diffraction, coords_relative)
        return result.total, result.deviance

    def _differentiate(self, diffraction: Tensor, coords_relative: Tensor) -> list[Tensor]:
        with tf.GradientTape() as tape:
            result = self._losses(diffraction, coords_relative)
        return list(tape.gradient(result.total, self.optimizer.targets))

    def _train_step(self, diffraction: Tensor, coords_relative: Tensor, learning_rate: Tensor) -> tuple[Tensor, Tensor]:
        with tf.GradientTape() as tape:
            result = self._losses(diffraction, coords_relative)
        self.optimizer.step(tape.gradient(result.total, self.optimizer.targets), learning_rate)
        return result.total, result.deviance

    def _masked_scores(
        self, diffraction: Tensor, coords_relative: Tensor, good: Tensor, good_share: Tensor
    ) -> tuple[Tensor, Tensor]:
        result = self._losses(diffraction, coords_relative, good, good_share)
        return result.total, result.deviance

    def _masked_gradients(
        self, diffraction: Tensor, coords_relative: Tensor, good: Tensor, good_share: Tensor
    ) -> list[Tensor]:
        with tf.GradientTape() as tape:
            result = self._losses(diffraction, coords_relative, good, good_share)
        return [*tape.gradient(result.total, self.optimizer.targets)]

    def _masked_step(
        self, diffraction: Tensor, coords_relative: Tensor, good: Tensor, good_share: Tensor, learning_rate: Tensor
    ) -> tuple[Tensor, Tensor]:
        with tf.GradientTape() as tape:
            result = self._losses(diffraction, coords_relative, good, good_share)
        gradients = tape.gradient(result.total, self.optimizer.targets)
        self.optimizer.step(gradients, learning_rate)
        return result.total, result.deviance


create_engine = TensorFlowEngine
"""The name under which the core's workflow finds the engine of either backend."""


def _compiled(jit: bool | None, function: Callable[..., Any], *signature: Any) -> Any:
    # Without autograph: nothing here branches on a tensor, so there is no source to rewrite.
    return tf.function(function, input_signature=signature, autograph=False, jit_compile=jit)


def masked(batch: TensorBatch) -> tuple[Any, ...]:
    """Arguments of the functions for batches with bad pixels."""
    return batch.diffraction, batch.coords_relative, batch.good, batch.good_share


def _collect(batches: Iterable[Batch], score: Callable[[TensorBatch], tuple[Tensor, Tensor]]) -> Losses:
    """Score every batch and fetch the losses once, at the end."""
    reported = [(*score(batch), batch.size) for batch in batches_to(batches)]
    return Losses(
        total=np.array([total.numpy() for total, _, _ in reported], dtype=np.float64),
        deviance=np.array([deviance.numpy() for _, deviance, _ in reported], dtype=np.float64),
        sizes=np.array([size for _, _, size in reported], dtype=np.int64),
    )
