"""The oracle against closed forms: whatever judges the backends has to be judged by something else than itself."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.physics import forward
from tests.support.small_problem import make_patches, make_probe

SIDE = 64
FLAT = np.ones((1, SIDE, SIDE))
PROBE = make_probe()
AGAIN = forward.normalise_probe(PROBE)
Complex = NDArray[np.complex128]


def ramp(cycles: int, axis: int) -> Complex:
    """`(N, N)` phase ramp with whole cycles along an axis."""
    wave = np.exp(2j * np.pi * cycles * np.arange(SIDE) / SIDE)
    return np.asarray(np.broadcast_to(wave if axis == 1 else wave[:, None], (SIDE, SIDE)))


def brightest(pattern: NDArray[np.float64]) -> tuple[int, int]:
    row, column = divmod(int(pattern.argmax()), SIDE)
    return row, column


def test_energy_of_the_exit_wave_is_kept() -> None:
    objects = make_patches(2, 3)
    expected = np.sum(np.abs(objects[:, :, None] * PROBE) ** 2, axis=(-3, -2, -1))
    actual = forward.intensity(objects, PROBE).sum(axis=(-2, -1))
    assert actual.shape == (2, 3)
    assert actual == pytest.approx(expected, rel=1e-13)


def test_a_flat_wave_is_one_pixel_in_the_centre() -> None:
    expected = np.zeros((SIDE, SIDE))
    expected[32, 32] = SIDE**2
    assert np.allclose(forward.intensity(FLAT[0], FLAT), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("cycles", "axis", "expected"), [(3, 1, (32, 35)), (-5, 1, (32, 27)), (3, 0, (35, 32)), (-32, 0, (0, 32))]
)
def test_a_phase_ramp_moves_the_pattern_along_its_own_axis(cycles: int, axis: int, expected: tuple[int, int]) -> None:
    assert brightest(forward.intensity(ramp(cycles, axis), FLAT)) == expected


def test_a_ramp_on_the_object_is_a_shift_of_any_pattern() -> None:
    obj = make_patches(1, 1)[0, 0]
    shifted = np.roll(forward.intensity(obj, PROBE), (-2, 7), axis=(0, 1))
    assert np.allclose(forward.intensity(obj * ramp(-2, 0) * ramp(7, 1), PROBE), shifted, rtol=1e-10)


def test_a_shift_of_the_whole_wave_leaves_the_pattern() -> None:
    obj = make_patches(1, 1)[0, 0]
    moved = np.roll(obj, (5, -9), axis=(0, 1)), np.roll(PROBE, (5, -9), axis=(1, 2))
    assert np.allclose(forward.intensity(*moved), forward.intensity(obj, PROBE), rtol=1e-10)


def test_the_pattern_is_that_of_the_sum_over_pixels() -> None:
    # The definition, for one pixel: |Σ ψ exp(−2πi(uy + vx)/N)|² / N².
    obj, row, column = make_patches(1, 1)[0, 0], 30, 41
    waves = PROBE * obj * ramp(32 - row, 0) * ramp(32 - column, 1)
    expected = np.sum(np.abs(waves.sum(axis=(1, 2))) ** 2) / SIDE**2
    assert forward.intensity(obj, PROBE)[row, column] == pytest.approx(expected, rel=1e-10)


def test_modes_add_as_intensities_and_not_as_waves() -> None:
    obj = make_patches(1, 1)[0, 0]
    both = forward.intensity(obj, PROBE)
    assert np.allclose(both, sum(forward.intensity(obj, PROBE[k : k + 1]) for k in range(2)), rtol=1e-12)
    coherent = forward.intensity(obj, PROBE.sum(axis=0, keepdims=True))
    assert np.abs(both - coherent).max() > 0.01 * both.max()


def test_every_patch_has_a_pattern_of_its_own() -> None:
    objects = make_patches(2, 2)
    together = forward.intensity(objects, PROBE)
    for group, channel in np.ndindex(2, 2):
        assert np.array_equal(together[group, channel], forward.intensity(objects[group, channel], PROBE))


def test_amplitude_is_the_root_of_intensity_and_grows_with_the_root_of_the_flux() -> None:
    objects = make_patches(1, 2)
    amplitude = forward.amplitude(objects, PROBE)
    assert np.array_equal(amplitude, np.sqrt(forward.intensity(objects, PROBE)))
    assert np.allclose(forward.amplitude(objects, math.sqrt(7) * PROBE), math.sqrt(7) * amplitude, rtol=1e-12)
    assert np.allclose(forward.intensity(objects, math.sqrt(7) * PROBE), 7 * amplitude**2, rtol=1e-12)


@pytest.mark.parametrize(("side", "pixels"), [(8, 12), (64, 812), (128, 3228)])
def test_the_disk_is_centred_between_pixels(side: int, pixels: int) -> None:
    disk, centre = forward.disk(side), (side - 1) / 2
    counted = sum((i - centre) ** 2 + (j - centre) ** 2 < (side / 4) ** 2 for i in range(side) for j in range(side))
    assert (int(disk.sum()), counted) == (pixels, pixels)
    assert np.array_equal(disk, disk[::-1])
    assert np.array_equal(disk, disk.T)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_the_central_mask_is_the_central_half(side: int) -> None:
    mask = forward.central_mask(side)
    assert (mask.sum(), mask[side // 4, side // 4], mask[side // 4 - 1, side // 2]) == ((side // 2) ** 2, 1, 0)
    assert np.array_equal(mask, mask[::-1, ::-1])


def test_a_normalised_probe_has_a_mean_of_one_quarter_in_its_disk() -> None:
    normalised = forward.normalise_probe(3 * FLAT[0])
    assert normalised.shape == (1, SIDE, SIDE)
    assert normalised == pytest.approx(np.full((1, SIDE, SIDE), SIDE**2 / (4 * 812)))
    total = np.sqrt(np.sum(np.abs(PROBE) ** 2, axis=0))
    assert np.mean(forward.disk(SIDE) * total) == pytest.approx(1 / 4, rel=1e-13)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_probe_scale_divides(scale: float) -> None:
    assert forward.normalise_probe(PROBE, probe_scale=scale) == pytest.approx(PROBE * 4 / scale, rel=1e-13)


def test_normalisation_forgets_the_probes_own_scale_and_keeps_its_phase() -> None:
    assert np.allclose(forward.normalise_probe(1e-7 * PROBE), PROBE, rtol=1e-13)
    assert np.allclose(forward.normalise_probe(-2j * PROBE), -1j * PROBE, rtol=1e-13)


def test_all_modes_share_one_factor() -> None:
    modes = PROBE * np.array([3.0, 5.0])[:, None, None]
    factors = (forward.normalise_probe(modes) / modes).reshape(2, -1)
    assert np.allclose(factors, factors[0, 0], rtol=1e-12)
    each = np.concatenate([forward.normalise_probe(mode) for mode in modes])
    assert np.ptp(np.abs(each / modes)) > 0.1 * np.abs(factors[0, 0])


def test_the_mask_cuts_to_the_disk_and_leaves_the_factor() -> None:
    assert np.array_equal(forward.normalise_probe(PROBE, masked=True), AGAIN * forward.disk(SIDE))
    assert np.abs(AGAIN[:, forward.disk(SIDE) == 0]).max() > 0


def test_normalised_patterns_have_the_mean_energy_of_the_definition() -> None:
    frames = np.random.default_rng(1).gamma(2.0, size=(5, SIDE, SIDE)) * np.arange(1, 6)[:, None, None]
    factor = forward.normalisation(frames)
    energies = np.sum((factor * frames) ** 2, axis=(1, 2))
    assert energies.mean() == pytest.approx(32**2, rel=1e-13)
    assert energies.min() < 0.2 * energies.max()  # one factor for all: patterns keep their ratios
    assert forward.normalisation(3 * frames) == pytest.approx(factor / 3, rel=1e-13)


def test_normalisation_of_single_precision_is_summed_in_double() -> None:
    frames = np.full((1, 256, 256), 0.1, dtype=np.float32)
    expected = 128 / (256 * float(np.float32(0.1)))
    assert forward.normalisation(frames) == pytest.approx(expected, rel=1e-14)


def test_a_perfect_fit_has_no_deviance_and_the_least_likelihood_term() -> None:
    counts = np.array([0.0, 1.0, 5.0, 1e5])
    assert forward.poisson_deviance(counts, counts) == 0
    expected = np.mean([0, 1, 5 - 5 * math.log(5), 1e5 - 1e5 * math.log(1e5)])
    assert forward.poisson_nll(counts, counts) == pytest.approx(expected, rel=1e-13)
    assert all(forward.poisson_nll(counts * factor, counts) > expected for factor in (0.99, 1.01))


def test_one_per_cent_of_rate_shows_in_the_deviance_and_hides_in_the_likelihood() -> None:
    counts = np.full(10, 1e5)
    assert forward.poisson_deviance(1.01 * counts, counts) == pytest.approx(1e5 * 0.01**2, rel=0.01)
    change = forward.poisson_nll(1.01 * counts, counts) / forward.poisson_nll(counts, counts) - 1
    assert abs(change) == pytest.approx(4.7e-6, rel=0.02)


def test_deviance_is_the_excess_of_the_likelihood() -> None:
    rate, counts = np.array([0.5, 2.0, 30.0]), np.array([0.0, 3.0, 25.0])
    excess = forward.poisson_nll(rate, counts) - forward.poisson_nll(counts, counts)
    assert forward.poisson_deviance(rate, counts) == pytest.approx(2 * excess, rel=1e-13)


def test_no_photon_where_one_is_expected_costs_twice_the_rate() -> None:
    assert forward.poisson_deviance([1.5], [0.0]) == 3
    assert forward.poisson_nll([1.5], [0.0]) == 1.5


@pytest.mark.parametrize("epsilon", [forward.EPSILON_F64, forward.EPSILON_F32])
def test_photons_where_none_is_expected_cost_a_finite_amount(epsilon: float) -> None:
    assert forward.poisson_nll([0.0], [2.0], epsilon) == pytest.approx(-2 * math.log(epsilon), rel=1e-13)
    expected = 2 * (-2 + 2 * math.log(2 / epsilon))
    assert forward.poisson_deviance([0.0], [2.0], epsilon) == pytest.approx(expected, rel=1e-13)
    assert forward.poisson_deviance([0.0], [0.0], epsilon) == 0
