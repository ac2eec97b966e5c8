"""
Adam as published (Kingma & Ba 2015, algorithm 1): ε is added after the bias correction.

Keras' Adam and TensorFlow's fused kernel add it before, and the kernel forms 1 − β₂ in float32, off by 1.3e-5. The
moments of all variables lie in one flat variable each: eleven operations a step instead of eleven per variable.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.training.checkpoint import STEP, require_moments
from ptycho_tf.network import from_canonical, to_canonical
from ptycho_tf.runtime import Tensor, tf

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam(tf.Module):
    """
    Adam over named variables.

    Args:
        parameters: canonical name to variable, all of one type.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(name="adam")
        self.names = tuple(parameters)
        self.targets = tuple(parameters.values())
        self.sizes = [int(np.prod(target.shape)) for target in self.targets]
        dtype = self.targets[0].dtype
        self.first = tf.Variable(tf.zeros(sum(self.sizes), dtype), trainable=False, name="m")
        self.second = tf.Variable(tf.zeros(sum(self.sizes), dtype), trainable=False, name="v")
        self.step_count = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")

    def step(self, gradients: Sequence[Tensor], learning_rate: Tensor) -> None:
        """
        One step, in place.

        Args:
            gradients: one per variable, in the order of `parameters`.
            learning_rate: float64 scalar.
        """
        dtype = self.first.dtype
        gradient = tf.concat([tf.reshape(item, [-1]) for item in gradients], axis=0)
        # In float64: in float32, 1 − β₂ᵗ loses four digits at the first steps.
        count = tf.cast(self.step_count.assign_add(1), tf.float64)
        rate = tf.cast(learning_rate / (1 - tf.pow(tf.constant(BETA1, tf.float64), count)), dtype)
        correction = tf.cast(tf.sqrt(1 - tf.pow(tf.constant(BETA2, tf.float64), count)), dtype)
        first = self.first.assign(BETA1 * self.first + (1 - BETA1) * gradient)
        second = self.second.assign(BETA2 * self.second + (1 - BETA2) * tf.square(gradient))
        change = rate * first / (tf.sqrt(second) / correction + EPSILON)
        for target, delta in zip(self.targets, tf.split(change, self.sizes), strict=True):
            target.assign_sub(tf.reshape(delta, target.shape))

    def export(self) -> dict[str, NDArray[Any]]:
        """`adam.m/NAME` and `adam.v/NAME` in canonical layout, and `adam.step`, int64."""
        state: dict[str, NDArray[Any]] = {STEP: np.asarray(self.step_count.numpy())}
        for letter, moment in (("m", self.first), ("v", self.second)):
            parts = np.split(moment.numpy(), np.cumsum(self.sizes)[:-1])
            for name, target, part in zip(self.names, self.targets, parts, strict=True):
                state[f"adam.{letter}/{name}"] = to_canonical(part.reshape(target.shape))
        return state

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """
        Take over what `export` returned.

        Raises:
            CheckpointError: listing each missing moment.
        """
        require_moments(state, self.names)
        self.step_count.assign(int(state[STEP]))
        for letter, moment in (("m", self.first), ("v", self.second)):
            parts = [from_canonical(np.asarray(state[f"adam.{letter}/{name}"])).ravel() for name in self.names]
            moment.assign(np.concatenate(parts).astype(moment.dtype.as_numpy_dtype))
