"""The shared operations suite with the TensorFlow backend, and faults that TensorFlow itself offers."""

import pytest

from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.operations_suite import OperationsSuite, broken_laws, wrong_corners, wrong_operations


class TestOperations(OperationsSuite):
    def test_a_leaky_unit_is_found(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        from ptycho_tf.runtime import tf

        monkeypatch.setattr(tf.nn, "relu", lambda x: tf.nn.leaky_relu(x, 1e-9))
        assert wrong_operations(backend, 1) == {"rectify.even", "rectify.odd"}
        assert wrong_corners(backend) == {"rectify"}

    def test_a_maximum_with_zero_has_another_slope_at_zero(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ptycho_tf.runtime import tf

        monkeypatch.setattr(tf.nn, "relu", lambda x: tf.maximum(x, tf.zeros_like(x)))
        assert wrong_operations(backend, 1) == set()
        assert wrong_corners(backend) == {"rectify"}

    def test_a_mean_for_a_maximum_is_found(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        from ptycho_tf.runtime import tf

        monkeypatch.setattr(tf.nn, "max_pool2d", tf.nn.avg_pool2d)
        assert wrong_operations(backend, 1) == {"pool.even", "pool.odd"}
        assert wrong_corners(backend) == {"pool.tie", "pool.two", "pool.zero"}

    def test_a_shift_over_all_axes_is_found(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        from ptycho_tf.runtime import tf

        honest = tf.signal.fftshift
        monkeypatch.setattr(tf.signal, "fftshift", lambda x, **_axes: honest(x))
        assert {"intensity.even", "intensity.odd"} <= wrong_operations(backend, 1)
        assert "light.formula" in broken_laws(backend, 1)

    def test_a_convolution_in_single_precision_is_found(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ptycho_tf.runtime import tf

        honest = tf.nn.conv2d
        monkeypatch.setattr(
            tf.nn,
            "conv2d",
            lambda x, kernel, **given: tf.cast(
                honest(tf.cast(x, tf.float32), tf.cast(kernel, tf.float32), **given), x.dtype
            ),
        )
        assert {"convolve.odd", "upsampled.deep"} <= wrong_operations(backend, 1)
        assert wrong_operations(backend, 1, "f32") == set()

    def test_a_gradient_that_is_cut_is_no_adjoint(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ptycho_tf import physics
        from ptycho_tf.runtime import tf

        honest = physics.exit_wave
        monkeypatch.setattr(physics, "exit_wave", lambda o, p: honest(o, (p + tf.stop_gradient(p)) / 2))
        assert broken_laws(backend, 1) == {"light.probe.adjoint"}
