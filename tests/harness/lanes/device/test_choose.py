"""A GPU that is asked for must compute; automatic choice says what it found."""

from pathlib import Path

import pytest

from harness.lanes.device import choose
from harness.process.supervise import CompletedCommand
from harness.targets import loader
from ptycho.errors import DeviceError
from ptycho.verdict import Verdict
from tests.support.fakes import fake_target
from tests.support.injected import bites


def _finished(folder: Path, said: str, returncode: int, *, timed_out: bool = False) -> CompletedCommand:
    log = folder / "log"
    log.write_text(f"noise\n{said}\n")
    return CompletedCommand(
        argv=("probe",),
        pid=1,
        returncode=returncode,
        seconds=1,
        started=0,
        timed_out=timed_out,
        survivors=(),
        log=log,
    )


@pytest.fixture
def target(tmp_path: Path) -> loader.Target:
    return loader.load(fake_target.write(tmp_path))


def test_cpu_asks_nobody(target: loader.Target) -> None:
    def probe() -> CompletedCommand:
        raise AssertionError("the probe ran")

    assert choose.choose(target, "cpu", probe) == choose.CPU
    assert not choose.CPU.gpu


@pytest.mark.parametrize("requested", ["cuda", "auto"])
def test_a_gpu_that_computes_is_taken_and_named(target: loader.Target, tmp_path: Path, requested: str) -> None:
    chosen = choose.choose(target, requested, lambda: _finished(tmp_path, "Accelerator 9000 of 1", 0))
    assert (chosen.name, chosen.words, chosen.gpu) == ("cuda", "cuda (Accelerator 9000 of 1)", True)


@pytest.mark.fault("gpu-missing")
def test_a_gpu_that_does_not_compute_is_an_error_where_it_was_asked_for(target: loader.Target, tmp_path: Path) -> None:
    bites(_finished(tmp_path, "no kernel image", 1).returncode == 1, "the probe finds no GPU that computes")
    with pytest.raises(DeviceError, match="the probe ended with 1: no kernel image; use --device cpu") as caught:
        choose.choose(target, "cuda", lambda: _finished(tmp_path, "no kernel image", 1))
    assert caught.value.verdict is Verdict.INFRA
    with pytest.raises(DeviceError, match="the probe hung"):
        choose.choose(target, "cuda", lambda: _finished(tmp_path, "", -9, timed_out=True))


def test_auto_falls_back_to_the_cpu_and_says_why(target: loader.Target, tmp_path: Path) -> None:
    chosen = choose.choose(target, "auto", lambda: _finished(tmp_path, "sees no GPU", 1))
    assert (chosen.name, chosen.words) == ("cpu", "cpu (auto: the probe ended with 1: sees no GPU)")
