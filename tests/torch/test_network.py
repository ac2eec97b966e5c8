"""The shared network suite with PyTorch, and the memory format of its convolutions."""

from typing import Any

import pytest
from backend import BackendUnderTest
from network_suite import SCALE, NetworkSuite
from small_problem import FOUR, lively_weights, make_batch


class TestNetwork(NetworkSuite):
    @pytest.mark.parametrize("precision", ["f32", "bf16"])
    def test_every_convolution_is_fed_channels_last(self, precision: str, backend: BackendUnderTest) -> None:
        import torch

        network = backend.module("network").Network(FOUR, SCALE, precision)
        network.load(lively_weights(FOUR))
        formats: dict[str, bool] = {}

        def note(name: str) -> Any:
            def hook(_: Any, inputs: Any) -> None:
                formats[name] = inputs[0].is_contiguous(memory_format=torch.channels_last)

            return hook

        layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, torch.nn.Conv2d)}
        for name, layer in layers.items():
            layer.register_forward_pre_hook(note(name))
        network.forward(backend.tensor(make_batch(FOUR, 2).diffraction))
        # A slice of channels is taken for the two paths of the last stage: their first layers get a strided view.
        sliced = {f"{decoder}.{path}" for decoder in ("amplitude", "phase") for path in ("inner", "border.0.0")}
        assert set(formats) == set(layers)
        assert {name for name, last in formats.items() if not last} <= sliced
