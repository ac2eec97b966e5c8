"""The oracle network: its gradient against differences, its layers against each other, and a planted fault."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import ModelConfig
from ptycho.physics import network
from ptycho.physics.weights import shapes
from tests.support.small_problem import FOUR, ONE, lively_weights, make_batch

SCALE = 31.25
NO_BORDER = ModelConfig(filter_scale=1, probe_big=False)


def objective(patches: NDArray[np.complex128], direction: NDArray[np.complex128]) -> float:
    """A real function whose gradient to the patches is `direction`."""
    return float(np.sum(patches.conj() * direction).real)


@pytest.mark.parametrize("model", [ONE, FOUR, NO_BORDER], ids=["one", "four", "no border"])
def test_the_gradient_predicts_a_small_step(model: ModelConfig) -> None:
    rng = np.random.default_rng(1)
    weights, frames = lively_weights(model), make_batch(model, 1).diffraction
    passed = network.run(frames, weights, model, SCALE)
    pulled = rng.normal(size=passed.patches.shape) + 1j * rng.normal(size=passed.patches.shape)
    gradients = passed.pull(pulled)
    assert gradients.keys() == shapes(model).keys()
    # So small that hardly any of the ReLU's corners are passed; the rest of the error is the difference's own.
    direction = {name: 1e-9 * rng.normal(size=value.shape) for name, value in weights.items()}
    moved = [{name: weights[name] + sign * direction[name] for name in weights} for sign in (1, -1)]
    ahead, behind = (objective(network.forward(frames, at, model, SCALE), pulled) for at in moved)
    predicted = sum(float(np.sum(gradients[name] * direction[name])) for name in weights)
    assert (ahead - behind) / 2 == pytest.approx(predicted, rel=1e-4)


@pytest.mark.parametrize("name", shapes(ONE))
def test_every_weights_gradient_is_shaped_like_it(name: str) -> None:
    weights = lively_weights(ONE)
    passed = network.run(make_batch(ONE, 1).diffraction, weights, ONE, SCALE)
    assert passed.pull(np.ones_like(passed.patches))[name].shape == weights[name].shape


@pytest.mark.parametrize("model", [ONE, NO_BORDER], ids=["border", "no border"])
def test_each_stage_makes_its_recorded_output_of_its_recorded_input(model: ModelConfig) -> None:
    weights = lively_weights(model)
    passed = network.run(make_batch(model, 1).diffraction, weights, model, SCALE)
    assert tuple(passed.inputs) == tuple(passed.outputs)
    assert sorted(passed.inputs) == sorted(network.stages(model))
    for name, x in passed.inputs.items():
        assert np.array_equal(network.stage(name, weights)(x).output, passed.outputs[name])


def test_a_convolution_is_the_sum_that_its_name_says() -> None:
    rng = np.random.default_rng(2)
    image, kernel = rng.normal(size=(1, 2, 5, 4)), rng.normal(size=(3, 2, 3, 3))
    made = network.convolve(image, kernel, np.array([0.0, 10.0, 0.0]))
    assert made.shape == (1, 3, 5, 4)
    assert made[0, 1, 2, 1] == pytest.approx(10 + np.sum(kernel[1] * image[0, :, 1:4, 0:3]))
    assert made[0, 0, 0, 3] == pytest.approx(np.sum(kernel[0, :, 1:, :2] * image[0, :, 0:2, 2:4]))


def test_a_kernel_that_is_turned_is_noticed() -> None:
    weights, name = lively_weights(ONE), "amplitude.1.0.weight"
    frames = make_batch(ONE, 1).diffraction
    turned = {**weights, name: np.ascontiguousarray(weights[name][:, :, ::-1, ::-1])}
    straight, wrong = (network.forward(frames, given, ONE, SCALE) for given in (weights, turned))
    assert np.linalg.norm(wrong - straight) > 1e-3 * np.linalg.norm(straight)
