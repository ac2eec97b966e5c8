"""The loss against the NumPy oracle, in float64 even for float32 inputs, with finite slopes at zero."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho import physics as oracle

pytestmark = pytest.mark.usefixtures("one_thread")

SCALE = 988.2
LOG_SCALE = np.log(SCALE) + 0.01


@pytest.fixture(scope="module")
def case() -> dict[str, NDArray[Any]]:
    """Intensities with dark pixels, observations with dark pixels, complex patches; `(2, 1, 8, 8)` each."""
    rng = np.random.default_rng(8)
    intensity = rng.gamma(1.0, size=(2, 1, 8, 8))
    diffraction = np.sqrt(rng.poisson(intensity * 50) / 50)
    intensity[0, 0, :2] = 0
    diffraction[0, 0, 1:3] = 0
    patches = rng.normal(size=(2, 1, 8, 8)) + 1j * rng.normal(size=(2, 1, 8, 8))
    patches[:, :, :3] = 0
    return {"intensity": intensity, "diffraction": diffraction, "patches": patches}


def terms(case: dict[str, NDArray[Any]], **weights: float) -> Any:
    from ptycho_tf import loss
    from ptycho_tf.runtime import tf

    tensors = {name: tf.constant(value) for name, value in case.items()}
    return loss.terms(**tensors, log_scale=tf.constant(LOG_SCALE, tf.float64), scale=SCALE, **weights)


def rate_and_counts(case: dict[str, NDArray[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return case["intensity"] * np.exp(2 * LOG_SCALE), (case["diffraction"] * SCALE) ** 2


def test_terms_are_the_oracles(case: dict[str, NDArray[Any]]) -> None:
    result = terms(case)
    rate, counts = rate_and_counts(case)
    assert float(result.nll) == pytest.approx(oracle.poisson_nll(rate, counts), rel=1e-14)
    assert float(result.deviance) == pytest.approx(oracle.poisson_deviance(rate, counts), rel=1e-14)
    assert (float(result.total), float(result.mae), float(result.variation)) == (float(result.nll), 0.0, 0.0)


def test_optional_terms_are_added_with_their_weights(case: dict[str, NDArray[Any]]) -> None:
    result = terms(case, mae_weight=0.5, tv_weight=0.25)
    mae = np.mean(np.abs(np.sqrt(case["intensity"]) * np.exp(LOG_SCALE) / SCALE - case["diffraction"]))
    o = case["patches"]
    variation = np.mean(np.abs(np.diff(o, axis=-1))) + np.mean(np.abs(np.diff(o, axis=-2)))
    assert float(result.mae) == pytest.approx(mae, rel=1e-8)
    assert float(result.variation) == pytest.approx(variation, rel=1e-6)
    added = float(result.nll) + 0.5 * float(result.mae) + 0.25 * float(result.variation)
    assert float(result.total) == pytest.approx(added, rel=1e-15)


def test_float32_tensors_are_summed_in_float64(case: dict[str, NDArray[Any]]) -> None:
    single = {
        "intensity": case["intensity"].astype(np.float32),
        "diffraction": case["diffraction"].astype(np.float32),
        "patches": case["patches"].astype(np.complex64),
    }
    result = terms(single, mae_weight=1.0, tv_weight=1.0)
    rate, counts = rate_and_counts({name: value.astype(np.complex128).real for name, value in single.items()})
    expected = oracle.poisson_nll(rate, counts, oracle.EPSILON_F32)
    assert float(result.nll) == pytest.approx(expected, rel=1e-14)
    assert {str(getattr(result, name).dtype.name) for name in ("nll", "mae", "variation", "total", "deviance")} == {
        "float64"
    }


def test_a_perfect_fit_has_no_deviance_and_one_percent_shows(case: dict[str, NDArray[Any]]) -> None:
    counts = rate_and_counts(case)[1]
    exact = {**case, "intensity": counts / np.exp(2 * LOG_SCALE)}
    off = {**exact, "intensity": exact["intensity"] * 1.01}
    assert float(terms(exact).deviance) == pytest.approx(0, abs=1e-9 * counts.mean())
    assert float(terms(off).deviance) > 1e-5 * counts.mean()


def test_one_nan_is_not_hidden(case: dict[str, NDArray[Any]]) -> None:
    for name in ("intensity", "diffraction"):
        broken = {**case, name: case[name].copy()}
        broken[name][1, 0, 4, 4] = np.nan
        assert np.isnan([float(terms(broken).total), float(terms(broken).deviance)]).all()


def test_slopes_at_zero_are_finite(case: dict[str, NDArray[Any]]) -> None:
    from ptycho_tf import loss
    from ptycho_tf.runtime import tf

    intensity, patches = tf.Variable(case["intensity"]), tf.Variable(case["patches"])
    with tf.GradientTape() as tape:
        total = loss.terms(
            intensity=intensity,
            patches=patches,
            diffraction=tf.constant(case["diffraction"]),
            log_scale=tf.constant(LOG_SCALE, tf.float64),
            scale=SCALE,
            mae_weight=1.0,
            tv_weight=1.0,
        ).total
    slopes = tape.gradient(total, [intensity, patches])
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes)
