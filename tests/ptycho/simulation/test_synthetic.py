"""The project's own probe, object and scan have no symmetry, and the figures of the experiment that they imitate."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.simulation import synthetic

FIELD = synthetic.field_px(1087, 2.62)


def _correlation(first: NDArray[np.complex64], second: NDArray[np.complex64]) -> float:
    a, b = first - first.mean(), second - second.mean()
    return float(np.abs(np.vdot(a, b)) / np.sqrt(np.vdot(a, a).real * np.vdot(b, b).real))


def _images(square: NDArray[np.complex64]) -> list[NDArray[np.complex64]]:
    """The eight axis symmetries, each as it is and conjugated; the identity first."""
    turned = [np.rot90(start, k) for start in (square, square.T) for k in range(4)]
    return [image for item in turned for image in (item, item.conj())]


@pytest.mark.parametrize("seed", [0, 64, 1087])
def test_object_has_no_symmetry(seed: int) -> None:
    obj = synthetic.make_object((226, 226), field=FIELD, seed=seed)
    itself, *others = [_correlation(obj[50:176, 50:176], image[50:176, 50:176]) for image in _images(obj)]
    assert itself == pytest.approx(1)
    assert max(others[1:]) < 0.55
    # The conjugate with its mean: without it, matter and no matter are two points, whose conjugates are as far apart.
    middle = obj[50:176, 50:176].astype(np.complex128)
    assert np.abs(np.sum(middle**2)) / np.sum(np.abs(middle) ** 2) < 0.8
    assert others[0] < 0.9


def test_symmetric_object_would_be_caught() -> None:
    obj = synthetic.make_object((226, 226), field=FIELD, seed=0)
    planted = obj + obj[:, ::-1]
    assert _correlation(planted, planted[:, ::-1]) == pytest.approx(1)


def test_object_values_are_in_range_and_both_parts_have_structure() -> None:
    obj = synthetic.make_object((226, 224), field=FIELD, seed=1087)
    inside = obj[60:166, 60:166]
    assert (226, 224) == obj.shape
    assert np.complex64 == obj.dtype
    assert pytest.approx(synthetic.AMPLITUDE_RANGE, abs=1e-4) == (np.abs(obj).min(), np.abs(obj).max())
    assert pytest.approx(synthetic.PHASE_RANGE_RAD, abs=1e-4) == (np.angle(obj).min(), np.angle(obj).max())
    assert np.abs(inside).std() > 0.08
    assert np.angle(inside).std() > 0.3


@pytest.mark.parametrize("side", [64, 128, 256])
def test_probe_spills_over_the_central_half_and_is_lopsided(side: int) -> None:
    probe = synthetic.make_probe(side)
    energy = np.abs(probe.astype(np.complex128)) ** 2
    centre = slice(side // 4, side - side // 4)
    assert 1 - energy[centre, centre].sum() / energy.sum() == pytest.approx(0.30, abs=0.03)
    assert max(_correlation(probe, image) for image in _images(probe)[2:]) < 0.99
    axis = np.arange(side) - side / 2
    centroid = np.array([energy.sum(1) @ axis, energy.sum(0) @ axis]) / energy.sum()
    assert np.all(np.abs(centroid) > 0.02 * side)
    rim = np.concatenate([energy[0], energy[-1], energy[:, 0], energy[:, -1]])
    assert rim.max() < 2e-3  # of the brightest pixel: what the window cuts off does not matter


def test_scan_has_the_step_and_the_field_of_the_experiment() -> None:
    scan = synthetic.make_scan(1087, step_px=2.62, seed=1087)
    distance = np.hypot(scan.x[:, None] - scan.x, scan.y[:, None] - scan.y)
    np.fill_diagonal(distance, np.inf)
    assert np.median(distance.min(axis=1)) == pytest.approx(1.2, abs=0.1)
    assert (np.ptp(scan.y), np.ptp(scan.x)) == pytest.approx((88, 86), abs=2)
    assert np.ptp(scan.y) <= FIELD[0]
    assert np.ptp(scan.x) <= FIELD[1]


def test_nominal_positions_differ_from_the_corrected_ones_more_along_the_fast_axis() -> None:
    scan = synthetic.make_scan(1087, step_px=2.62, seed=1087)
    assert np.std(scan.x - scan.nominal_x) == pytest.approx(1.2, abs=0.1)
    assert np.std(scan.y - scan.nominal_y) == pytest.approx(0.35, abs=0.1)


@pytest.mark.parametrize("n_patterns", [1, 2, 3, 5, 17])
def test_small_scans_stay_in_their_field(n_patterns: int) -> None:
    scan = synthetic.make_scan(n_patterns, step_px=3.0, seed=1)
    height, width = synthetic.field_px(n_patterns, 3.0)
    assert scan.x.shape == (n_patterns,)
    assert np.abs(scan.x).max() <= width / 2 + 1e-3
    assert np.abs(scan.y).max() <= height / 2 + 1e-3


def test_values_are_binary_fractions_so_that_rounding_of_sin_cannot_show() -> None:
    obj = synthetic.make_object((80, 80), field=(10.0, 10.0), seed=3)
    scan = synthetic.make_scan(50, step_px=3.0, seed=3)
    assert np.array_equal(obj * 2**16, np.rint(obj.real * 2.0**16) + 1j * np.rint(obj.imag * 2.0**16))
    assert np.array_equal(scan.x * 2**10, np.rint(scan.x * 2**10))
    assert np.array_equal(scan.x, scan.x.astype(np.float32))


def test_seeds_decide() -> None:
    first, again, other = (synthetic.make_object((80, 80), field=(10.0, 10.0), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(
        synthetic.make_scan(9, step_px=3.0, seed=1).x, synthetic.make_scan(9, step_px=3.0, seed=2).x
    )
