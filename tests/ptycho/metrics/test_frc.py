"""Fourier ring correlation against a plain loop, and planted resolutions."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.errors import UsageError
from ptycho.metrics import frc


def _noise(seed: int, n: int = 64) -> NDArray[np.complex128]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))


def _low_passed(image: NDArray[np.complex128], limit: float) -> NDArray[np.complex128]:
    axis = np.fft.fftfreq(len(image))
    return np.asarray(np.fft.ifft2(np.fft.fft2(image) * (np.hypot(axis[:, None], axis) < limit)))


@pytest.mark.parametrize("n", [16, 17])
def test_curve_is_what_a_plain_loop_finds(n: int) -> None:
    a, b = _noise(0, n), _noise(0, n) + _noise(1, n)
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * k / n) for k in range(n)])
    x, y = (np.fft.fftshift(np.fft.fft2((image - image.mean()) * np.outer(window, window))) for image in (a, b))
    found = frc.curve(a, b)
    for ring in range(1, n // 2 + 1):
        cross, energy_x, energy_y, count = 0j, 0.0, 0.0, 0
        for j in range(n):
            for k in range(n):
                if round(float(np.hypot(j - n // 2, k - n // 2))) == ring:
                    cross += x[j, k] * np.conj(y[j, k])
                    energy_x += abs(x[j, k]) ** 2
                    energy_y += abs(y[j, k]) ** 2
                    count += 1
        np.testing.assert_allclose(found.correlation[ring - 1], cross.real / np.sqrt(energy_x * energy_y))
        assert count == found.count[ring - 1]
        assert ring / n == found.frequency[ring - 1]


def test_identical_images_agree_up_to_nyquist() -> None:
    found = frc.curve(_noise(0), 3 * _noise(0) + 1)
    np.testing.assert_allclose(found.correlation, 1)
    assert frc.resolution(found, 0.5) == frc.NYQUIST
    assert found.frequency[-1] == frc.NYQUIST


@pytest.mark.parametrize("limit", [0.1, 0.2, 0.35])
def test_a_planted_band_limit_is_found_in_cycles_per_pixel(limit: float) -> None:
    truth = _noise(0, 128)
    image = _low_passed(truth, limit) + (lambda other: other - _low_passed(other, limit))(_noise(1, 128))
    found = frc.curve(truth, image)
    assert frc.resolution(found, 0.5) == pytest.approx(limit, abs=0.015)
    assert frc.resolution(found, frc.half_bit(found.count)) == pytest.approx(limit, abs=0.02)


def test_resolution_does_not_depend_on_the_size_of_the_image() -> None:
    found = []
    for n in (64, 128):
        truth, other = _noise(0, n), _noise(1, n)
        found.append(frc.resolution(frc.curve(truth, _low_passed(truth, 0.25) + other - _low_passed(other, 0.25)), 0.5))
    assert found[0] == pytest.approx(found[1], abs=0.02)


@pytest.mark.parametrize("constant", [0.0, 0.1, 7 - 3j])
def test_a_flat_image_resolves_nothing(constant: complex) -> None:
    found = frc.curve(np.full((32, 32), constant), _noise(0, 32))
    assert np.array_equal(np.zeros(16), found.correlation)
    assert frc.resolution(found, 0.5) == 0
    assert frc.resolution(found, frc.half_bit(found.count)) == 0


def test_the_conjugate_of_a_phase_object_does_not_agree() -> None:
    truth = np.exp(0.5j * _low_passed(_noise(0), 0.2).real)
    assert frc.resolution(frc.curve(truth, truth.conj()), 0.5) < 0.1


def test_half_bit_tends_to_its_limits() -> None:
    np.testing.assert_allclose(frc.half_bit(np.array([1, 10**12])), [1.0, 0.2071 / 1.2071], rtol=1e-4)


def test_the_crossing_is_interpolated() -> None:
    measured = frc.Curve(
        frequency=np.array([0.1, 0.2, 0.3]), correlation=np.array([0.9, 0.7, 0.3]), count=np.array([6, 12, 18])
    )
    assert frc.resolution(measured, 0.5) == pytest.approx(0.25)


@pytest.mark.parametrize("shapes", [((16, 16), (16, 17)), ((16, 17), (16, 17)), ((4, 4), (4, 4)), ((16,), (16,))])
def test_images_that_have_no_rings_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(UsageError, match="two square ones"):
        frc.curve(np.ones(shapes[0]), np.ones(shapes[1]))
