"""Describes the work that PyTorch did on a device; see `ptycho.training.device_work`."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch

from ptycho.training.device_work import DeviceWork
from ptycho.training.engine import Batch
from ptycho_torch.dset_loader_pt_mmap import batches_to


def collect(
    weights: Sequence[torch.Tensor], batch: Batch, evaluate: Callable[[Batch], object], device: str
) -> DeviceWork:
    """
    The work of an engine that has trained or predicted. Ask at the end: one more batch is evaluated for it.

    Args:
        weights: all weights of the network.
        batch: what is placed on the device, and evaluated there.
        evaluate: evaluates a batch with the engine's own code.
        device: `"cpu"` or `"cuda"`.
    """
    # Before anything else is asked of the device: it is the peak of the work itself.
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    (placed,) = batches_to([batch], device)
    return DeviceWork(
        parameters=sorted({str(weight.device) for weight in weights}),
        batch=sorted({str(tensor.device) for tensor in (placed.diffraction, placed.coords_relative)}),
        parameter_bytes=sum(weight.numel() * weight.element_size() for weight in weights),
        peak_bytes=peak,
        kernels=_evaluated(partial(evaluate, batch)) if device == "cuda" else 0,
    )


def _evaluated(work: Callable[[], object]) -> int:
    # Imported late: it takes a second, and a run on the CPU has no use for it.
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
    return kernels(seen.events() or ())


def kernels(events: Iterable[Any]) -> int:
    """Return how many of a profiler's events are kernels on a GPU; copies and fills need no computing."""
    on_device = (event for event in events if event.device_type is torch.autograd.DeviceType.CUDA)
    return sum(not event.name.startswith(("Memcpy", "Memset")) for event in on_device)
