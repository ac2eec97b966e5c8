"""Counts leave their trace in values and squares."""

import numpy as np
import pytest

from ptycho.data import measurement_domain


def _counts(mean: float = 30.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(3).poisson(mean, (8, 64, 64)).astype(np.float64)


@pytest.mark.parametrize("factor", [1.0, 0.0354, 7.3])
def test_roots_of_counts_up_to_a_factor(factor: float) -> None:
    counts = _counts()
    found = measurement_domain.diagnose((factor * np.sqrt(counts)).astype(np.float32))
    assert found.kind == "amplitude"
    assert found.unit == pytest.approx(factor**2, rel=1e-5)
    assert found.photons == pytest.approx(counts.sum() / 8, rel=1e-5)


@pytest.mark.parametrize("factor", [1.0, 0.01])
def test_counts_as_amplitude(factor: float) -> None:
    found = measurement_domain.diagnose((factor * _counts()).astype(np.float32))
    assert (found.kind, found.text.split(":")[0][:32]) == ("counts", "the values themselves are intege")


def test_noise_free_amplitudes_are_unknown() -> None:
    smooth = np.random.default_rng(4).uniform(0.1, 3, (8, 64, 64)).astype(np.float32)
    assert (measurement_domain.diagnose(smooth).kind, measurement_domain.diagnose(smooth).unit) == ("unknown", None)


def test_the_smallest_count_need_not_be_one() -> None:
    counts = _counts(400.0)
    assert counts.min() > 100
    assert measurement_domain.counting_unit(_counts(60.0)) == pytest.approx(1)
    assert measurement_domain.counting_unit(np.linspace(1.4, 11.8, 53)) == pytest.approx(0.2)


def test_zeros_and_ones_decide_nothing() -> None:
    assert measurement_domain.counting_unit(np.array([0.0, 1.0, 1.0])) is None
