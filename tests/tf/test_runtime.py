"""The import of TensorFlow, the choice of a device, the threads."""

import gc
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ptycho.config import RuntimeConfig
from ptycho.errors import DeviceError, InfrastructureError, UsageError
from tests.support.suites.backend import BackendUnderTest


def devices(*names: str) -> Callable[..., list[str]]:
    """A stand-in for TensorFlow's list of devices."""
    return lambda *_: list(names)


pytestmark = pytest.mark.usefixtures("backend")


def test_keras_is_not_loaded_and_not_lost() -> None:
    assert sys.modules.get("keras", "absent") is not None
    assert importlib.util.find_spec("keras") is not None
    assert gc.isenabled()


def test_a_missing_tensorflow_is_an_infrastructure_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from ptycho_tf import runtime

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(InfrastructureError, match="tensorflow is not installed"):
        runtime.import_tensorflow()


def test_full_float32_precision(backend: BackendUnderTest) -> None:
    from ptycho_tf.runtime import tf

    assert backend.device == "cpu"
    assert tf.config.experimental.tensor_float_32_execution_enabled() is False


def test_no_gpu_means_an_error_for_cuda_and_the_cpu_for_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    from ptycho_tf import runtime

    monkeypatch.setattr(runtime.tf.config, "list_physical_devices", devices())
    assert (runtime.select_device("auto"), runtime.select_device("cpu")) == ("cpu", "cpu")
    with pytest.raises(DeviceError, match=r"device 'cuda': TensorFlow 2\..* sees no GPU; use --device cpu"):
        runtime.select_device("cuda")


def test_a_gpu_that_is_listed_but_does_not_compute_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from ptycho_tf import runtime

    def broken(device: Any, enable: bool) -> None:
        raise ValueError(f"memory growth {enable} refused for {device}")

    monkeypatch.setattr(runtime.tf.config, "list_physical_devices", devices("a GPU"))
    monkeypatch.setattr(runtime.tf.config.experimental, "set_memory_growth", broken)
    monkeypatch.setattr(runtime.tf.config, "set_visible_devices", devices())
    assert runtime.select_device("auto") == "cpu"
    with pytest.raises(DeviceError, match="listed, but does not compute: memory growth True refused"):
        runtime.select_device("cuda")


def test_gpus_are_hidden_from_a_cpu_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from ptycho_tf import runtime

    hidden: list[tuple[Any, ...]] = []
    monkeypatch.setattr(runtime.tf.config, "list_physical_devices", devices("a GPU"))
    monkeypatch.setattr(runtime.tf.config, "set_visible_devices", lambda *arguments: hidden.append(arguments))
    assert runtime.select_device("cpu") == "cpu"
    assert hidden == [([], "GPU")]


def test_other_threads_are_refused_once_running() -> None:
    from ptycho_tf import runtime

    runtime.tf.zeros(1)  # starts TensorFlow's own runtime
    assert runtime.configure(RuntimeConfig(device="cpu", threads=1)) == "cpu"
    with pytest.raises(UsageError, match="threads = 2, but TensorFlow already runs with 1"):
        runtime.configure(RuntimeConfig(device="cpu", threads=2))


def test_tf32_is_off_and_read_back(backend: BackendUnderTest) -> None:
    runtime = backend.module("runtime")
    assert runtime.modes()["tensor_float_32"] is False
    runtime.tf.config.experimental.enable_tensor_float_32_execution(True)
    try:
        assert runtime.modes()["tensor_float_32"] is True
    finally:
        runtime.tf.config.experimental.enable_tensor_float_32_execution(False)
