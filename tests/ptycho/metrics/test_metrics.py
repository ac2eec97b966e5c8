"""Scores: what they ignore, what they must not ignore, and their pieces against scikit-image."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ptycho.errors import UsageError
from ptycho.metrics.metrics import Scores, compare, flat_row, psnr, score, ssim_map, unwrapped
from ptycho.metrics.registration import Truth, plane
from ptycho.physics.stitching import Reconstruction

Image = NDArray[np.complex128]


def _truth(curvature: float = 0.0, seed: int = 4, grain: float = 3.0) -> Image:
    rng = np.random.default_rng(seed)
    amplitude = 0.8 + gaussian_filter(rng.standard_normal((96, 96)), 2.5)
    phase = 1.3 * grain * gaussian_filter(rng.standard_normal((96, 96)), grain)
    y, x = np.mgrid[:96, :96] - 40.0
    return np.asarray(amplitude * np.exp(1j * (phase + curvature * (x**2 + y**2))))


def _of(image: Image, origin: tuple[int, int] = (12, 20)) -> Reconstruction:
    """A reconstruction of 60×56 pixels whose pixels are those of an image as large as the truth."""
    cut = image[origin[0] : origin[0] + 60, origin[1] : origin[1] + 56]
    return Reconstruction(obj=np.array(cut), overlap=np.ones((60, 56)), origin=origin)


def _noisy(truth: Image, level: float = 0.05, seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    return truth + level * (rng.standard_normal(truth.shape) + 1j * rng.standard_normal(truth.shape))


def _numbers(scores: Scores) -> NDArray[np.float64]:
    names = [f"{kind}_{figure}" for kind in ("amplitude", "phase") for figure in ("psnr", "ssim", "correlation")]
    both = [getattr(row, name) for row in (scores, scores.ramp_removed) for name in (*names, "complex_correlation")]
    return np.array([*both, scores.frc_half, scores.frc_half_bit])


def test_the_truth_scores_full_marks() -> None:
    found = score(_of(_truth()), _truth())
    np.testing.assert_allclose(_numbers(found)[[0, 3]], 200)
    np.testing.assert_allclose(_numbers(found)[[1, 2, 4, 5, 6, 8, 9, 11, 12, 13]], 1, atol=1e-9)
    assert found.shift == (0.0, 0.0)
    assert (found.frc_half, found.frc_half_bit) == (0.5, 0.5)
    assert (found.pixels, found.coverage) == (40 * 36, 1.0)


@settings(max_examples=12)
@given(size=st.floats(0.05, 20), turn=st.floats(-4, 4))
def test_scores_ignore_scale_and_global_phase(size: float, turn: float) -> None:
    truth = _truth()
    noisy = _noisy(truth)
    expected, factor = score(_of(noisy), truth), size * np.exp(1j * turn)
    found = score(_of(noisy * factor), truth)
    np.testing.assert_allclose(_numbers(found), _numbers(expected), atol=1e-6)
    ratio = found.scale * factor / expected.scale
    np.testing.assert_allclose(ratio, 1, atol=1e-9)


TRANSFORMS: dict[str, Callable[[Image], Image]] = {
    "conjugate": lambda image: image.conj(),
    "mirror": lambda image: image[:, ::-1],
    "flip": lambda image: image[::-1],
    "transpose": lambda image: image.T,
    "rotation by 180 degrees": lambda image: image[::-1, ::-1],
    "rotated conjugate": lambda image: image[::-1, ::-1].conj(),
}


@settings(max_examples=12)
@given(name=st.sampled_from(sorted(TRANSFORMS)), seed=st.integers(0, 9))
def test_no_rotated_or_conjugated_match_is_accepted(name: str, seed: int) -> None:
    # Fine grain: of coarse grain so little fits the area that unlike images agree by chance.
    truth = _truth(seed=seed, grain=1.3)
    found = score(_of(TRANSFORMS[name](truth)), truth)
    for figures in (found, found.ramp_removed):
        assert figures.phase_correlation < 0.5
        # A conjugate has the right amplitude, and that much of the complex correlation is its due.
        assert figures.complex_correlation < 0.85


@pytest.mark.parametrize("shift", [(0.4, -0.7), (-1.5, 2.25)])
def test_a_planted_shift_is_removed(shift: tuple[float, float]) -> None:
    truth = _truth()
    moved = Truth(truth, (12, 72, 20, 76)).at(shift)
    found = score(Reconstruction(obj=moved, overlap=np.ones((60, 56)), origin=(12, 20)), truth)
    np.testing.assert_allclose(found.shift, shift, atol=0.03)
    assert found.complex_correlation > 0.999


def test_a_larger_shift_is_not_removed() -> None:
    truth = _truth()
    assert score(_of(np.roll(truth, (6, 0), (0, 1))), truth).complex_correlation < 0.8


def test_a_ramp_is_removed_separately() -> None:
    truth, slope = _truth(), (0.04, -0.06)
    noisy = _noisy(truth)
    clean = score(_of(noisy), truth)
    ramped = score(_of(noisy * np.exp(1j * plane(truth.shape, slope))), truth)
    assert ramped.phase_psnr < clean.phase_psnr - 5
    np.testing.assert_allclose(ramped.ramp_removed.phase_psnr, clean.ramp_removed.phase_psnr, atol=0.1)
    np.testing.assert_allclose(np.subtract(ramped.ramp, clean.ramp), slope, atol=1e-4)


def test_a_phase_beyond_pi_is_unwrapped() -> None:
    truth = _truth(0.008)
    assert np.ptp(unwrapped(truth[22:62, 30:66])) > 2 * np.pi
    found = score(_of(_noisy(truth, 0.02)), truth)
    assert found.phase_psnr > 30
    assert found.phase_correlation > 0.999


@pytest.mark.parametrize("curvature", [0.0, 0.008])
def test_the_flat_row(curvature: float) -> None:
    truth = _truth(curvature)
    found = flat_row(_of(_noisy(truth)), truth)
    scored = truth[22:62, 30:66]
    amplitude, phase = np.abs(scored), unwrapped(scored)
    assert (found.amplitude_correlation, found.phase_correlation, found.complex_correlation) == (0, 0, 0)
    assert (found.ramp_removed.phase_correlation, found.ramp_removed.complex_correlation) == (0, 0)
    assert (found.frc_half, found.frc_half_bit) == (0, 0)
    np.testing.assert_allclose(found.amplitude_psnr, -10 * np.log10(amplitude.var()))
    np.testing.assert_allclose(found.phase_psnr, -10 * np.log10(phase.var()))
    np.testing.assert_allclose(abs(found.scale), amplitude.mean())


@pytest.mark.parametrize("constant", [1.0, 0.3 - 2j, 0.0])
def test_any_constant_scores_as_the_flat_row_or_below(constant: complex) -> None:
    truth = _truth()
    flat, found = flat_row(_of(truth), truth), score(_of(np.full_like(truth, constant)), truth)
    assert np.isfinite(_numbers(found)).all()
    assert 0 == found.phase_correlation == found.amplitude_correlation == found.complex_correlation
    if constant:
        np.testing.assert_allclose(_numbers(found), _numbers(flat), atol=1e-6)


def test_gain_is_in_decibels_over_the_flat_object() -> None:
    truth = _truth()
    found, flat = score(_of(_noisy(truth)), truth), flat_row(_of(truth), truth)
    expected = (found.amplitude_psnr - flat.amplitude_psnr, found.phase_psnr - flat.phase_psnr)
    assert expected == found.gain_over(flat)
    assert min(expected) > 3


def test_holes_are_not_scored() -> None:
    truth = _truth()
    whole = _of(_noisy(truth))
    obj, overlap = np.array(whole.obj), np.array(whole.overlap)
    obj[30:36, 25:30], overlap[30:36, 25:30] = 0, 0
    found = score(Reconstruction(obj=obj, overlap=overlap, origin=whole.origin), truth)
    assert found.pixels == 40 * 36 - 30
    assert found.coverage == pytest.approx(1 - 30 / 1440)
    assert found.phase_psnr == pytest.approx(score(whole, truth).phase_psnr, abs=0.3)


def test_the_images_are_those_that_were_scored() -> None:
    truth = _truth()
    found = compare(_of(_noisy(truth)), truth)
    error = found.amplitude - found.true_amplitude
    assert found.scores.amplitude_psnr == pytest.approx(psnr(error[found.mask]))
    assert found.phase.shape == (40, 36)


def test_repeatable() -> None:
    truth = _truth(0.008)
    assert score(_of(_noisy(truth, 0.3)), truth) == score(_of(_noisy(truth, 0.3)), truth)


def test_scores_go_into_json() -> None:
    found = score(_of(_noisy(_truth())), _truth())
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert found.phase_psnr == read["phase_psnr"]
    assert list(found.ramp_removed.shift) == read["ramp_removed"]["shift"]
    assert abs(found.scale) == read["scale_magnitude"]


def test_ssim_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(0)
    a = gaussian_filter(rng.standard_normal((40, 50)), 2)
    b = a + 0.1 * rng.standard_normal((40, 50))
    mean, theirs = structural_similarity(a, b, data_range=1, full=True)
    np.testing.assert_allclose(ssim_map(a, b), theirs, atol=1e-10)
    np.testing.assert_allclose(ssim_map(a, b)[3:-3, 3:-3].mean(), mean)


def test_psnr_agrees_with_scikit_image_and_has_a_ceiling() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((30, 30)), rng.random((30, 30))
    np.testing.assert_allclose(psnr(a - b), peak_signal_noise_ratio(a, b, data_range=1))
    assert psnr(np.zeros((4, 4))) == 200


@pytest.mark.parametrize(
    ("truth", "origin", "said"),
    [
        (np.ones((96, 96)), (12, 20), "the truth is float64"),
        (np.ones((96, 96, 1), np.complex128), (12, 20), "allowed: complex"),
        (np.ones((60, 60), np.complex128), (12, 20), "covers rows 12..71 and columns 20..75, the truth is 60×60"),
        (np.ones((96, 96), np.complex128), (-1, 0), "covers rows -1..58"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused(truth: Image, origin: tuple[int, int], said: str) -> None:
    reconstruction = Reconstruction(obj=np.ones((60, 56), np.complex128), overlap=np.ones((60, 56)), origin=origin)
    with pytest.raises(UsageError, match=said):
        score(reconstruction, truth)


@pytest.mark.parametrize("overlap", [np.zeros((60, 56)), np.pad(np.ones((22, 22)), ((0, 38), (0, 34)))])
def test_too_small_an_area_is_refused(overlap: NDArray[np.float64]) -> None:
    reconstruction = Reconstruction(obj=np.ones((60, 56), np.complex128), overlap=overlap, origin=(12, 20))
    with pytest.raises(UsageError, match="the scanned area less 10 px"):
        score(reconstruction, _truth())
