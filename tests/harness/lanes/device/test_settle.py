"""The devices of a run that asks several targets: what is probed, how the run is called, what a refusal leaves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.lanes.device import settle
from harness.lanes.device.settle import DeviceAssignment
from harness.record import directory
from harness.record.log import EventLog
from harness.system.signals import Interruption
from harness.targets import loader
from harness.targets.loader import Target
from ptycho.errors import DeviceError
from tests.support.injected import bites

GOOD, BAD = "print('Fake GPU of 1')", "raise SystemExit('no CUDA device')"


def targets(**probes: str) -> dict[str, Target]:
    made = {}
    for side, code in probes.items():
        target = loader.load(loader.built_in(side))
        assert target.device_probe is not None
        made[side] = replace(target, device_probe=replace(target.device_probe, argv=("{python}", "-c", code)))
    return made


def settled(folder: Path, requested: dict[str, str], **probes: str) -> tuple[DeviceAssignment, directory.RunRoot]:
    import sys

    kept = directory.create(folder)
    pythons = dict.fromkeys(probes, sys.executable)
    return settle.settle(requested, targets(**probes), pythons, kept, Interruption()), kept


def test_a_gpu_that_computes_names_the_run_and_its_locks(tmp_path: Path) -> None:
    found, kept = settled(tmp_path, {"torch": "cuda", "tf": "cpu"}, torch=GOOD, tf=BAD)
    assert ("parity-gpu", "cuda", "cpu") == (found.name("parity"), found.of("torch"), found.of("tf"))
    assert ["torch-gpu.txt", "tf-cpu.txt"] == [path.name for path in found.locks(["torch", "tf"])]
    assert ["a part of the sides on a GPU: tf on the CPU"] == list(found.left_out)
    assert "Fake GPU of 1" in (kept.logs / "device-probe-torch.log").read_text()
    assert not (kept.logs / "device-probe-tf.log").exists(), "the CPU needs no probe"


@pytest.mark.fault("gpu-missing")
def test_a_gpu_that_does_not_is_an_error_with_its_reason_in_the_log(tmp_path: Path) -> None:
    found, kept = settled(tmp_path, {"torch": "cuda", "tf": "cuda"}, torch=BAD, tf=BAD)
    assert "benchmark-gpu" == found.name("benchmark")
    events = EventLog(kept.path / "events.ndjson")
    with pytest.raises(DeviceError, match=r"torch: no GPU computes.*no CUDA device.*; tf: no GPU computes"):
        found.require(events)
    bites("no CUDA device" in (kept.logs / "device-probe-tf.log").read_text(), "the probe found no GPU")
    text = (kept.path / "events.ndjson").read_text()
    assert text.count('"device.side"') == 2
    assert "no CUDA device" in text


def test_auto_takes_the_cpu_where_there_is_no_gpu_and_says_why(tmp_path: Path) -> None:
    found, kept = settled(tmp_path, {"torch": "auto"}, torch=BAD)
    assert ("parity", "cpu", []) == (found.name("parity"), found.of("torch"), list(found.left_out))
    found.require(EventLog(kept.path / "events.ndjson"))
    assert "auto: the probe ended with 1" in (kept.path / "events.ndjson").read_text()


def test_without_a_request_nothing_is_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def probed(*_: Any) -> None:
        raise AssertionError("a run on the CPU started a probe")

    monkeypatch.setattr(settle, "_probe", probed)
    found, _ = settled(tmp_path, {"torch": "cpu", "tf": "cpu"}, torch=BAD, tf=BAD)
    assert ("parity", "cpu") == (found.name("parity"), found.asked)
