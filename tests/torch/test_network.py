"""The shared network suite with PyTorch, and the memory format of its convolutions."""

from typing import Any

import pytest

from tests.support.small_problem import FOUR, lively_weights, make_batch
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.network_suite import SCALE, NetworkSuite


class TestNetwork(NetworkSuite):
    @pytest.mark.parametrize("precision", ["f32", "bf16"])
    def test_every_convolution_is_fed_channels_last(
        self, precision: str, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch
        from torch.nn import functional

        network = backend.module("network").Network(FOUR, SCALE, precision)
        network.load(lively_weights(FOUR))
        formats: list[bool] = []
        convolve = functional.conv2d

        def noted(x: Any, *arguments: Any, **options: Any) -> Any:
            # A slice of channels, which the two paths of the last stage take, keeps the channels side by side.
            formats.append(x.stride(1) == 1)
            return convolve(x, *arguments, **options)

        monkeypatch.setattr(functional, "conv2d", noted)
        network.forward(backend.tensor(make_batch(FOUR, 2).diffraction))
        layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
        assert formats == [True] * len(layers)
