"""The shared suite with PyTorch, and what of a profile is a kernel."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.suites.device_work_suite import DeviceWorkSuite

pytestmark = pytest.mark.usefixtures("backend")


def _event(name: str, device: Any) -> SimpleNamespace:
    return SimpleNamespace(name=name, device_type=device)


class TestDeviceWork(DeviceWorkSuite):
    def test_kernels_are_what_computes_on_the_gpu(self) -> None:
        from torch.autograd import DeviceType

        from ptycho_torch import device_work

        events = [
            _event("sgemm_128x64", DeviceType.CUDA),
            _event("vectorized_elementwise_kernel", DeviceType.CUDA),
            _event("Memcpy HtoD (Pinned -> Device)", DeviceType.CUDA),
            _event("Memset (Device)", DeviceType.CUDA),
            _event("aten::mm", DeviceType.CPU),
        ]
        assert 2 == device_work.kernels(events)

    def test_a_profile_of_the_cpu_has_no_kernel(self) -> None:
        import torch
        from torch.profiler import ProfilerActivity, profile

        from ptycho_torch import device_work

        with profile(activities=[ProfilerActivity.CPU]) as seen:
            torch.ones(8, 8).sum()
        events = list(seen.events() or ())
        assert (len(events) > 0, device_work.kernels(events)) == (True, 0)
