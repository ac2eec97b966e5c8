"""The shared suite with TensorFlow, its names of devices, and what of a profile is a kernel."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.suites.device_work_suite import DeviceWorkSuite

pytestmark = pytest.mark.usefixtures("backend")


def _space(**lines: list[str]) -> Any:
    """A profile with lines of a plane, as `plane__line=[names of events]`."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    for key, names in lines.items():
        plane_name, _, line_name = key.partition("__")
        plane = space.planes.add(name={"gpu": "/device:GPU:0", "host": "/host:CPU"}[plane_name])
        line = plane.lines.add(name={"stream": "Stream #7(Compute)", "ops": "TensorFlow Ops"}[line_name])
        for number, name in enumerate(names, 1):
            plane.event_metadata[number].name = name
            line.events.add(metadata_id=number)
    return space


class TestDeviceWork(DeviceWorkSuite):
    def test_kernels_are_what_computes_on_the_gpu_counted_once(self) -> None:
        from ptycho_tf import device_work

        space = _space(
            gpu__stream=["sgemm_128x64", "Relu_GPU_kernel", "MemcpyH2D", "Memset"],
            gpu__ops=["MatMul:MatMul"],
            host__stream=["Add"],
        )
        assert 2 == device_work.kernels(space)

    def test_a_profile_of_the_cpu_has_no_kernel(self) -> None:
        from tensorflow.tsl.profiler.protobuf import xplane_pb2

        from ptycho_tf import device_work
        from ptycho_tf.runtime import tf

        with tempfile.TemporaryDirectory() as folder:
            with tf.profiler.experimental.Profile(folder):
                tf.reduce_sum(tf.ones((8, 8)))
            (path,) = Path(folder).rglob("*.xplane.pb")
            space = xplane_pb2.XSpace.FromString(path.read_bytes())
        assert (len(space.planes) > 0, device_work.kernels(space)) == (True, 0)

    @pytest.mark.parametrize(
        ("device", "name"),
        [
            ("/job:localhost/replica:0/task:0/device:GPU:1", "cuda:1"),
            ("/job:localhost/replica:0/task:0/device:CPU:0", "cpu"),
            ("/device:TPU:0", "/device:TPU:0"),
        ],
    )
    def test_devices_have_the_names_of_both_backends(self, device: str, name: str) -> None:
        from ptycho_tf import device_work

        assert device_work.named(device) == name
