"""
Single operations of this backend under the names of `ptycho.parity.operations`, each as its own code applies it.

Activations, pooling, padding and the complex product are lines inside methods of the network. To ask for one of them
alone, its method runs here on a stand-in whose other parts pass everything through: the line itself is not copied,
so that a fault in it is a fault here. Images are channels first outside, channels last in the network.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.parity.case import Case
from ptycho_tf import assembly, loss, physics
from ptycho_tf.engine import TensorFlowEngine
from ptycho_tf.network import Network, spread
from ptycho_tf.runtime import Tensor, as_array, tf


class Operations:
    """
    The operations of an engine: methods take tensors by the argument names of a case, and its settings.

    Args:
        engine: whose heads, borders and probe they are.
    """

    def __init__(self, engine: TensorFlowEngine) -> None:
        self.engine = engine

    def perform(self, case: Case) -> NDArray[Any]:
        """The value of a case, or its gradient to one argument."""
        given = {name: tf.constant(value) for name, value in case.given.items()}
        operation = getattr(self, case.operation)
        if case.to is None:
            return np.array(as_array(operation(**given, **case.settings)), order="C")
        with tf.GradientTape() as tape:
            tape.watch(given[case.to])
            value = operation(**given, **case.settings)
        upstream = tf.ones_like(value) if case.upstream is None else tf.constant(case.upstream, value.dtype)
        gradient = tape.gradient(value, given[case.to], output_gradients=tf.broadcast_to(upstream, value.shape))
        return np.array(as_array(gradient), order="C")

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """A convolution of the network."""
        return _first(Network.convolve(_weights(x, kernel, bias), "a", _last(x)))

    def upsampled(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """The convolution with the up-sampling folded in."""
        return _first(spread(Network.convolve(_weights(x, kernel, bias), "a", _last(x), upsample=True)))

    def rectify(self, x: Tensor) -> Tensor:
        """Return what follows a convolution in a block."""
        stand_in: Any = SimpleNamespace(convolve=_pass)
        return _first(Network.pair(stand_in, "a", _last(x)))

    def pool(self, x: Tensor) -> Tensor:
        """Return what follows a block of the encoder."""
        stand_in: Any = SimpleNamespace(architecture=SimpleNamespace(encoder=(1,)), pair=_pass)
        return _first(Network.encode(stand_in, _last(x)))

    def amplitude_head(self, x: Tensor) -> Tensor:
        """The amplitude's activation."""
        return self._activations()["amplitude"](x)

    def phase_head(self, x: Tensor) -> Tensor:
        """The phase's activation."""
        return self._activations()["phase"](x)

    def _activations(self) -> dict[str, Any]:
        found = {}

        def decode(name: str, code: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
            found[name] = activation
            return code

        self._forward(decode, tf.zeros((1, 1, 1, 1), tf.float64))
        return found

    def join(self, inner: Tensor, outer: Tensor) -> Tensor:
        """Padded centre and masked border, both before their last activation; the centre's is left out."""
        packed = {"a.inner": _packed(_last(inner)), "a.outer": _packed(_last(outer))}
        stand_in: Any = SimpleNamespace(
            architecture=SimpleNamespace(decoder=(1,), border=True),
            parts=[1, 1],
            pair=_pass,
            convolve=lambda name, _x, **_upsample: packed[name],
            _real=lambda x: x,
            model=self.engine.model,
            outside=self.engine.network.outside,
        )
        return _first(Network.decode(stand_in, "a", tf.zeros((1, 1, 1, 2)), lambda x: x))

    def compose(self, amplitude: Tensor, phase: Tensor) -> Tensor:
        """Complex patches from the two heads."""
        heads = {"amplitude": _last(amplitude), "phase": _last(phase)}
        return self._forward(lambda name, _code, _activation: heads[name], tf.zeros((1, 1, 1, 1), amplitude.dtype))

    def scaled_input(self, x: Tensor, w: Tensor, scale: float) -> Tensor:
        """Return what the encoder is given."""
        seen = []

        def encode(code: Tensor) -> Tensor:
            seen.append(code)
            return code

        self._forward(lambda _name, code, _activation: code, x, encode, w, scale)
        return _first(seen[0])

    def _forward(
        self, decode: Any, x: Tensor, encode: Any = lambda x: x, w: Tensor | float = 0.0, scale: float = 1.0
    ) -> Tensor:
        stand_in: Any = SimpleNamespace(
            scale=scale,
            log_scale=tf.cast(w, tf.float64),
            real=x.dtype,
            convolution=x.dtype,
            encode=encode,
            decode=decode,
        )
        return Network.forward(stand_in, x)

    def exit_wave(self, objects: Tensor, probe: Tensor) -> Tensor:
        """P·O."""
        return physics.exit_wave(objects, probe)

    def intensity(self, objects: Tensor, probe: Tensor) -> Tensor:
        """The far field."""
        return physics.intensity(objects, probe)

    def amplitude(self, objects: Tensor, probe: Tensor) -> Tensor:
        """Its root."""
        return physics.amplitude(objects, probe)

    def illumination(self, objects: Tensor) -> Tensor:
        """Objects under the probe as the engine holds it."""
        return physics.exit_wave(objects, tf.cast(self.engine.probe, objects.dtype))

    def placements(self, coords_relative: Tensor, like: Tensor, canvas: int, side: int) -> Tensor:
        """Both translation matrices, rows first."""
        return tf.stack(assembly.placements(coords_relative, canvas, side, like.dtype))

    def assemble(self, patches: Tensor, coords_relative: Tensor, gridsize: int) -> Tensor:
        """Patches to canvas."""
        return assembly.assemble(patches, coords_relative, gridsize)

    def extract(self, canvas: Tensor, coords_relative: Tensor, side: int) -> Tensor:
        """Canvas to patches."""
        return assembly.extract(canvas, coords_relative, side)

    def consistent(self, patches: Tensor, coords_relative: Tensor, gridsize: int) -> Tensor:
        """Patches to patches."""
        return assembly.consistent(patches, coords_relative, gridsize)

    def nll(self, rate: Tensor, counts: Tensor, epsilon: float) -> Tensor:
        """The likelihood."""
        return loss.poisson_nll(rate, counts, epsilon)

    def deviance(self, rate: Tensor, counts: Tensor, epsilon: float) -> Tensor:
        """The deviance."""
        return loss.poisson_deviance(rate, counts, epsilon)

    def mae(self, rate: Tensor, diffraction: Tensor, scale: float) -> Tensor:
        """The amplitude's error."""
        return loss.amplitude_mae(rate, diffraction, scale)

    def variation(self, patches: Tensor) -> Tensor:
        """The total variation."""
        return loss.total_variation(patches)

    def terms(self, **given: Any) -> Tensor:
        """All terms of the objective: nll, mae, variation, total, deviance."""
        made = loss.terms(**given)
        return tf.stack([made.nll, made.mae, made.variation, made.total, made.deviance])


def _pass(_name: str, x: Tensor, **_upsample: bool) -> Tensor:
    """In place of a convolution or a block."""
    return x


def _weights(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    parameters = {"a.weight": tf.transpose(kernel, (2, 3, 1, 0)), "a.bias": bias}
    return SimpleNamespace(parameters=parameters, convolution=x.dtype)


def _packed(x: Tensor) -> Tensor:
    """`(B, 2H, 2W, C)` -> `(B, H, W, 4·C)`: what a convolution of the up-sampled image leaves to be spread."""
    _, height, width, channels = x.shape
    cells = tf.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))
    return tf.reshape(tf.transpose(cells, (0, 1, 3, 2, 4, 5)), (-1, height // 2, width // 2, 4 * channels))


def _last(x: Tensor) -> Tensor:
    return tf.transpose(x, (0, 2, 3, 1))


def _first(x: Tensor) -> Tensor:
    return tf.transpose(x, (0, 3, 1, 2))
