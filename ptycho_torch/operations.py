"""
Single operations of this backend under the names of `ptycho.parity.operations`, each as its own code applies it.

Activations, pooling, padding and the complex product are lines inside methods of the network. To ask for one of them
alone, its method runs here on a stand-in whose other parts pass everything through: the line itself is not copied,
so that a fault in it is a fault here.
"""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho.parity.case import Case
from ptycho_torch import assembly, loss, physics
from ptycho_torch.engine import TorchEngine
from ptycho_torch.network import Convolution, Decoder, Encoder, Network, Pair
from ptycho_torch.runtime import as_array


class Operations:
    """
    The operations of an engine: methods take tensors by the argument names of a case, and its settings.

    Args:
        engine: whose heads, borders and probe they are.
    """

    def __init__(self, engine: TorchEngine) -> None:
        self.engine = engine

    def perform(self, case: Case) -> NDArray[Any]:
        """The value of a case, or its gradient to one argument."""
        given: dict[str, Any] = {name: self._tensor(value) for name, value in case.given.items()}
        if case.to is not None:
            given[case.to].requires_grad_()
        value = getattr(self, case.operation)(**given, **case.settings)
        if case.to is not None:
            upstream = torch.ones_like(value) if case.upstream is None else self._tensor(case.upstream)
            (value,) = torch.autograd.grad(value, given[case.to], upstream.expand_as(value))
        return np.array(as_array(value), order="C")

    def _tensor(self, value: Any) -> Tensor:
        return torch.from_numpy(np.array(value)).to(self.engine.device)

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """A convolution of the network."""
        return _convolution(kernel, bias)(x.contiguous(memory_format=torch.channels_last))

    def upsampled(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """The convolution with the up-sampling folded in."""
        return _convolution(kernel, bias).upsampled(x.contiguous(memory_format=torch.channels_last))

    def rectify(self, x: Tensor) -> Tensor:
        """Return what follows a convolution in a block."""
        stand_in: Any = (_copy, _copy)
        return Pair.forward(stand_in, x)

    def pool(self, x: Tensor) -> Tensor:
        """Return what follows a block of the encoder."""
        stand_in: Any = (_copy,)
        return Encoder.forward(stand_in, x)

    def amplitude_head(self, x: Tensor) -> Tensor:
        """The amplitude's activation."""
        return self.engine.network.amplitude.activation(x)

    def phase_head(self, x: Tensor) -> Tensor:
        """The phase's activation."""
        return self.engine.network.phase.activation(x)

    def join(self, inner: Tensor, outer: Tensor) -> Tensor:
        """Padded centre and masked border, both before their last activation; the centre's is left out."""
        own = self.engine.network.amplitude
        stand_in: Any = SimpleNamespace(
            pairs=[],
            parts=[1, 1],
            activation=lambda x: x,
            margin=own.margin,
            inner=SimpleNamespace(weight=inner, upsampled=lambda _: inner),
            border=[lambda x, **_upsample: x],
            outer=SimpleNamespace(upsampled=lambda _: outer),
            outside=own.outside,
        )
        return Decoder.forward(stand_in, torch.zeros(1, 2, 1, 1, device=inner.device))

    def compose(self, amplitude: Tensor, phase: Tensor) -> Tensor:
        """Complex patches from the two heads."""
        blank = torch.zeros(1, 1, 1, 1, device=amplitude.device)
        return Network.forward(_network(lambda _: amplitude, lambda _: phase, blank), blank)

    def scaled_input(self, x: Tensor, w: Tensor, scale: float) -> Tensor:
        """Return what the encoder is given."""
        seen: list[Tensor] = []

        def keep(code: Tensor) -> Tensor:
            seen.append(code)
            return code

        stand_in = _network(lambda code: code, lambda code: code, x)
        stand_in.scale, stand_in.log_intensity_scale, stand_in.encoder = scale, w, keep
        Network.forward(stand_in, x)
        return seen[0]

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
        return physics.exit_wave(objects, self.engine.probe)

    def placements(self, coords_relative: Tensor, like: Tensor, canvas: int, side: int) -> Tensor:
        """Both translation matrices, rows first."""
        return torch.stack(assembly.placements(coords_relative, canvas, side, like.dtype))

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
        return torch.stack([made.nll, made.mae, made.variation, made.total, made.deviance])


def _copy(x: Tensor) -> Tensor:
    """In place of a convolution; a copy, since what follows works in place."""
    return x.clone()


def _convolution(kernel: Tensor, bias: Tensor) -> Any:
    layer: Any = Convolution(kernel.shape[1], kernel.shape[0])
    del layer.weight, layer.bias
    layer.weight, layer.bias = kernel.contiguous(memory_format=torch.channels_last), bias
    return layer


def _network(amplitude: Any, phase: Any, like: Tensor) -> Any:
    return SimpleNamespace(
        log_intensity_scale=torch.zeros((), dtype=torch.float64, device=like.device),
        scale=1.0,
        narrow=lambda _device: nullcontext(),
        encoder=lambda code: code,
        amplitude=amplitude,
        phase=phase,
    )
