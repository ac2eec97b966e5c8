"""
The devices of a run that asks several targets: each is settled by its own probe before the run is named.

A GPU that was asked for and does not compute is written into the run's log with its reason, and ends the run; nothing
falls back in silence, and nothing is left without a run that a later gate could find.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.lanes.device import choose
from harness.lanes.device.choose import CPU, Device
from harness.process import supervise
from harness.process.supervise import CompletedCommand
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from harness.targets import devices, loader
from harness.targets.loader import Target
from ptycho.errors import DeviceError
from ptycho.fingerprint import ROOT


@dataclass(frozen=True, kw_only=True)
class DeviceAssignment:
    """
    The device of each side.

    Attributes:
        requested: what was asked for, by side.
        chosen: the device of each side; the CPU's for one whose GPU does not compute.
        refused: why a GPU that was asked for does not compute, by side.
    """

    requested: Mapping[str, str]
    chosen: Mapping[str, Device]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def gpu(self) -> bool:
        """Whether a side computes on a GPU, or was to."""
        return bool(self.refused) or any(device.gpu for device in self.chosen.values())

    def name(self, kind: str) -> str:
        """Name of a run: a run with a GPU is never the verdict of one without."""
        return f"{kind}-gpu" if self.gpu else kind

    def of(self, side: str) -> str:
        """`cpu` or `cuda`."""
        return "cuda" if side in self.refused else self.chosen[side].name

    @property
    def asked(self) -> str:
        """Return what was asked for, as a run's origin has it."""
        return devices.asked(self.requested)

    def locks(self, sides: Sequence[str]) -> list[Path]:
        """The files of pinned versions of some sides."""
        kinds = {"cpu": "cpu", "cuda": "gpu"}
        return [ROOT / "requirements" / f"{side}-{kinds[self.of(side)]}.txt" for side in sides]

    @property
    def left_out(self) -> Iterator[str]:
        """Yield what keeps a run with a GPU from being a whole one: a side that computes on the CPU."""
        for side in self.chosen if self.gpu else ():
            if self.of(side) == "cpu":
                yield f"a part of the sides on a GPU: {side} on the CPU"

    def require(self, events: EventLog) -> None:
        """
        Write which devices there are into a log.

        Raises:
            DeviceError: one that was asked for does not compute, with every reason.
        """
        for side, device in self.chosen.items():
            words = self.refused.get(side, device.words)
            events.write("device.side", side=side, device=self.of(side), words=words)
        if self.refused:
            raise DeviceError("; ".join(self.refused.values()))


def on_cpu(sides: Sequence[str]) -> DeviceAssignment:
    """Every side on the CPU."""
    return DeviceAssignment(requested=dict.fromkeys(sides, "cpu"), chosen=dict.fromkeys(sides, CPU))


def settle(
    requested: Mapping[str, str],
    targets: Mapping[str, Target],
    pythons: Mapping[str, str],
    kept: RunRoot,
    interruption: Interruption,
) -> DeviceAssignment:
    """
    Settle the device of each side.

    Args:
        requested: device by side, of `harness.targets.devices.CHOICES`.
        targets: by side.
        pythons: interpreter by side.
        kept: the run, which keeps the probes' output.
        interruption: asked while waiting.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    chosen, refused = dict[str, Device](), dict[str, str]()
    for side, device in requested.items():
        probe = partial(_probe, side, targets[side], pythons[side], kept, interruption)
        try:
            chosen[side] = choose.choose(targets[side], device, probe)
        except DeviceError as error:
            chosen[side], refused[side] = CPU, f"{side}: {error}"
    return DeviceAssignment(requested=requested, chosen=chosen, refused=refused)


def _probe(side: str, target: Target, python: str, kept: RunRoot, interruption: Interruption) -> CompletedCommand:
    """The target's own probe, with every GPU visible."""
    assert target.device_probe is not None
    label = f"device-probe-{side}"
    cell = Sandbox(path=kept.scratch / label).make()
    values = {**target.places, "python": python, "cache": cell.cache}
    return supervise.run(
        loader.fill(target.device_probe.argv, values),
        env=sandbox.build(
            cell,
            token=f"{kept.token}:{kept.token}-{label}",
            scratch=kept.scratch,
            # The log has not begun: the run's name depends on the answer.
            events=kept.scratch / "events.ndjson",
            import_root=target.root,
            gpu=True,
            extra={name: text.format(**values) for name, text in target.environment.items()},
        ),
        cwd=cell.cwd,
        log=kept.logs / f"{label}.log",
        timeout_s=target.device_probe.timeout_s,
        token=f"{kept.token}-{label}",
        interruption=interruption,
    )
