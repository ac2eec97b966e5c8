"""The network against a NumPy transcription, its weights in and out, and its precision."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy_network as reference
import pytest
from numpy.typing import NDArray

from ptycho.config import ModelConfig
from ptycho.engine import Batch
from ptycho.errors import CheckpointError
from ptycho.weights import LOG_SCALE, shapes

pytestmark = pytest.mark.usefixtures("one_thread")

SCALE = 31.25
Drawn = Callable[[ModelConfig], dict[str, NDArray[np.float64]]]
MODELS = {
    "one channel": ModelConfig(filter_scale=1),
    "group of four": ModelConfig(filter_scale=1, gridsize=2),
    "no border": ModelConfig(filter_scale=1, probe_big=False),
    "N = 128": ModelConfig(filter_scale=1, side=128),
}


def build(model: ModelConfig, weights: dict[str, NDArray[np.float64]], precision: str = "f64") -> Any:
    from ptycho_tf.network import Network

    network = Network(model, SCALE, precision)
    network.load(weights)
    return network


@pytest.mark.parametrize("name", MODELS)
def test_forward_is_the_numpy_network(name: str, lively_weights: Drawn, make_batch: Callable[..., Batch]) -> None:
    model = MODELS[name]
    weights, frames = lively_weights(model), make_batch(model, 2).diffraction
    expected = reference.forward(frames.astype(np.float64), weights, model, SCALE)
    assert reference.distance(build(model, weights).forward(frames).numpy(), expected) < 1e-13


def test_float32_and_bfloat16_stay_near(lively_weights: Drawn, make_batch: Callable[..., Batch]) -> None:
    model = MODELS["one channel"]
    weights, frames = lively_weights(model), make_batch(model, 2).diffraction
    expected = reference.forward(frames.astype(np.float64), weights, model, SCALE)
    single = build(model, weights, "f32").forward(frames).numpy()
    mixed = build(model, weights, "bf16").forward(frames).numpy()
    assert (single.dtype, mixed.dtype) == (np.complex64, np.complex64)
    assert reference.distance(single, expected) < 1e-6
    assert 1e-4 < reference.distance(mixed, expected) < 3e-2


def test_a_transposed_kernel_is_noticed(lively_weights: Drawn, make_batch: Callable[..., Batch]) -> None:
    model = MODELS["one channel"]
    weights, frames = lively_weights(model), make_batch(model, 1).diffraction
    expected = reference.forward(frames.astype(np.float64), weights, model, SCALE)
    turned = {**weights, "encoder.1.0.weight": weights["encoder.1.0.weight"].swapaxes(2, 3)}
    assert reference.distance(build(model, turned).forward(frames).numpy(), expected) > 1e-3


def test_every_weight_moves_the_output(lively_weights: Drawn, make_batch: Callable[..., Batch]) -> None:
    model = MODELS["one channel"]
    weights, frames = lively_weights(model), make_batch(model, 1).diffraction
    network = build(model, weights)
    before = network.forward(frames).numpy()
    dead = []
    for name, value in weights.items():
        network.parameters[name].assign(network.parameters[name] + 0.01)
        dead += [name] if np.array_equal(network.forward(frames).numpy(), before) else []
        network.load({**weights, name: value})
    assert dead == []


def test_float64_is_not_laundered_through_float32(lively_weights: Drawn, make_batch: Callable[..., Batch]) -> None:
    model = MODELS["one channel"]
    network = build(model, lively_weights(model))
    output = network.forward(make_batch(model, 1).diffraction).numpy()
    assert output.dtype == np.complex128
    # The border's share is all of float64 there is outside the central square; zeros cannot occur with it.
    assert np.mean(output.real == output.real.astype(np.float32)) < 1e-3


def test_weights_come_back_as_they_went_in(lively_weights: Drawn) -> None:
    model = MODELS["group of four"]
    weights = lively_weights(model)
    exported = build(model, weights).export()
    assert list(exported) == list(shapes(model))
    assert all(np.array_equal(exported[name], weights[name]) for name in weights)


def test_parameter_count() -> None:
    from ptycho_tf.network import Network

    network = Network(ModelConfig(), SCALE)
    sizes = {name: int(np.prod(variable.shape)) for name, variable in network.parameters.items()}
    assert sizes.pop(LOG_SCALE) == 1
    assert sum(sizes.values()) == 2_331_772


def test_the_scalar_w_is_trained_only_by_request() -> None:
    from ptycho_tf.network import Network

    frozen = Network(ModelConfig(filter_scale=1), SCALE)
    free = Network(ModelConfig(filter_scale=1, intensity_scale_trainable=True), SCALE)
    assert len(free.trainable_variables) == len(frozen.trainable_variables) + 1
    assert not frozen.parameters[LOG_SCALE].trainable


def test_folded_kernel_equals_convolution_of_the_upsampled_image() -> None:
    from ptycho_tf.network import fold_upsampling, from_canonical, spread
    from ptycho_tf.runtime import tf

    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(2, 5, 7, 6)), rng.normal(size=(3, 5, 3, 3))
    expected = reference.convolve(reference.upsample(image), kernel, np.zeros(3))
    folded = fold_upsampling(tf.constant(from_canonical(kernel)))
    low = tf.nn.conv2d(tf.constant(image.transpose(0, 2, 3, 1)), folded, strides=1, padding="SAME")
    assert reference.distance(spread(low).numpy().transpose(0, 3, 1, 2), expected) < 1e-15


def test_weights_of_another_model_are_refused(lively_weights: Drawn) -> None:
    with pytest.raises(CheckpointError, match=r"encoder\.0\.0\.weight has shape \(32, 4, 3, 3\)"):
        build(MODELS["one channel"], lively_weights(MODELS["group of four"]))
