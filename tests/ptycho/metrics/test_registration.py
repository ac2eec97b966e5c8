"""The shift that is found, its limits, and the pixels that count."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.registration import phase_cross_correlation

from ptycho.metrics.registration import LIMIT_PX, Truth, correlation, fill_uncovered, find_shift, plane, scored_area

BOX = (20, 68, 24, 78)
MASK = np.ones((48, 54), np.bool_)


def _object(seed: int = 1) -> NDArray[np.complex128]:
    rng = np.random.default_rng(seed)
    amplitude = 0.8 + gaussian_filter(rng.standard_normal((96, 100)), 2.5)
    return np.asarray(amplitude * np.exp(3j * gaussian_filter(rng.standard_normal((96, 100)), 3)))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, -0.25), (-1.3, 2.1), (2.0, -3.0), (-2.75, -0.4)])
def test_a_planted_shift_is_found(shift: tuple[float, float]) -> None:
    truth = Truth(_object(), BOX)
    image = 0.3 * np.exp(2j) * truth.at(shift)
    np.testing.assert_allclose(find_shift(image, truth, MASK), shift, atol=0.03)


def test_shift_of_a_noisy_image_agrees_with_scikit_image() -> None:
    truth, rng = Truth(_object(), BOX), np.random.default_rng(0)
    window = np.hanning(48)[:, None] * np.hanning(54)
    image = truth.at((0.7, -0.4)) + 0.05 * rng.standard_normal((48, 54))
    centred = [(part - part.mean()) * window for part in (truth.at((0.0, 0.0)), image)]
    theirs, _, _ = phase_cross_correlation(*centred, upsample_factor=50, normalization=None)
    np.testing.assert_allclose(find_shift(image, truth, MASK), -theirs, atol=0.1)
    np.testing.assert_allclose(find_shift(image, truth, MASK), (0.7, -0.4), atol=0.05)


def test_smoothing_is_not_mistaken_for_a_shift() -> None:
    rng = np.random.default_rng(2)
    noisy = _object() + 0.1 * rng.standard_normal((96, 100))
    smooth = gaussian_filter(noisy.real, 0.7) + 1j * gaussian_filter(noisy.imag, 0.7)
    truth = Truth(noisy, BOX)
    assert max(map(abs, find_shift(smooth[20:68, 24:78], truth, MASK))) <= 0.03


def test_no_shift_beyond_the_limit_is_ever_removed() -> None:
    truth = Truth(_object(), BOX)
    found = find_shift(truth.at((5.0, -5.0)), truth, MASK)
    assert max(map(abs, found)) <= LIMIT_PX


def test_a_constant_is_not_shifted() -> None:
    assert find_shift(np.full((48, 54), 0.3 - 2j), Truth(_object(), BOX), MASK) == (0.0, 0.0)


def test_whole_pixel_shifts_are_slices_of_the_truth() -> None:
    obj = _object()
    assert np.array_equal(obj[18:66, 25:79], Truth(obj, BOX).at((2.0, -1.0)))


def test_levelled_removes_a_ramp() -> None:
    obj, slope = _object(), (0.03, -0.05)
    levelled = Truth(obj * np.exp(1j * plane(obj.shape, slope)), BOX).levelled(slope).at((0.0, 0.0))
    turn = levelled[0, 0] / obj[20, 24]
    np.testing.assert_allclose(levelled, turn * obj[20:68, 24:78], atol=1e-12)


def test_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(50), rng.standard_normal(50)
    np.testing.assert_allclose(correlation(a, b), np.corrcoef(a, b)[0, 1])
    np.testing.assert_allclose(correlation(a * np.exp(1j) + 4, a), np.exp(1j))


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1 + 0.3j, 1e9])
def test_correlation_with_a_constant_is_zero(constant: complex) -> None:
    values = np.random.default_rng(0).standard_normal(333)
    assert correlation(np.full(333, constant), values) == 0
    assert correlation(values, np.full(333, constant)) == 0


def test_scored_area_of_a_square_scan() -> None:
    overlap = np.zeros((40, 50))
    overlap[5:35, 10:45] = 2
    area, covered = scored_area(overlap, 10)
    expected = np.zeros((40, 50), np.bool_)
    expected[15:25, 20:35] = True
    assert np.array_equal(expected, area)
    assert np.array_equal(expected, covered)


def test_holes_do_not_eat_their_surroundings() -> None:
    overlap = np.ones((40, 40))
    overlap[18:22, 18:22] = 0
    area, covered = scored_area(overlap, 10)
    assert area.sum() == 400
    assert covered.sum() == 384


def test_corners_outside_a_round_scan_do_not_count() -> None:
    y, x = np.mgrid[-30:31, -30:31]
    area, _ = scored_area((np.hypot(x, y) <= 30).astype(float), 10)
    assert not area[np.hypot(x, y) > 21].any()
    assert area[np.hypot(x, y) < 19].all()


def test_nothing_covered_leaves_nothing_to_score() -> None:
    area, covered = scored_area(np.zeros((30, 30)), 5)
    assert not area.any()
    assert not covered.any()


def test_holes_are_filled_from_the_nearest_pixel() -> None:
    image = np.array([[1, 0, 0, 5j]])
    filled = fill_uncovered(image, np.array([[True, False, False, True]]))
    assert np.array_equal(np.array([[1, 1, 5j, 5j]]), filled)
    assert np.array_equal(image, fill_uncovered(image, np.ones((1, 4), np.bool_)))
