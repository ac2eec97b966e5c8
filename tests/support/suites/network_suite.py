"""The network against a NumPy transcription, its weights in and out, and its precision."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import ModelConfig
from ptycho.errors import CheckpointError
from ptycho.physics.weights import LOG_SCALE, Weights, shapes
from tests.support.distances import distance
from tests.support.small_problem import FOUR, ONE, expected_patches, lively_weights, make_batch
from tests.support.suites.backend import BackendUnderTest

SCALE = 31.25
MODELS = {
    "one channel": ONE,
    "group of four": FOUR,
    "no border": ModelConfig(filter_scale=1, probe_big=False),
    "N = 128": ModelConfig(filter_scale=1, side=128),
}


def build(backend: BackendUnderTest, model: ModelConfig, weights: Weights, precision: str = "f64") -> Any:
    network = backend.module("network").Network(model, SCALE, precision)
    network.load(weights)
    return network


def forward(backend: BackendUnderTest, network: Any, frames: NDArray[np.float32]) -> NDArray[Any]:
    return backend.array(network.forward(backend.tensor(frames)))


class NetworkSuite:
    @pytest.mark.parametrize("name", MODELS)
    def test_forward_is_the_numpy_network(self, name: str, backend: BackendUnderTest) -> None:
        model = MODELS[name]
        groups = 2 if model.side == 64 else 1
        network = build(backend, model, lively_weights(model))
        actual = forward(backend, network, make_batch(model, groups).diffraction)
        assert actual.dtype == np.complex128
        assert distance(actual, expected_patches(model, groups, SCALE)) < 1e-13

    def test_float32_and_bfloat16_stay_near(self, backend: BackendUnderTest) -> None:
        weights, frames, expected = lively_weights(ONE), make_batch(ONE, 2).diffraction, expected_patches(ONE, 2, SCALE)
        single, mixed = (forward(backend, build(backend, ONE, weights, name), frames) for name in ("f32", "bf16"))
        assert {single.dtype.name, mixed.dtype.name} == {"complex64"}
        assert distance(single, expected) < 1e-6
        assert 1e-4 < distance(mixed, expected) < 3e-2

    @pytest.mark.parametrize("planted", [(2, 3), (0, 1)], ids=["kernel transposed", "channels transposed"])
    def test_a_wrong_layout_is_noticed(self, planted: tuple[int, int], backend: BackendUnderTest) -> None:
        weights, name = lively_weights(ONE), "encoder.1.1.weight"
        turned = {**weights, name: np.ascontiguousarray(weights[name].swapaxes(*planted))}
        actual = forward(backend, build(backend, ONE, turned), make_batch(ONE, 2).diffraction)
        assert distance(actual, expected_patches(ONE, 2, SCALE)) > 1e-3

    def test_every_weight_moves_the_output(self, backend: BackendUnderTest) -> None:
        # In float32: half the time, and a hundredth more on a whole kernel moves the output by far more than its ulp.
        weights, frames = lively_weights(ONE), make_batch(ONE, 1).diffraction
        network = build(backend, ONE, weights, "f32")
        before = forward(backend, network, frames)
        unmoved = []
        for name, value in weights.items():
            network.load({**weights, name: value + 0.01})
            unmoved += [name] if distance(forward(backend, network, frames), before) < 1e-5 else []
        assert unmoved == []

    def test_float64_is_not_laundered_through_float32(self, backend: BackendUnderTest) -> None:
        actual = forward(backend, build(backend, ONE, lively_weights(ONE)), make_batch(ONE, 1).diffraction)
        # Each head by itself: their product has digits beyond float32 as long as one of them has.
        for head in (np.abs(actual), np.angle(actual)):
            assert np.mean(np.abs(head - head.astype(np.float32)) < 1e-13 * np.abs(head)) < 1e-3

    def test_weights_come_back_as_they_went_in(self, backend: BackendUnderTest) -> None:
        weights = lively_weights(FOUR)
        exported = build(backend, FOUR, weights).export()
        assert list(exported) == list(shapes(FOUR))
        assert all(np.array_equal(exported[name], weights[name]) for name in weights)

    def test_exported_weights_are_copies(self, backend: BackendUnderTest) -> None:
        weights = lively_weights(ONE)
        network = build(backend, ONE, weights)
        exported = network.export()
        network.load({name: value + 1 for name, value in weights.items()})
        assert all(np.array_equal(exported[name], weights[name]) for name in weights)

    def test_parameter_count(self, backend: BackendUnderTest) -> None:
        network = backend.module("network").Network(ModelConfig(), SCALE)
        sizes = {name: value.size for name, value in backend.trainable(network).items()}
        assert sum(sizes.values()) == 2_331_772
        assert LOG_SCALE not in sizes

    def test_the_scalar_w_is_trained_only_by_request(self, backend: BackendUnderTest) -> None:
        make = backend.module("network").Network
        frozen = make(ONE, SCALE)
        free = make(ModelConfig(filter_scale=1, intensity_scale_trainable=True), SCALE)
        assert set(backend.trainable(free)) - set(backend.trainable(frozen)) == {LOG_SCALE}

    def test_weights_of_another_model_are_refused(self, backend: BackendUnderTest) -> None:
        with pytest.raises(CheckpointError, match=r"encoder\.0\.0\.weight has shape \(32, 4, 3, 3\)"):
            build(backend, ONE, lively_weights(FOUR))
