"""The loss against the NumPy oracle, in float64 even for float32 inputs, with finite slopes at zero."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.physics import forward as oracle
from tests.support.suites.backend import BackendUnderTest

SCALE = 988.2
LOG_SCALE = np.array(np.log(SCALE) + 0.01)
TERMS = ("nll", "mae", "variation", "total", "deviance")

Case = dict[str, NDArray[Any]]


def make_case() -> Case:
    """Intensities with dark pixels, observations with dark pixels, complex patches; `(2, 1, 8, 8)` each."""
    rng = np.random.default_rng(8)
    intensity = rng.gamma(1.0, size=(2, 1, 8, 8))
    diffraction = np.sqrt(rng.poisson(intensity * 50) / 50)
    intensity[0, 0, :2] = 0
    diffraction[0, 0, 1:3] = 0
    patches = rng.normal(size=(2, 1, 8, 8)) + 1j * rng.normal(size=(2, 1, 8, 8))
    patches[:, :, :3] = 0
    return {"intensity": intensity, "diffraction": diffraction, "patches": patches}


CASE = make_case()


def evaluate(backend: BackendUnderTest, case: Case, **weights: float) -> dict[str, NDArray[Any]]:
    """Every term by name."""
    tensors = {name: backend.tensor(value) for name, value in case.items()}
    result = backend.module("loss").terms(**tensors, log_scale=backend.tensor(LOG_SCALE), scale=SCALE, **weights)
    return {name: backend.array(getattr(result, name)) for name in TERMS}


def rate_and_counts(case: Case) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return case["intensity"] * np.exp(2 * LOG_SCALE), (case["diffraction"] * SCALE) ** 2


class LossSuite:
    def test_terms_are_the_oracles(self, backend: BackendUnderTest) -> None:
        result = evaluate(backend, CASE)
        rate, counts = rate_and_counts(CASE)
        assert result["nll"] == pytest.approx(oracle.poisson_nll(rate, counts), rel=1e-14)
        assert result["deviance"] == pytest.approx(oracle.poisson_deviance(rate, counts), rel=1e-14)
        assert [float(result[name]) for name in ("total", "mae", "variation")] == [float(result["nll"]), 0, 0]

    def test_optional_terms_are_added_with_their_weights(self, backend: BackendUnderTest) -> None:
        result = evaluate(backend, CASE, mae_weight=0.5, tv_weight=0.25)
        mae = np.mean(np.abs(np.sqrt(CASE["intensity"]) * np.exp(LOG_SCALE) / SCALE - CASE["diffraction"]))
        o = CASE["patches"]
        variation = np.mean(np.abs(np.diff(o, axis=-1))) + np.mean(np.abs(np.diff(o, axis=-2)))
        assert result["mae"] == pytest.approx(mae, rel=1e-8)
        assert result["variation"] == pytest.approx(variation, rel=1e-6)
        added = result["nll"] + 0.5 * result["mae"] + 0.25 * result["variation"]
        assert result["total"] == pytest.approx(float(added), rel=1e-15)

    def test_float32_tensors_are_summed_in_float64(self, backend: BackendUnderTest) -> None:
        single = {name: value.astype(np.complex64 if name == "patches" else np.float32) for name, value in CASE.items()}
        result = evaluate(backend, single, mae_weight=1.0, tv_weight=1.0)
        rate, counts = rate_and_counts({name: value.astype(np.complex128).real for name, value in single.items()})
        assert result["nll"] == pytest.approx(oracle.poisson_nll(rate, counts, oracle.EPSILON_F32), rel=1e-14)
        assert {value.dtype.name for value in result.values()} == {"float64"}

    def test_a_perfect_fit_has_no_deviance_and_one_percent_shows(self, backend: BackendUnderTest) -> None:
        counts = rate_and_counts(CASE)[1]
        exact = {**CASE, "intensity": counts / np.exp(2 * LOG_SCALE)}
        off = {**exact, "intensity": exact["intensity"] * 1.01}
        assert evaluate(backend, exact)["deviance"] == pytest.approx(0, abs=1e-9 * counts.mean())
        assert evaluate(backend, off)["deviance"] > 1e-5 * counts.mean()

    @pytest.mark.parametrize("name", ["intensity", "diffraction"])
    def test_one_nan_is_not_hidden(self, name: str, backend: BackendUnderTest) -> None:
        broken = {**CASE, name: CASE[name].copy()}
        broken[name][1, 0, 4, 4] = np.nan
        result = evaluate(backend, broken)
        assert np.isnan([result["total"], result["deviance"]]).all()

    def test_slopes_at_zero_are_finite(self, backend: BackendUnderTest) -> None:
        terms = backend.module("loss").terms
        observed, log_scale = backend.tensor(CASE["diffraction"]), backend.tensor(LOG_SCALE)

        def total(intensity: Any, patches: Any) -> Any:
            return terms(
                intensity=intensity,
                patches=patches,
                diffraction=observed,
                log_scale=log_scale,
                scale=SCALE,
                mae_weight=1.0,
                tv_weight=1.0,
            ).total

        slopes = backend.gradients(total, CASE["intensity"], CASE["patches"])
        assert all(np.isfinite(slope).all() and slope.any() for slope in slopes)
