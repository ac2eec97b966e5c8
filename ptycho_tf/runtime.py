"""
The one place that imports TensorFlow, and the settings of its process: log level, device, threads, arithmetic.

TensorFlow's `__init__` loads all of Keras eagerly, a quarter of its import time, for names that nothing here uses, and
goes on without it where Keras is not installed. So Keras is hidden while TensorFlow is imported, and is back after. The
garbage collector rests meanwhile: it would walk a growing heap of modules again and again, another quarter.
"""

import gc
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import RuntimeConfig
from ptycho.errors import DeviceError, InfrastructureError, UsageError


def import_tensorflow() -> Any:
    """
    TensorFlow, imported without Keras; `import keras` still works afterwards.

    Raises:
        InfrastructureError: where TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # One operation at a time, each on all threads: convolutions that share the cores only evict each other's caches.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    hidden = "tensorflow" not in sys.modules and "keras" not in sys.modules
    if hidden:
        sys.modules["keras"] = None  # type: ignore[assignment]  # None makes `import keras` an ImportError
    # TensorFlow's own copy of Keras writes a configuration file at import, into HOME by default.
    homeless = "KERAS_HOME" not in os.environ
    os.environ.setdefault("KERAS_HOME", os.devnull)
    collecting = gc.isenabled()
    gc.disable()
    try:
        import tensorflow
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise InfrastructureError(
            "tensorflow is not installed in this environment; install the requirements of the tf-cpu or tf-gpu lane"
        ) from error
    finally:
        if homeless:
            del os.environ["KERAS_HOME"]
        if hidden:
            del sys.modules["keras"]
        if collecting:
            gc.enable()
    # Modules live as long as the process: later collections need not look at them (0.2 s of the first trace).
    gc.freeze()
    return tensorflow


tf = import_tensorflow()

if TYPE_CHECKING:
    from tensorflow import Tensor as Tensor  # exported under its own name
else:
    Tensor = tf.Tensor


def as_array(tensor: Any) -> NDArray[Any]:
    """
    NumPy data of a tensor or variable, whatever its kind: dense, ragged, sparse or slices of a gradient.

    NumPy has no bfloat16, which is widened to float32.

    Raises:
        TypeError: it is None, as a gradient is where the value does not depend on the parameter.
    """
    if tensor is None:
        raise TypeError("there is no gradient: the objective does not depend on it")
    if isinstance(tensor, tf.RaggedTensor):
        tensor = tensor.to_tensor(default_value=tf.cast(float("nan"), tensor.dtype))
    elif isinstance(tensor, tf.SparseTensor):
        tensor = tf.sparse.to_dense(tensor)
    tensor = tf.convert_to_tensor(tensor)
    if tensor.dtype == tf.bfloat16:
        tensor = tf.cast(tensor, tf.float32)
    return np.asarray(tensor.numpy())


def _gpu_failure() -> str | None:
    """Return why there is no GPU to compute on, or None after a matrix product on it came out right."""
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return f"TensorFlow {tf.__version__} (CUDA build: {tf.test.is_built_with_cuda()}) sees no GPU"
    try:
        for device in devices:
            # Otherwise the first process on a GPU takes all of its memory.
            tf.config.experimental.set_memory_growth(device, True)
        with tf.device("/GPU:0"):
            square = tf.linalg.matmul(*[tf.ones((64, 64), tf.float32)] * 2).numpy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        return f"the GPU is listed, but does not compute: {error}"
    return None if np.array_equal(square, np.full((64, 64), 64.0)) else "the GPU's matrix product is wrong"


def select_device(requested: str) -> str:
    """
    Decide where to compute: `"cpu"` or `"cuda"`.

    Args:
        requested: `"cpu"` hides every GPU from this process, `"cuda"` demands a working one, `"auto"` takes a
            working one if there is any.

    Raises:
        DeviceError: `"cuda"` without a GPU that computes.
    """
    failure = "not asked for" if requested == "cpu" else _gpu_failure()
    if failure is None:
        return "cuda"
    if requested == "cuda":
        raise DeviceError(f"device 'cuda': {failure}; use --device cpu, or the tf-gpu lane on a machine with a GPU")
    if tf.config.list_physical_devices("GPU"):
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError as error:
            raise UsageError("device 'cpu' must be chosen before anything ran on the GPU; start a process") from error
    return "cpu"


def configure(runtime: RuntimeConfig) -> str:
    """
    Apply a runtime configuration to this process: device, threads, full float32 precision, repeatable kernels.

    On a GPU, TensorFlow would otherwise multiply in TF32 (10 bits of mantissa) and add gradients in random order.

    Returns:
        The device, `"cpu"` or `"cuda"`.

    Raises:
        UsageError: TensorFlow already runs with another number of threads.
        DeviceError: from `select_device`.
    """
    if runtime.threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(runtime.threads)
        except RuntimeError as error:
            raise UsageError(
                f"threads = {runtime.threads}, but TensorFlow already runs with "
                f"{tf.config.threading.get_intra_op_parallelism_threads() or 'its own choice'}; start a process"
            ) from error
    tf.config.experimental.enable_tensor_float_32_execution(False)
    device = select_device(runtime.device)
    if device == "cuda":
        tf.config.experimental.enable_op_determinism()
    return device


def modes() -> dict[str, Any]:
    """Return what decides how a GPU computes, read back from TensorFlow: TF32, and which kernels it takes."""
    from tensorflow.python.framework import config

    return {
        "tensor_float_32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "op_determinism": config.is_op_determinism_enabled(),
    }


def fingerprint(device: str, runtime: RuntimeConfig) -> dict[str, Any]:
    """Return what decides the rounding: versions, device, threads, precision."""
    gpus = tf.config.list_physical_devices("GPU") if device == "cuda" else []
    return {
        "framework": "tensorflow",
        "version": tf.__version__,
        "device": device,
        "device_name": tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "cpu",
        "threads": tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count(),
        "precision": runtime.precision,
        "modes": modes(),
    }
