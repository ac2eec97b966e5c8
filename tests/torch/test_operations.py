"""The shared operations suite with the PyTorch backend, and faults that PyTorch itself offers."""

from typing import Any

import pytest

from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.operations_suite import OperationsSuite, broken_laws, wrong_corners, wrong_operations


class TestOperations(OperationsSuite):
    def test_a_leaky_unit_is_found(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        from torch.nn import functional

        monkeypatch.setattr(functional, "relu", lambda x, **_inplace: functional.leaky_relu(x, 1e-9))
        assert wrong_operations(backend, 1) == {"rectify.even", "rectify.odd"}
        assert wrong_corners(backend) == {"rectify"}

    def test_a_mean_for_a_maximum_is_found(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        from torch.nn import functional

        monkeypatch.setattr(functional, "max_pool2d", functional.avg_pool2d)
        assert wrong_operations(backend, 1) == {"pool.even", "pool.odd"}
        assert wrong_corners(backend) == {"pool.tie", "pool.two", "pool.zero"}

    def test_the_polar_product_forgets_the_sign(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch

        honest = torch.complex

        def polar(real: Any, imaginary: Any) -> Any:
            made = honest(real, imaginary)
            return torch.polar(made.abs(), made.angle())

        monkeypatch.setattr(torch, "complex", polar)
        assert any(name.startswith("compose.") for name in wrong_corners(backend))

    def test_a_shift_over_all_axes_is_found(self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        from torch import fft

        honest = fft.fftshift
        monkeypatch.setattr(fft, "fftshift", lambda x, **_dim: honest(x))
        assert {"intensity.even", "intensity.odd"} <= wrong_operations(backend, 1)
        assert "light.formula" in broken_laws(backend, 1)

    def test_a_transform_of_another_norm_is_found(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from torch import fft

        honest = fft.fft2
        monkeypatch.setattr(fft, "fft2", lambda x, **_norm: honest(x))
        assert {"light.parseval", "light.formula"} <= broken_laws(backend, 1)

    def test_a_gradient_that_is_cut_is_no_adjoint(
        self, backend: BackendUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ptycho_torch import physics

        honest = physics.exit_wave
        monkeypatch.setattr(physics, "exit_wave", lambda o, p: honest(o, (p + p.detach()) / 2))
        assert broken_laws(backend, 1) == {"light.probe.adjoint"}
