"""What PyTorch says of the work that it did on a device; see `ptycho.training.device_work`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from ptycho.training.device_work import DeviceWork, blank_batch
from ptycho_torch.dset_loader_pt_mmap import batches_to

if TYPE_CHECKING:
    from ptycho_torch.engine import TorchEngine


def collect(engine: "TorchEngine") -> DeviceWork:
    """The work of an engine that has trained or predicted. Ask at the end: one more batch is evaluated for it."""
    weights = list(engine.network.parameters())
    # Before anything else is asked of the device: it is the peak of the work itself.
    peak = torch.cuda.max_memory_allocated() if engine.device == "cuda" else 0
    batch = blank_batch(engine.model)
    (placed,) = batches_to([batch], engine.device)
    return DeviceWork(
        parameters=sorted({str(weight.device) for weight in weights}),
        batch=sorted({str(tensor.device) for tensor in (placed.diffraction, placed.coords_relative)}),
        parameter_bytes=sum(weight.numel() * weight.element_size() for weight in weights),
        peak_bytes=peak,
        kernels=_evaluated(engine) if engine.device == "cuda" else 0,
    )


def _evaluated(engine: "TorchEngine") -> int:
    # Imported late: it takes a second, and a run on the CPU has no use for it.
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        engine.evaluate([blank_batch(engine.model)])
    return kernels(seen.events() or ())


def kernels(events: Iterable[Any]) -> int:
    """How many of a profiler's events are kernels on a GPU; copies and fills need no computing."""
    on_device = (event for event in events if event.device_type is torch.autograd.DeviceType.CUDA)
    return sum(not event.name.startswith(("Memcpy", "Memset")) for event in on_device)
