"""The oracles of single operations and of optimisers against formulas written out again, in loops."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.attach import optimizers, oracles

Array = NDArray[Any]
RANDOM = np.random.default_rng(0)
PLAIN = {"dilation": [1, 1], "groups": 1, "padding mode": "zeros"}


def normal(*shape: int) -> Array:
    return RANDOM.normal(size=shape)


def looped(x: Array, kernel: Array, bias: Array, settings: dict[str, Any]) -> Array:
    """A convolution as the definition has it."""
    (top, bottom), (left, right) = settings["pads"]
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (sy, sx), (dy, dx), groups = settings["stride"], settings["dilation"], settings["groups"]
    count, inputs, kh, kw = kernel.shape
    height = (x.shape[2] - dy * (kh - 1) - 1) // sy + 1
    width = (x.shape[3] - dx * (kw - 1) - 1) // sx + 1
    out = np.zeros((len(x), count, height, width))
    for o in range(count):
        first = o // (count // groups) * inputs
        for i in range(height):
            for j in range(width):
                for c in range(inputs):
                    for r in range(kh):
                        for s in range(kw):
                            out[:, o, i, j] += kernel[o, c, r, s] * x[:, first + c, i * sy + r * dy, j * sx + s * dx]
    return out + bias[:, None, None]


CONVOLUTIONS = [
    {**PLAIN, "kernel": [3, 3], "stride": [1, 1], "pads": [[1, 1], [1, 1]]},
    {**PLAIN, "kernel": [3, 2], "stride": [2, 1], "pads": [[0, 1], [1, 0]]},
    {**PLAIN, "kernel": [3, 3], "stride": [1, 2], "pads": [[2, 2], [2, 2]], "dilation": [2, 2]},
    {**PLAIN, "kernel": [3, 3], "stride": [2, 2], "pads": [[1, 1], [1, 1]], "groups": 2},
]


@pytest.mark.parametrize("settings", CONVOLUTIONS)
def test_a_convolution(settings: dict[str, Any]) -> None:
    x, bias = normal(2, 4, 7, 6), normal(6)
    kernel = normal(6, 4 // settings["groups"], *settings["kernel"])
    found = oracles.apply("conv", x, {"weight": kernel, "bias": bias}, settings, None)
    assert found is not None
    np.testing.assert_allclose(found, looped(x, kernel, bias, settings), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("crop", [[[0, 0], [0, 0]], [[1, 1], [1, 0]], [[1, 0], [0, 1]]])
def test_a_transposed_convolution_is_the_adjoint(crop: list[list[int]]) -> None:
    kernel, x = normal(3, 4, 3, 3), normal(1, 3, 4, 5)
    settings = {**PLAIN, "kernel": [3, 3], "stride": [2, 2], "crop": crop}
    out = oracles.apply("conv_transpose", x, {"weight": kernel}, settings, None)
    assert out is not None
    y = normal(*out.shape)
    back = {**PLAIN, "kernel": [3, 3], "stride": [2, 2], "pads": crop}
    forward = oracles.apply("conv", y, {"weight": kernel}, back, None)
    assert forward is not None
    assert np.vdot(out, y) == pytest.approx(np.vdot(x, forward[:, :, :4, :5]), rel=1e-12)


def test_pooling_with_and_without_what_hangs_over() -> None:
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    plain = {"kernel": [2, 2], "stride": [2, 2], "pads": [[0, 0], [0, 0]], "ceil": False}
    assert [[6, 8], [16, 18]] == oracles.pooled(x, plain, largest=True)[0, 0].tolist()
    assert [[6, 8, 9], [16, 18, 19], [21, 23, 24]] == oracles.pooled(x, {**plain, "ceil": True}, largest=True)[
        0, 0
    ].tolist()
    assert [[3, 5], [13, 15]] == oracles.pooled(x, plain, largest=False)[0, 0].tolist()


def test_a_mean_counts_its_padding_only_if_it_says_so() -> None:
    x = np.ones((1, 1, 2, 2))
    settings = {"kernel": [2, 2], "stride": [2, 2], "pads": [[1, 1], [1, 1]], "ceil": False, "pad counted": True}
    assert [[0.25, 0.25], [0.25, 0.25]] == oracles.pooled(x, settings, largest=False)[0, 0].tolist()
    settings["pad counted"] = False
    assert [[1, 1], [1, 1]] == oracles.pooled(x, settings, largest=False)[0, 0].tolist()


def test_norms() -> None:
    x, weights = normal(3, 4, 5, 5), {"weight": normal(4), "bias": normal(4), "mean": normal(4), "variance": np.ones(4)}
    trained = oracles.apply(
        "batch_norm", x, {"mean": weights["mean"], "variance": weights["variance"]}, {"epsilon": 0.0}, True
    )
    assert trained is not None
    np.testing.assert_allclose(trained.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(trained.std(axis=(0, 2, 3)), 1, atol=1e-12)
    kept = oracles.apply("batch_norm", x, weights, {"epsilon": 0.0}, False)
    expected = (x - weights["mean"][:, None, None]) * weights["weight"][:, None, None] + weights["bias"][:, None, None]
    assert kept is not None
    np.testing.assert_allclose(kept, expected, rtol=1e-12)
    last = oracles.apply("layer_norm", x, {}, {"epsilon": 0.0, "axes": 1}, None)
    assert last is not None
    np.testing.assert_allclose(last.std(axis=-1), 1, atol=1e-12)
    grouped = oracles.apply("group_norm", x, {}, {"epsilon": 0.0, "groups": 2}, None)
    assert grouped is not None
    np.testing.assert_allclose(grouped.reshape(3, 2, -1).std(axis=-1), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "settings", "at_one"),
    [
        ("relu", {}, 1.0),
        ("sigmoid", {}, 1 / (1 + math.exp(-1))),
        ("tanh", {}, math.tanh(1)),
        ("silu", {}, 1 / (1 + math.exp(-1))),
        ("gelu", {}, 0.5 * (1 + math.erf(1 / math.sqrt(2)))),
        ("gelu", {"approximate": True}, 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * 1.044715))),
        ("leaky_relu", {"slope": 0.1}, 1.0),
        ("elu", {}, 1.0),
        ("softplus", {}, math.log(1 + math.e)),
    ],
)
def test_elementwise(kind: str, settings: dict[str, Any], at_one: float) -> None:
    found = oracles.apply(kind, np.array([1.0, -800.0]), {}, settings, None)
    assert found is not None
    assert found[0] == pytest.approx(at_one, rel=1e-14)
    assert np.isfinite(found).all()


def test_a_softmax_sums_to_one_along_its_axis() -> None:
    found = oracles.apply("softmax", normal(2, 3, 4) * 1000, {}, {"axis": -2}, None)
    assert found is not None
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


def test_what_has_no_oracle_is_none_and_not_right() -> None:
    assert oracles.apply("other:Mine", normal(2), {}, {}, None) is None
    assert oracles.apply("conv", normal(1, 1, 4, 4), {}, {}, None) is None


def test_adam_makes_a_first_step_of_its_rate() -> None:
    settings = {
        "kind": "adam",
        "beta 1": 0.9,
        "beta 2": 0.999,
        "epsilon": 1e-8,
        "epsilon added": "after bias correction",
    }
    gradient, start = np.array([3.0, -0.5]), np.zeros(2)
    found = optimizers.updates(settings, [0.1], [gradient], start)
    assert found is not None
    np.testing.assert_allclose(found[0], -0.1 * gradient / (np.abs(gradient) + 1e-8), rtol=1e-14)
    before = optimizers.updates({**settings, "epsilon added": "before bias correction"}, [0.1], [gradient], start)
    assert before is not None
    larger = 1e-8 / math.sqrt(1 - 0.999)
    np.testing.assert_allclose(before[0], -0.1 * gradient / (np.abs(gradient) + larger), rtol=1e-14)


def test_sgd_with_momentum_and_nesterov() -> None:
    settings = {"kind": "sgd", "momentum": 0.9, "nesterov": False, "weight decay": 0.0}
    g = np.array([1.0])
    found = optimizers.updates(settings, [0.1, 0.1], [g, g], np.zeros(1))
    assert found is not None
    assert [-0.1, -0.19] == pytest.approx([float(change[0]) for change in found])
    ahead = optimizers.updates({**settings, "nesterov": True}, [0.1], [g], np.zeros(1))
    assert ahead is not None
    assert -0.19 == pytest.approx(float(ahead[0][0]))


def test_an_optimiser_that_is_not_known_is_not_judged() -> None:
    assert optimizers.updates({"kind": "lion"}, [0.1], [np.ones(1)], np.ones(1)) is None
    assert optimizers.updates({"kind": "adam", "amsgrad": True}, [0.1], [np.ones(1)], np.ones(1)) is None
