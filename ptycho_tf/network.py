"""
The reference network on raw `tf.nn` operations and plain variables.

Keras is left out on purpose: its layers cast float64 inputs to float32, its saved weights are aligned by position, and
loading it takes longer than the first epoch. Inside, tensors are NHWC, the layout that oneDNN and cuDNN want;
outside, patterns and patches are `(B, C, N, N)` and weights canonical (OIHW).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import ModelConfig
from ptycho.physics.architecture import BORDER_CHANNELS, Architecture, upsampling_taps
from ptycho.physics.forward import central_mask
from ptycho.physics.weights import LOG_SCALE, Weights, check, shapes
from ptycho_tf.runtime import Tensor, tf

REAL = {"f32": tf.float32, "bf16": tf.float32, "f64": tf.float64}
"""Type of weights, heads and physics by precision; the loss is float64 in all of them."""

CONVOLUTION = {"f32": tf.float32, "bf16": tf.bfloat16, "f64": tf.float64}
"""Type in which the convolutions multiply by precision."""


def to_canonical(value: NDArray[Any]) -> NDArray[Any]:
    """A kernel HWIO -> OIHW; anything else as it is."""
    return np.ascontiguousarray(value.transpose(3, 2, 0, 1)) if value.ndim == 4 else value


def from_canonical(value: NDArray[Any]) -> NDArray[Any]:
    """A kernel OIHW -> HWIO; anything else as it is."""
    return np.ascontiguousarray(value.transpose(2, 3, 1, 0)) if value.ndim == 4 else value


def fold_upsampling(kernel: Tensor) -> Tensor:
    """
    The kernel that does on an image what `kernel` does on its up-sampling; see `architecture.upsampling_taps`.

    Its four groups of outputs are the four pixels into which each pixel is split. The up-sampled image, whose copying
    and gradient cost as much as a fifth of a step, is never formed.

    Args:
        kernel: `(3, 3, in, out)`.

    Returns:
        `(3, 3, in, 4·out)`, to be followed by `spread`.
    """
    inputs, outputs = kernel.shape[2:]
    phases = tf.constant(upsampling_taps().reshape(36, 9), kernel.dtype)
    folded = tf.reshape(tf.matmul(phases, tf.reshape(kernel, (9, -1))), (2, 2, 3, 3, inputs, outputs))
    return tf.reshape(tf.transpose(folded, (2, 3, 4, 0, 1, 5)), (3, 3, inputs, 4 * outputs))


def spread(x: Tensor) -> Tensor:
    """`(B, H, W, 4·C)` -> `(B, 2H, 2W, C)`: the four pixels of each pixel to their places."""
    height, width, channels = x.shape[1:]
    split = tf.reshape(x, (-1, height, width, 2, 2, channels // 4))
    return tf.reshape(tf.transpose(split, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, channels // 4))


class Network(tf.Module):
    """
    Diffraction amplitudes to object patches.

    Args:
        model: widths, paths and side of the network.
        scale: S, the initial intensity scale √nphotons / (N/2), a constant of the run.
        precision: `"f32"`, `"bf16"` (convolutions only) or `"f64"`.
    """

    def __init__(self, model: ModelConfig, scale: float, precision: str = "f32") -> None:
        super().__init__(name="network")
        self.model = model
        self.architecture = Architecture.of(model)
        self.real, self.convolution = REAL[precision], CONVOLUTION[precision]
        self.scale = scale
        self.parts = [self.architecture.inner_channels, *([BORDER_CHANNELS] if self.architecture.border else [])]
        self.outside = tf.constant(1 - central_mask(model.side)[:, :, None], self.real)
        self.parameters = {
            name: tf.Variable(
                from_canonical(np.zeros(shape)),
                dtype=self.real,
                trainable=name != LOG_SCALE or model.intensity_scale_trainable,
                name=name,
            )
            for name, shape in shapes(model).items()
        }

    @property
    def log_scale(self) -> Tensor:
        """The scalar w, as the float64 tensor that physics and loss use."""
        return tf.cast(self.parameters[LOG_SCALE], tf.float64)

    def forward(self, x: Tensor) -> Tensor:
        """
        Predict object patches.

        Args:
            x: `(B, C, N, N)` normalised diffraction amplitude X.

        Returns:
            `(B, C, N, N)` complex patches amplitude·exp(i·phase), complex64 or complex128.
        """
        gain = tf.cast(self.scale / tf.exp(self.log_scale), self.real)
        scaled = tf.transpose(tf.cast(x, self.real) * gain, (0, 2, 3, 1))
        code = self.encode(tf.cast(scaled, self.convolution))
        amplitude = self.decode("amplitude", code, tf.nn.sigmoid)
        phase = self.decode("phase", code, lambda z: math.pi * tf.tanh(z))
        patches = tf.complex(amplitude * tf.cos(phase), amplitude * tf.sin(phase))
        return tf.transpose(patches, (0, 3, 1, 2))

    def encode(self, x: Tensor) -> Tensor:
        """`(B, N, N, C)` -> the code, one pooling by 2 a block."""
        for index in range(len(self.architecture.encoder)):
            x = tf.nn.max_pool2d(self.pair(f"encoder.{index}", x), 2, 2, "VALID")
        return x

    def decode(self, name: str, code: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        """
        One head from the code.

        The central N/2 square comes from all but the last four channels of the last stage, the frame about it from
        those four: a probe's tails reach there, so its object must not be zero.

        Args:
            name: `"amplitude"` or `"phase"`.
            code: output of `encode`.
            activation: of the central square.

        Returns:
            `(B, N, N, C)` real.
        """
        x = self.pair(f"{name}.0", code)
        for index in range(1, len(self.architecture.decoder)):
            x = self.pair(f"{name}.{index}", x, upsample=True)
        parts = tf.split(x, self.parts, axis=-1)
        inner = self._real(self.convolve(f"{name}.inner", parts[0], upsample=True))
        quarter = self.model.side // 4
        centre = tf.pad(spread(activation(inner)), ((0, 0), (quarter, quarter), (quarter, quarter), (0, 0)))
        if not self.architecture.border:
            return centre
        frame = self.pair(f"{name}.border.0", parts[1], upsample=True)
        outer = spread(self._real(self.convolve(f"{name}.outer", frame, upsample=True)))
        return centre + outer * tf.sigmoid(outer) * self.outside

    def load(self, weights: Weights) -> None:
        """
        Take over canonical weights.

        Raises:
            CheckpointError: from `ptycho.physics.weights.check`.
        """
        check(weights, self.model)
        for name, variable in self.parameters.items():
            variable.assign(from_canonical(np.asarray(weights[name], dtype=self.real.as_numpy_dtype)))

    def export(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Canonical weights in the precision of the run."""
        return {name: to_canonical(variable.numpy()) for name, variable in self.parameters.items()}

    def convolve(self, name: str, x: Tensor, *, upsample: bool = False) -> Tensor:
        """3×3 convolution with bias, zero padding of one pixel; of the up-sampled image, its output yet to `spread`."""
        kernel, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        if upsample:
            kernel, bias = fold_upsampling(kernel), tf.tile(bias, (4,))
        product = tf.nn.conv2d(x, tf.cast(kernel, self.convolution), strides=1, padding="SAME")
        return tf.nn.bias_add(product, tf.cast(bias, self.convolution))

    def pair(self, name: str, x: Tensor, *, upsample: bool = False) -> Tensor:
        """The two convolutions with ReLU that every block has, after an up-sampling where asked for."""
        x = tf.nn.relu(self.convolve(f"{name}.0", x, upsample=upsample))
        return tf.nn.relu(self.convolve(f"{name}.1", spread(x) if upsample else x))

    def _real(self, x: Tensor) -> Tensor:
        """Out of the convolutions' type: activations and physics keep the precision of the weights."""
        return tf.cast(x, self.real)
