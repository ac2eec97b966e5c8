"""The far field against the NumPy oracle, and its gradient in the dark."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.physics import forward as oracle
from tests.support.distances import distance
from tests.support.small_problem import make_patches, make_probe
from tests.support.suites.backend import BackendUnderTest

Complex = NDArray[np.complex128]

PROBE = make_probe()


def call(backend: BackendUnderTest, name: str, objects: Complex, probe: Complex = PROBE) -> NDArray[Any]:
    """One function of the backend's physics, arrays in and out."""
    return backend.array(getattr(backend.module("physics"), name)(backend.tensor(objects), backend.tensor(probe)))


class PhysicsSuite:
    def test_intensity_is_the_oracles(self, backend: BackendUnderTest) -> None:
        objects = make_patches()
        assert distance(call(backend, "intensity", objects), oracle.intensity(objects, PROBE)) < 1e-14

    def test_amplitude_is_the_oracles(self, backend: BackendUnderTest) -> None:
        objects = make_patches()
        assert distance(call(backend, "amplitude", objects), oracle.amplitude(objects, PROBE)) < 1e-14

    def test_modes_add_as_intensities_and_not_as_waves(self, backend: BackendUnderTest) -> None:
        objects = make_patches(1, 1)
        both = call(backend, "intensity", objects)
        alone = [call(backend, "intensity", objects, PROBE[k : k + 1]) for k in range(2)]
        coherent = oracle.intensity(objects, PROBE.sum(axis=0, keepdims=True))
        assert distance(both, alone[0] + alone[1]) < 1e-15
        assert distance(both, coherent) > 0.1

    @pytest.mark.parametrize(
        "wrong",
        [
            pytest.param(lambda o, p: oracle.intensity(o, p.swapaxes(1, 2)), id="probe transposed"),
            pytest.param(lambda o, p: oracle.intensity(o, p.conj()), id="probe conjugated"),
            pytest.param(lambda o, p: np.fft.fftshift(oracle.intensity(o, p), axes=(0, 1)), id="batch shifted too"),
            pytest.param(lambda o, p: np.fft.ifftshift(oracle.intensity(o, p), axes=(-2, -1)), id="corner for centre"),
            pytest.param(lambda o, p: oracle.intensity(o, p).swapaxes(2, 3), id="axes swapped"),
        ],
    )
    def test_wrong_conventions_are_noticed(
        self, wrong: Callable[[Complex, Complex], Complex], backend: BackendUnderTest
    ) -> None:
        objects = make_patches()
        assert distance(call(backend, "intensity", objects), wrong(objects, PROBE)) > 0.01

    def test_energy_is_kept(self, backend: BackendUnderTest) -> None:
        waves = call(backend, "exit_wave", make_patches())
        total = call(backend, "intensity", make_patches()).sum(axis=(-2, -1))
        assert waves.shape == (2, 4, 2, 64, 64)
        assert distance(total, np.sum(np.abs(waves) ** 2, axis=(-3, -2, -1))) < 1e-14

    @pytest.mark.parametrize("name", ["intensity", "amplitude"])
    def test_gradient_of_a_dark_pattern_is_zero(self, name: str, backend: BackendUnderTest) -> None:
        function, probe = getattr(backend.module("physics"), name), backend.tensor(PROBE)
        dark = np.zeros((1, 1, 64, 64), np.complex128)
        (slope,) = backend.gradients(lambda objects: backend.total(function(objects, probe)), dark)
        assert np.array_equal(slope, dark)

    @pytest.mark.parametrize("name", ["intensity", "amplitude"])
    def test_nan_stays_nan_and_in_its_own_pattern(self, name: str, backend: BackendUnderTest) -> None:
        broken = np.ones((2, 1, 64, 64), np.complex128)
        broken[1, 0, 5, 6] = np.nan
        assert np.isnan(call(backend, name, broken)).all(axis=(1, 2, 3)).tolist() == [False, True]

    def test_gradient_is_that_of_the_oracle(self, backend: BackendUnderTest) -> None:
        objects, direction, probe = make_patches(1, 1), make_patches(1, 1, seed=12), backend.tensor(PROBE)
        intensity = backend.module("physics").intensity
        (gradient,) = backend.gradients(lambda given: backend.total(intensity(given, probe) ** 2), objects)
        step = 1e-5
        ends = [np.sum(oracle.intensity(objects + sign * step * direction, PROBE) ** 2) for sign in (1, -1)]
        assert backend.slope(gradient, direction) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-8)

    def test_single_precision_stays_single(self, backend: BackendUnderTest) -> None:
        objects, probe = (backend.tensor(value, "complex64") for value in (make_patches(), PROBE))
        actual = backend.array(backend.module("physics").intensity(objects, probe))
        assert actual.dtype == np.float32
        assert distance(actual, oracle.intensity(make_patches(), PROBE)) < 1e-6
