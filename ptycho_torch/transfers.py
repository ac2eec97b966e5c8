"""
Copies between host and device while a block runs, and tensors that are not on its device at all.

A step of a training takes its batch from the host and nothing else. A mask that is copied again, a constant that is
made on the CPU, a value that is fetched: each is right on a CPU, and slow or an error on a GPU. On the device `meta`
this can be seen without a GPU: tensors have shapes there and no values.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ptycho.errors import DeviceError

_WAITS = frozenset(("_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select", "unique"))
"""Operations whose result the host must wait for."""

_COPIES = frozenset(("_to_copy", "copy_", "to", "copy"))
_ON_HOST = frozenset(("lift_fresh", "scalar_tensor", "_pin_memory", "pin_memory", "is_pinned"))
"""What may be on the host: NumPy data on its way, which counts when it is copied, and a number of Python's beside a
tensor, which is a tensor without dimensions for a moment and an argument of the kernel."""


class Transfers(TorchDispatchMode):
    """
    Counts copies to a device while it is entered, and refuses whatever else leaves the device.

    Args:
        device: type of the device on which everything must lie: `"cuda"`, or `"meta"` without a GPU.

    Attributes:
        to_device: how many tensors were copied to the device.
        operations: how many operations were seen.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.to_device = 0
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """
        One operation.

        Raises:
            DeviceError: it waits for a value, copies one back, mixes devices, or makes a tensor on the host.
        """
        name = func.overloadpacket.__name__
        given = [item for item in tree_leaves((args, kwargs or {})) if isinstance(item, Tensor)]
        inside = [item for item in given if item.device.type == self.device]
        outside = [item for item in given if item.device.type != self.device]
        self.operations += 1
        if inside and name in _WAITS:
            raise DeviceError(f"{name}: the host waits for a value of the device")
        if name in _COPIES and outside and inside and args[0].device.type != self.device:
            raise DeviceError(f"{name}: a tensor of shape {tuple(inside[0].shape)} is copied back to the host")
        if name not in _COPIES and inside and any(item.dim() for item in outside):
            shapes = [tuple(item.shape) for item in outside]
            raise DeviceError(f"{name}: {shapes} on the host, beside tensors on {self.device}")
        target = (kwargs or {}).get("device")
        if name in _COPIES and inside and target is not None and torch.device(target).type != self.device:
            raise DeviceError(f"{name}: a tensor of shape {tuple(inside[0].shape)} is copied back to the host")
        made = func(*args, **(kwargs or {}))
        results = [item for item in tree_leaves(made) if isinstance(item, Tensor)]
        there = [item.device.type == self.device for item in results]
        if name in _COPIES and outside and all(there):
            self.to_device += 1
        elif results and not all(there) and name not in _ON_HOST:
            raise DeviceError(f"{name}: a tensor of shape {tuple(results[0].shape)} is made on the host")
        return made
