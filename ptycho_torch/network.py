"""
The reference network in PyTorch, built from the core's table of convolutions.

Module names are chosen so that `state_dict` keys are the canonical weight names, and OIHW is PyTorch's own layout:
no mapping is needed on this side.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ptycho.config import ModelConfig
from ptycho.physics import weights as canonical
from ptycho.physics.architecture import BORDER_CHANNELS, KERNEL, Architecture, upsampling_taps
from ptycho.physics.forward import central_mask
from ptycho_torch.runtime import REAL, constant


class Convolution(nn.Conv2d):
    """A 3×3 convolution, zero padding 1; its weights are drawn by the core and loaded later."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, KERNEL, padding=1)

    def upsampled(self, x: Tensor) -> Tensor:
        """The convolution of the nearest-neighbour up-sampling of `x`, `(B, in, h, w)` -> `(B, out, 2h, 2w)`."""
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        split = functional.conv2d(x, fold_upsampling(self.weight), bias, padding=1)
        return functional.pixel_shuffle(split, 2)


def fold_upsampling(kernel: Tensor) -> Tensor:
    """
    The kernel that does on an image what `kernel` does on its up-sampling; see `architecture.upsampling_taps`.

    Args:
        kernel: `(out, in, 3, 3)`.

    Returns:
        `(4·out, in, 3, 3)`, to be followed by a pixel shuffle.
    """
    outputs, inputs = kernel.shape[:2]
    taps = constant(upsampling_taps, device=kernel.device, dtype=kernel.dtype).reshape(36, 9)
    folded = (kernel.reshape(-1, 9) @ taps.T).reshape(outputs, inputs, 2, 2, KERNEL, KERNEL)
    return folded.permute(0, 2, 3, 1, 4, 5).reshape(4 * outputs, inputs, KERNEL, KERNEL)


class Pair(nn.Sequential):
    """The two convolutions with ReLU that every block has."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(Convolution(inputs, outputs), Convolution(outputs, outputs))

    def forward(self, x: Tensor, *, upsample: bool = False) -> Tensor:
        """`(B, in, h, w)` -> `(B, out, h, w)`, twice the size where the input is to be up-sampled first."""
        first, second = self
        x = functional.relu(first.upsampled(x) if upsample else first(x), inplace=True)
        return functional.relu(second(x), inplace=True)


class Encoder(nn.Sequential):
    """Blocks of two convolutions, each followed by a max-pooling by 2."""

    def __init__(self, architecture: Architecture) -> None:
        widths = (architecture.channels, *architecture.encoder)
        super().__init__(*(Pair(inputs, outputs) for inputs, outputs in pairwise(widths)))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, N, N)` -> the code."""
        for pair in self:
            x = functional.max_pool2d(pair(x), 2)
        return x


class Decoder(nn.Module):
    """
    One head from the code.

    The central N/2 square comes from all but the last four channels of the last stage, the frame about it from those
    four: a probe's tails reach there, so its object must not be zero.

    Args:
        architecture: widths.
        side: N.
        activation: of the central square.
    """

    outside: Tensor

    def __init__(self, architecture: Architecture, side: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.activation = activation
        self.margin = side // 4
        self.parts = [architecture.inner_channels, *([BORDER_CHANNELS] if architecture.border else [])]
        self.pairs = [
            Pair(inputs, outputs) for inputs, outputs in pairwise((architecture.encoder[-1], *architecture.decoder))
        ]
        for index, pair in enumerate(self.pairs):
            self.add_module(str(index), pair)
        self.inner = Convolution(architecture.inner_channels, architecture.channels)
        self.border: nn.Sequential | None = None
        if architecture.border:
            self.border = nn.Sequential(Pair(BORDER_CHANNELS, architecture.border))
            self.outer = Convolution(architecture.border, architecture.channels)
            self.register_buffer("outside", torch.from_numpy(1 - central_mask(side)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, c, n, n)` code -> `(B, C, N, N)` real amplitude or phase."""
        # Out of the convolutions' type: activations and physics keep the precision of the weights.
        real = self.inner.weight.dtype
        for index, pair in enumerate(self.pairs):
            x = pair(x, upsample=index > 0)
        inner, *frame = x.split(self.parts, dim=1)
        centre = functional.pad(self.activation(self.inner.upsampled(inner).to(real)), (self.margin,) * 4)
        if self.border is None:
            return centre
        outer = self.outer.upsampled(self.border[0](frame[0], upsample=True)).to(real)
        return centre + functional.silu(outer) * self.outside


def phase_head(x: Tensor) -> Tensor:
    """π·tanh."""
    return math.pi * torch.tanh(x)


class Network(nn.Module):
    """
    Diffraction amplitude to complex object patches.

    Args:
        model: widths and options.
        scale: S, the initial intensity scale √nphotons / (N/2), a constant of the run.
        precision: `"f32"`, `"bf16"` (convolutions only) or `"f64"`.
    """

    def __init__(self, model: ModelConfig, scale: float, precision: str = "f32") -> None:
        super().__init__()
        architecture = Architecture.of(model)
        self.model = model
        self.scale = scale
        self.mixed = precision == "bf16"
        self.encoder = Encoder(architecture)
        self.amplitude = Decoder(architecture, model.side, torch.sigmoid)
        self.phase = Decoder(architecture, model.side, phase_head)
        self.log_intensity_scale = nn.Parameter(torch.zeros(()), requires_grad=model.intensity_scale_trainable)
        # Kernels lie in memory as oneDNN and cuDNN want them, or every step reorders them.
        self.to(REAL[precision]).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """
        Predict object patches.

        Args:
            x: `(B, C, N, N)` normalised amplitude X.

        Returns:
            `(B, C, N, N)` complex patches amp·exp(i·phase).
        """
        real = self.log_intensity_scale.dtype
        code = x.to(real) * (self.scale / torch.exp(self.log_intensity_scale))
        with self.narrow(x.device.type):
            code = self.encoder(code.contiguous(memory_format=torch.channels_last))
            amplitude, phase = self.amplitude(code), self.phase(code)
        # Not torch.polar: its gradient takes the modulus for positive, and the border's swish goes below zero.
        return torch.complex(amplitude * phase.cos(), amplitude * phase.sin()).contiguous()

    def narrow(self, device: str) -> torch.autocast:
        """Convolutions in bfloat16 inside of this context, if the network is mixed."""
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.mixed)

    def load(self, weights: canonical.Weights) -> None:
        """
        Take over canonical weights, cast to this network's type.

        Raises:
            CheckpointError: from `ptycho.physics.weights.check`.
        """
        canonical.check(weights, self.model)
        self.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})

    def export(self) -> dict[str, NDArray[np.floating]]:
        """Canonical weights in the precision of the run, as copies."""
        state = self.state_dict()
        return {name: state[name].detach().cpu().numpy().copy() for name in canonical.shapes(self.model)}
