"""Device, threads and numerical modes of PyTorch: everything that must be settled before the first tensor."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho.config import RuntimeConfig
from ptycho.errors import DeviceError

REAL = {"f32": torch.float32, "bf16": torch.float32, "f64": torch.float64}
"""Type of weights, physics and data by precision; `bf16` touches the convolutions only."""

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


@cache
def constant(make: Callable[..., NDArray[Any]], *arguments: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """
    An array of the core that never changes, as a tensor: copied once, since a copy inside an epoch makes the host wait.

    Args:
        make: a function of the core.
        arguments: what it is called with.
        device: where the tensor lies.
        dtype: its type.
    """
    # Where a prediction comes first it would be an inference tensor, which no gradient may meet.
    # By position: `torch.compile` knows no other way.
    with torch.inference_mode(False):
        return torch.from_numpy(make(*arguments)).to(device, dtype)


def as_array(tensor: Tensor) -> NDArray[Any]:
    """
    NumPy data of a tensor, whatever its state: with gradient, on a device, conjugate, negative, sparse or ragged.

    NumPy has no bfloat16, which is widened to float32. The data may share memory with the tensor.
    """
    plain = tensor.detach()
    if plain.is_nested:
        plain = plain.to_padded_tensor(float("nan"))
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    if plain.dtype is torch.bfloat16:
        plain = plain.float()
    return plain.resolve_conj().resolve_neg().cpu().numpy()


def select_device(requested: str) -> str:
    """
    The device to compute on, proved by a kernel: `is_available()` alone is true on machines whose GPU does not work.

    Args:
        requested: `"auto"`, `"cpu"` or `"cuda"`.

    Raises:
        DeviceError: for `"cuda"` where no GPU works. Never a quiet fall-back.
    """
    if requested == "cpu":
        return "cpu"
    problem = _cuda_problem()
    if problem is None:
        return "cuda"
    if requested == "cuda":
        raise DeviceError(f"--device cuda: {problem}; use --device cpu or auto, or a machine with a working GPU")
    return "cpu"


def _cuda_problem() -> str | None:
    if torch.cuda.device_count() == 0:
        return f"PyTorch {torch.__version__} sees no CUDA device"
    try:
        torch.ones(2, device="cuda").sum().item()
    except RuntimeError as error:
        return f"the CUDA device does not work ({error})"
    return None


def configure(runtime: RuntimeConfig) -> str:
    """
    Apply threads and numerical modes, and return the device.

    TF32 is off and cuDNN deterministic: a result must not depend on which of two equal kernels was faster today.
    """
    device = select_device(runtime.device)
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    # As TensorFlow does in its threads: the moments of dead units decay into denormals, which processors are slow on.
    torch.set_flush_denormal(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    for part in _PRECISIONS:
        if (owner := _owner(part)) is not None:
            owner.fp32_precision = "ieee"
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return device


_PRECISIONS = ("", "cuda.matmul", "cudnn", "cudnn.conv", "cudnn.rnn")
"""Parts of `torch.backends` that have `fp32_precision` since 2.9; it decides what `allow_tf32` decided before."""


def _owner(part: str) -> Any:
    """A part of `torch.backends` with the newer setting; None where this PyTorch does not have it."""
    found: Any = torch.backends
    for name in part.split(".") if part else ():
        found = getattr(found, name, None)
    return found if hasattr(found, "fp32_precision") else None


def modes() -> dict[str, Any]:
    """
    Return how a GPU computes, read back from PyTorch: TF32 by both of its settings, and the choice of kernels.

    A setting that cannot be read, as where somebody has mixed the two, is its error's first words, and no `False`.
    """

    def read(owner: Any, name: str) -> Any:
        try:
            return getattr(owner, name)
        except RuntimeError as error:
            return f"unreadable: {error!s:.60}"

    newer = {part or "backends": owner for part in _PRECISIONS if (owner := _owner(part)) is not None}
    return {
        "allow_tf32": {
            "matmul": read(torch.backends.cuda.matmul, "allow_tf32"),
            "cudnn": read(torch.backends.cudnn, "allow_tf32"),
        },
        "fp32_precision": {part: read(owner, "fp32_precision") for part, owner in newer.items()},
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def fingerprint(device: str, runtime: RuntimeConfig) -> dict[str, Any]:
    """Return what decides the rounding: versions, device, threads, precision."""
    return {
        "framework": "torch",
        "version": torch.__version__,
        "device": device,
        "device_name": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": runtime.precision,
        "modes": modes(),
    }
