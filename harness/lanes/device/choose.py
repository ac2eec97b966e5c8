"""
Chooses the device of a lane by computing on it, and not by asking whether it is there.

The probe is a command of the target and runs in a child, like everything that loads a framework. A GPU that was asked
for and does not compute is an error with its own exit code, and never a skip.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ptycho.errors import DeviceError

if TYPE_CHECKING:
    from harness.process.supervise import CompletedCommand
    from harness.targets.loader import Target


@dataclass(frozen=True, kw_only=True)
class Device:
    """
    The device of a lane.

    Attributes:
        name: `"cpu"` or `"cuda"`, as `{device}` says it to the target.
        words: what it is and why it was chosen.
    """

    name: str
    words: str

    @property
    def gpu(self) -> bool:
        """Whether the lane may see a GPU."""
        return self.name == "cuda"


CPU = Device(name="cpu", words="cpu (every GPU hidden)")


def choose(target: "Target", requested: str, probe: "Callable[[], CompletedCommand]") -> Device:
    """
    Choose the device of a lane.

    Args:
        target: whose probe command is asked.
        requested: one of `harness.targets.devices.CHOICES`.
        probe: runs that command with every GPU visible.

    Raises:
        DeviceError: a GPU was asked for, and none computes.
    """
    if requested == "cpu":
        return CPU
    if target.device_probe is None:
        if requested == "cuda":
            raise DeviceError(
                f"target {target.name!r} has no [device_probe]: that a GPU works cannot be shown; add one"
            )
        return Device(name="cpu", words="cpu (auto: the target has no device probe)")
    finished = probe()
    said = finished.tail(1).strip()
    if finished.returncode == 0 and not finished.timed_out:
        return Device(name="cuda", words=f"cuda ({said})")
    why = "the probe hung" if finished.timed_out else f"the probe ended with {finished.returncode}: {said}"
    if requested == "cuda":
        raise DeviceError(f"no GPU computes in {target.framework}: {why}; use --device cpu, or repair driver and build")
    return Device(name="cpu", words=f"cpu (auto: {why})")
