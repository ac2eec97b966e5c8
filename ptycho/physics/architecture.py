"""
The reference network as a table: which convolutions there are, how wide, under which canonical name.

Both backends build their network from this one table, so a layer cannot be missing, wider or renamed in one of
them; what they do with it (padding, activation, order) is theirs, and is what the parity ladder compares.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho.config import ModelConfig

KERNEL = 3
BORDER_CHANNELS = 4
"""Channels of the decoder's last stage that feed the border path (`probe_big`)."""

DECODERS = ("amplitude", "phase")


@dataclass(frozen=True, kw_only=True)
class ConvolutionSpec:
    """
    One 3×3 convolution with bias.

    Attributes:
        name: canonical name; its parameters are `name.weight` `(out, in, 3, 3)` and `name.bias` `(out,)`.
        inputs: input channels.
        outputs: output channels.
    """

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """
    Channel widths of every stage of the network for one `ModelConfig`.

    Attributes:
        encoder: output channels of each encoder block.
        decoder: output channels of each up-sampling block of either decoder.
        border: width of the border path's block, or None without `probe_big`.
        channels: C, patterns per group: channels of the input and of either head.
    """

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    border: int | None
    channels: int

    @classmethod
    def of(cls, model: ModelConfig) -> "Architecture":
        """The widths of `reference network`: 32s..128s at N = 64, one block more for each doubling of N."""
        s, n = model.filter_scale, model.side
        widths = {64: (32, 64, 128), 128: (16, 32, 64, 128), 256: (8, 16, 32, 64, 128)}[n]
        ups = {64: (64, 32), 128: (128, 64, 32), 256: (256, 128, 64, 32)}[n]
        return cls(
            encoder=tuple(width * s for width in widths),
            decoder=tuple(width * s for width in ups),
            border=s * 2048 // n if model.probe_big else None,
            channels=model.channels,
        )

    @property
    def inner_channels(self) -> int:
        """Channels of the last decoder stage that feed the central N/2 square."""
        return self.decoder[-1] - (BORDER_CHANNELS if self.border else 0)

    def convolutions(self) -> Iterator[ConvolutionSpec]:
        """Every convolution, in the order in which the initial weights are drawn."""
        yield from _blocks("encoder", self.channels, self.encoder)
        for name in DECODERS:
            yield from _blocks(name, self.encoder[-1], self.decoder)
            yield ConvolutionSpec(name=f"{name}.inner", inputs=self.inner_channels, outputs=self.channels)
            if self.border:
                yield from _blocks(f"{name}.border", BORDER_CHANNELS, (self.border,))
                yield ConvolutionSpec(name=f"{name}.outer", inputs=self.border, outputs=self.channels)


def _blocks(name: str, inputs: int, widths: tuple[int, ...]) -> Iterator[ConvolutionSpec]:
    """Two convolutions a block: `name.K.0` and `name.K.1`."""
    for index, width in enumerate(widths):
        yield ConvolutionSpec(name=f"{name}.{index}.0", inputs=inputs, outputs=width)
        yield ConvolutionSpec(name=f"{name}.{index}.1", inputs=width, outputs=width)
        inputs = width


def upsampling_taps() -> NDArray[np.float64]:
    """
    `(2, 2, 3, 3, 9)`: which taps of a 3×3 kernel on the up-sampled image fall on which low-resolution pixel.

    With it both backends fold nearest-neighbour up-sampling by 2 into the convolution that follows (sub-pixel
    convolution, Shi et al. 2016): zero padding stays zero padding, so nothing changes but the order of additions, and
    the up-sampled image is never formed. Along one axis, output pixel 2i sees the low-resolution pixels i − 1, i, i and
    output pixel 2i + 1 sees i, i, i + 1.
    """
    axis = np.zeros((2, 3, 3))
    axis[0, (0, 1, 1), (0, 1, 2)] = 1
    axis[1, (1, 1, 2), (0, 1, 2)] = 1
    return np.asarray(np.einsum("atk,bul->abtukl", axis, axis).reshape(2, 2, 3, 3, 9))
