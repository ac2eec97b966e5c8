"""The far field against the NumPy oracle, and its gradient in the dark."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from numpy_network import distance

from ptycho import physics as oracle

pytestmark = pytest.mark.usefixtures("one_thread")

Complex = NDArray[np.complex128]


def test_intensity_is_the_oracles(patches: Callable[..., Complex], probe: Complex) -> None:
    from ptycho_tf import physics
    from ptycho_tf.runtime import tf

    objects = patches()
    actual = physics.intensity(tf.constant(objects), tf.constant(probe)).numpy()
    assert distance(actual, oracle.intensity(objects, probe)) < 1e-14


def test_amplitude_is_the_oracles(patches: Callable[..., Complex], probe: Complex) -> None:
    from ptycho_tf import physics
    from ptycho_tf.runtime import tf

    objects = patches()
    actual = physics.amplitude(tf.constant(objects), tf.constant(probe)).numpy()
    assert distance(actual, oracle.amplitude(objects, probe)) < 1e-14


def test_modes_add_as_intensities_and_not_as_waves(patches: Callable[..., Complex], probe: Complex) -> None:
    from ptycho_tf import physics
    from ptycho_tf.runtime import tf

    objects = patches(1, 1)
    both = physics.intensity(tf.constant(objects), tf.constant(probe)).numpy()
    alone = [physics.intensity(tf.constant(objects), tf.constant(probe[k : k + 1])).numpy() for k in range(2)]
    coherent = oracle.intensity(objects, probe.sum(axis=0, keepdims=True))
    assert distance(both, alone[0] + alone[1]) < 1e-15
    assert distance(both, coherent) > 0.1


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("probe transposed", lambda o, p: oracle.intensity(o, p.swapaxes(1, 2))),
        ("probe conjugated", lambda o, p: oracle.intensity(o, p.conj())),
        ("batch shifted too", lambda o, p: np.fft.fftshift(oracle.intensity(o, p), axes=(0, 1))),
        ("corner for centre", lambda o, p: np.fft.ifftshift(oracle.intensity(o, p), axes=(-2, -1))),
        ("axes swapped", lambda o, p: oracle.intensity(o, p).swapaxes(2, 3)),
    ],
)
def test_wrong_conventions_are_noticed(
    fault: str, wrong: Callable[[Complex, Complex], Complex], patches: Callable[..., Complex], probe: Complex
) -> None:
    from ptycho_tf import physics
    from ptycho_tf.runtime import tf

    objects = patches()
    actual = physics.intensity(tf.constant(objects), tf.constant(probe)).numpy()
    assert distance(actual, wrong(objects, probe)) > 0.01


def test_energy_is_kept(patches: Callable[..., Complex], probe: Complex) -> None:
    from ptycho_tf import physics
    from ptycho_tf.runtime import tf

    waves = physics.exit_wave(tf.constant(patches()), tf.constant(probe)).numpy()
    total = physics.intensity(tf.constant(patches()), tf.constant(probe)).numpy().sum(axis=(-2, -1))
    assert waves.shape == (2, 4, 2, 64, 64)
    assert distance(total, np.sum(np.abs(waves) ** 2, axis=(-3, -2, -1))) < 1e-14


def test_gradient_of_a_dark_pattern_is_zero_and_nan_stays_nan(probe: Complex) -> None:
    from ptycho_tf import physics
    from ptycho_tf.runtime import tf

    objects = tf.Variable(np.zeros((1, 1, 64, 64), np.complex128))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(physics.amplitude(objects, tf.constant(probe)))
    assert np.array_equal(tape.gradient(total, objects).numpy(), np.zeros((1, 1, 64, 64)))
    broken = np.ones((2, 1, 64, 64), np.complex128)
    broken[1, 0, 5, 6] = np.nan
    lost = np.isnan(physics.amplitude(tf.constant(broken), tf.constant(probe)).numpy()).all(axis=(1, 2, 3))
    assert lost.tolist() == [False, True]


def test_gradient_is_that_of_the_oracle(patches: Callable[..., Complex], probe: Complex) -> None:
    from ptycho_tf import physics
    from ptycho_tf.runtime import tf

    objects, direction = patches(1, 1), patches(1, 1, seed=12)
    variable = tf.Variable(objects)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.square(physics.intensity(variable, tf.constant(probe))))
    # TensorFlow's gradient of a real function of z is 2·∂f/∂z*, so the slope along d is Re Σ conj(g)·d.
    slope = float(np.sum(tape.gradient(total, variable).numpy().conj() * direction).real)
    step = 1e-5
    ends = [np.sum(oracle.intensity(objects + sign * step * direction, probe) ** 2) for sign in (1, -1)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-8)


def test_single_precision_stays_single(patches: Callable[..., Complex], probe: Complex) -> None:
    from ptycho_tf import physics
    from ptycho_tf.runtime import tf

    actual = physics.intensity(tf.constant(patches(), tf.complex64), tf.constant(probe, tf.complex64)).numpy()
    assert actual.dtype == np.float32
    assert distance(actual, oracle.intensity(patches(), probe)) < 1e-6
