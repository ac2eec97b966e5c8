"""The choice of a device, the threads and the numerical modes of PyTorch."""

import os
import subprocess
import sys

import pytest

from ptycho.config import RuntimeConfig
from ptycho.errors import DeviceError
from tests.support.suites.backend import BackendUnderTest

pytestmark = pytest.mark.usefixtures("backend")


def test_no_gpu_means_an_error_for_cuda_and_the_cpu_for_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    from ptycho_torch import runtime

    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert (runtime.select_device("auto"), runtime.select_device("cpu")) == ("cpu", "cpu")
    with pytest.raises(DeviceError, match=r"cuda: PyTorch 2\..* sees no CUDA device; use --device cpu or auto"):
        runtime.select_device("cuda")


def test_a_gpu_that_is_listed_but_does_not_compute_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from ptycho_torch import runtime

    def broken(*size: int, device: str) -> None:
        raise RuntimeError(f"no kernel image is available for {device}")

    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.ones", broken)
    assert runtime.select_device("auto") == "cpu"
    with pytest.raises(DeviceError, match=r"the CUDA device does not work \(no kernel image is available for cuda\)"):
        runtime.select_device("cuda")


def test_a_cpu_run_does_not_ask_for_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    from ptycho_torch import runtime

    def asked() -> int:
        raise AssertionError("a CPU run started CUDA")

    monkeypatch.setattr("torch.cuda.device_count", asked)
    assert runtime.select_device("cpu") == "cpu"


def test_full_float32_precision_and_the_threads_asked_for() -> None:
    import torch

    from ptycho_torch import runtime

    assert runtime.configure(RuntimeConfig(device="cpu", threads=1)) == "cpu"
    assert 1 == torch.get_num_threads()
    assert (False, False, True) == (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.deterministic,
    )


def test_tf32_is_off_by_both_settings_and_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from ptycho_torch import runtime

    runtime.configure(RuntimeConfig(device="cpu", threads=1))
    found = runtime.modes()
    assert found["allow_tf32"] == {"matmul": False, "cudnn": False}
    assert set(found["fp32_precision"].values()) == {"ieee"}
    assert (True, False) == (found["cudnn_deterministic"], found["cudnn_benchmark"])
    # Somebody else's one line, by the newer setting alone.
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        changed = runtime.modes()
        assert "tf32" == changed["fp32_precision"]["cuda.matmul"]
        assert changed["allow_tf32"]["matmul"] is not False
    finally:
        runtime.configure(RuntimeConfig(device="cpu", threads=1))
    assert found == runtime.modes()
    monkeypatch.setattr(runtime, "_owner", lambda _: None)
    assert {} == runtime.modes()["fp32_precision"]


def test_denormal_numbers_are_flushed(backend: BackendUnderTest) -> None:
    import torch

    from ptycho_torch import runtime

    runtime.configure(RuntimeConfig(device="cpu", threads=1))
    tiny = torch.full((64,), 1e-30) * 1e-10
    assert 0 == int(tiny.count_nonzero())


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_waiting_threads_spin_briefly_unless_the_user_says_otherwise(given: dict[str, str], spins: str | None) -> None:
    code = "import os; import ptycho_torch; print(os.environ.get('GOMP_SPINCOUNT'))"
    bare = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", code], env=bare | given, capture_output=True, text=True, check=True)
    assert done.stdout == f"{spins}\n"
