"""The oracle's gradients to object, probe and scale, against differences, and its loss terms against the physics."""

import numpy as np
import pytest

from harness.parity.reference import objective, problem
from ptycho.physics import forward
from ptycho.physics.weights import LOG_SCALE, intensity_scale
from tests.support.golden_step0 import FIXTURE

CASES = {g: problem.request(gridsize=g, seed=5, scan=FIXTURE, steps=1) for g in (1, 2)}


@pytest.mark.parametrize("options", [(0.0, 0.0), (300.0, 0.0), (0.0, 30.0)], ids=["plain", "amplitude", "variation"])
@pytest.mark.parametrize("gridsize", CASES)
def test_the_gradient_predicts_a_small_step(gridsize: int, options: tuple[float, float]) -> None:
    request = CASES[gridsize]
    rng = np.random.default_rng(6)
    batch, weights = request.first, request.weights
    found = objective.evaluate(request, batch, weights)
    # Weighted so heavily that a prediction without the term is off by more than a per cent.
    gradients = objective.gradients(request, batch, weights, found, mae_weight=options[0], tv_weight=options[1])
    direction = {name: 1e-8 * rng.normal(size=value.shape) for name, value in weights.items()}
    moved = ({n: v + sign * direction[n] for n, v in weights.items()} for sign in (1, -1))
    ahead, behind = (
        objective.terms(request, batch, objective.evaluate(request, batch, one), *options)["total"] for one in moved
    )
    predicted = sum(float(np.sum(gradients[name] * direction[name])) for name in weights)
    assert (ahead - behind) / 2 == pytest.approx(predicted, rel=1e-3)


@pytest.mark.parametrize("name", ["object", "probe"])
def test_the_complex_gradients_predict_a_small_step(name: str) -> None:
    request = CASES[1]
    found = objective.evaluate(request, request.first, request.weights)
    gradient = np.asarray(objective.gradients(request, request.first, request.weights, found)[name])
    rng = np.random.default_rng(8)
    step = 1e-6 * (rng.normal(size=gradient.shape) + 1j * rng.normal(size=gradient.shape))

    def loss(sign: int) -> float:
        moved = {"object": found.patches, "probe": request.probe}
        moved[name] = moved[name] + sign * step
        rate = forward.intensity(moved["object"], moved["probe"]) * np.exp(2 * request.weights[LOG_SCALE])
        return forward.poisson_nll(rate, found.counts)

    predicted = float(np.sum((gradient.conj() * step).real))
    assert (loss(1) - loss(-1)) / 2 == pytest.approx(predicted, rel=1e-5)


def test_the_terms_are_those_of_the_description() -> None:
    request = CASES[1]
    found = objective.evaluate(request, request.first, request.weights)
    plain = objective.terms(request, request.first, found, 0.0, 0.0)
    assert (plain["mae"], plain["variation"], plain["total"]) == (0.0, 0.0, plain["nll"])
    full = objective.terms(request, request.first, found, 2.0, 3.0)
    assert full["total"] == pytest.approx(plain["nll"] + 2 * full["mae"] + 3 * full["variation"])
    root = np.sqrt(found.rate) / intensity_scale(request.nphotons, 64)
    assert full["mae"] == pytest.approx(np.mean(np.abs(root - request.first.diffraction)), rel=1e-6)
