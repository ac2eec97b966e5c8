"""Describes the work that TensorFlow did on a device; see `ptycho.training.device_work`."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ptycho.training.device_work import DeviceWork
from ptycho.training.engine import Batch
from ptycho_tf.dset_loader_tf_mmap import batches_to
from ptycho_tf.runtime import tf


def collect(weights: Sequence[Any], batch: Batch, evaluate: Callable[[Batch], object], device: str) -> DeviceWork:
    """
    The work of an engine that has trained or predicted. Ask at the end: one more batch is evaluated for it.

    Args:
        weights: all weights of the network.
        batch: what is placed on the device, and evaluated there.
        evaluate: evaluates a batch with the engine's own code.
        device: `"cpu"` or `"cuda"`.
    """
    # Before anything else is asked of the device: it is the peak of the work itself.
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] if device == "cuda" else 0
    (placed,) = batches_to([batch])
    return DeviceWork(
        parameters=sorted({named(weight.device) for weight in weights}),
        batch=sorted({named(tensor.device) for tensor in (placed.diffraction, placed.coords_relative)}),
        parameter_bytes=sum(int(tf.size(weight)) * weight.dtype.size for weight in weights),
        peak_bytes=int(peak),
        kernels=_evaluated(partial(evaluate, batch)) if device == "cuda" else 0,
    )


def named(device: str) -> str:
    """TensorFlow's name of a device as both backends write it: `/job:localhost/…/device:GPU:0` is `cuda:0`."""
    spec = tf.DeviceSpec.from_string(device)
    return {"CPU": "cpu", "GPU": f"cuda:{spec.device_index}"}.get(spec.device_type, device)


def _evaluated(work: Callable[[], object]) -> int:
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    profiler = tf.profiler.experimental
    options = profiler.ProfilerOptions(host_tracer_level=0, python_tracer_level=0, device_tracer_level=1)
    with tempfile.TemporaryDirectory() as folder:
        with profiler.Profile(folder, options):
            work()
        spaces = [xplane_pb2.XSpace.FromString(path.read_bytes()) for path in Path(folder).rglob("*.xplane.pb")]
    return sum(kernels(space) for space in spaces)


def kernels(space: Any) -> int:
    """Return how many events of a profile are kernels on a GPU; copies and fills need no computing."""
    return sum(
        not plane.event_metadata[event.metadata_id].name.startswith(("Memcpy", "Memset"))
        for plane in space.planes
        if plane.name.startswith("/device:GPU")
        for line in plane.lines
        # Other lines of the same plane say again what runs there, by operation and by module.
        if line.name.startswith("Stream")
        for event in line.events
    )
