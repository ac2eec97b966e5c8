"""
The reference network in PyTorch, built from the core's table of convolutions.

Module names are chosen so that `state_dict` keys are the canonical weight names, and OIHW is PyTorch's own layout:
no mapping is needed on this side.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ptycho import weights as canonical
from ptycho.architecture import BORDER_CHANNELS, KERNEL, Architecture
from ptycho.config import ModelConfig
from ptycho.physics import central_mask
from ptycho_torch.runtime import REAL


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3×3 convolution, stride 1, zero padding 1; its weights are drawn by the core and loaded later."""
    return nn.Conv2d(inputs, outputs, KERNEL, padding=1)


class Blocks(nn.Module):
    """A chain of blocks, each conv-ReLU-conv-ReLU and then a change of resolution."""

    def __init__(self, inputs: int, widths: tuple[int, ...], resample: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.resample = resample
        for index, width in enumerate(widths):
            pair = nn.Sequential(convolution(inputs, width), convolution(width, width))
            self.add_module(str(index), pair)
            inputs = width

    def run(self, x: Tensor) -> Tensor:
        """Apply the numbered blocks only: a decoder has further children."""
        for name, pair in self.named_children():
            if name.isdecimal():
                for layer in pair.children():
                    x = functional.relu(layer(x), inplace=True)
                x = self.resample(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """`(B, c, n, n)` -> `(B, widths[-1], n', n')`."""
        return self.run(x)


def downsample(x: Tensor) -> Tensor:
    """Max-pool 2×2, stride 2."""
    return functional.max_pool2d(x, 2)


def upsample(x: Tensor) -> Tensor:
    """Nearest neighbour ×2."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Decoder(Blocks):
    """
    One decoder: up-sampling blocks, the head on the central N/2 square, and the border path around it.

    Args:
        architecture: widths.
        side: N.
        head: activation of the central square.
    """

    border_mask: Tensor

    def __init__(self, architecture: Architecture, side: int, head: Callable[[Tensor], Tensor]) -> None:
        super().__init__(architecture.encoder[-1], architecture.decoder, upsample)
        self.head = head
        self.margin = side // 4
        self.inner_channels = architecture.inner_channels
        self.inner = convolution(architecture.inner_channels, architecture.channels)
        self.border: Blocks | None = None
        if architecture.border:
            self.border = Blocks(BORDER_CHANNELS, (architecture.border,), upsample)
            self.outer = convolution(architecture.border, architecture.channels)
            self.register_buffer("border_mask", torch.from_numpy(1 - central_mask(side)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, c, n, n)` code -> `(B, C, N, N)` real amplitude or phase."""
        features = self.run(x)
        # Out of the convolutions' type: activations and physics keep the precision of the weights.
        real = self.inner.weight.dtype
        inner = self.head(self.inner(features[:, : self.inner_channels]).to(real))
        padded = functional.pad(inner, (self.margin,) * 4)
        if self.border is None:
            return padded
        border = self.outer(self.border(features[:, self.inner_channels :])).to(real)
        return padded + functional.silu(border) * self.border_mask


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
        self.encoder = Blocks(architecture.channels, architecture.encoder, downsample)
        self.amplitude = Decoder(architecture, model.side, torch.sigmoid)
        self.phase = Decoder(architecture, model.side, phase_head)
        self.log_intensity_scale = nn.Parameter(torch.zeros(()), requires_grad=model.intensity_scale_trainable)
        self.to(REAL[precision])

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
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            code = self.encoder(code.contiguous(memory_format=torch.channels_last))
            amplitude, phase = self.amplitude(code), self.phase(code)
        # Not torch.polar: its gradient takes the modulus for positive, and the border's swish goes below zero.
        return torch.complex(amplitude * phase.cos(), amplitude * phase.sin()).contiguous()

    def load(self, weights: canonical.Weights) -> None:
        """
        Take over canonical weights, cast to this network's type.

        Raises:
            CheckpointError: from `ptycho.weights.check`.
        """
        canonical.check(weights, self.model)
        self.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})

    def export(self) -> dict[str, NDArray[np.floating]]:
        """Canonical weights in the precision of the run, as copies."""
        state = self.state_dict()
        return {name: state[name].detach().cpu().numpy().copy() for name in canonical.shapes(self.model)}
