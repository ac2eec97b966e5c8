"""The table of the reference network: widths, names and order of its convolutions, written out by hand."""

import pytest

from ptycho.config import ModelConfig
from ptycho.physics.architecture import Architecture, ConvolutionSpec


@pytest.mark.parametrize(
    ("side", "encoder", "decoder", "border"),
    [
        (64, (64, 128, 256), (128, 64), 64),
        (128, (32, 64, 128, 256), (256, 128, 64), 32),
        (256, (16, 32, 64, 128, 256), (512, 256, 128, 64), 16),
    ],
)
def test_widths_of_the_reference_network(
    side: int, encoder: tuple[int, ...], decoder: tuple[int, ...], border: int
) -> None:
    expected = Architecture(encoder=encoder, decoder=decoder, border=border, channels=1)
    assert expected == Architecture.of(ModelConfig(side=side))


def test_every_convolution_at_n_64() -> None:
    decoder = [
        ("0.0", 256, 128),
        ("0.1", 128, 128),
        ("1.0", 128, 64),
        ("1.1", 64, 64),
        ("inner", 60, 1),
        ("border.0.0", 4, 64),
        ("border.0.1", 64, 64),
        ("outer", 64, 1),
    ]
    expected = [
        ("encoder.0.0", 1, 64),
        ("encoder.0.1", 64, 64),
        ("encoder.1.0", 64, 128),
        ("encoder.1.1", 128, 128),
        ("encoder.2.0", 128, 256),
        ("encoder.2.1", 256, 256),
        *((f"amplitude.{name}", inputs, outputs) for name, inputs, outputs in decoder),
        *((f"phase.{name}", inputs, outputs) for name, inputs, outputs in decoder),
    ]
    listed = [ConvolutionSpec(name=name, inputs=inputs, outputs=outputs) for name, inputs, outputs in expected]
    assert listed == list(Architecture.of(ModelConfig()).convolutions())


def test_without_border_the_inner_path_has_every_channel() -> None:
    architecture = Architecture.of(ModelConfig(probe_big=False))
    assert (architecture.border, architecture.inner_channels) == (None, 64)
    assert not [conv.name for conv in architecture.convolutions() if "border" in conv.name or "outer" in conv.name]


def test_gridsize_2_has_four_channels_in_and_out() -> None:
    convolutions = {conv.name: conv for conv in Architecture.of(ModelConfig(gridsize=2)).convolutions()}
    outputs = {name: conv.outputs for name, conv in convolutions.items() if name.endswith(("inner", "outer"))}
    assert convolutions["encoder.0.0"].inputs == 4
    assert outputs == {"amplitude.inner": 4, "amplitude.outer": 4, "phase.inner": 4, "phase.outer": 4}


@pytest.mark.parametrize("side", [64, 128, 256])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_widths_grow_with_the_filter_scale(side: int, scale: int) -> None:
    single, scaled = (Architecture.of(ModelConfig(side=side, filter_scale=s)) for s in (1, scale))
    assert tuple(scale * width for width in single.encoder) == scaled.encoder
    assert tuple(scale * width for width in single.decoder) == scaled.decoder
    assert scale * 2048 // side == scaled.border
