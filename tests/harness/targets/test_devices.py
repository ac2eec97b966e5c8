"""On which device each side computes: one option, one way to read it, and the lock that follows."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import command_line
from harness.targets import devices
from ptycho.errors import UsageError
from ptycho.fingerprint import ROOT


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], {"torch": "cpu", "tf": "cpu"}),
        (["cuda"], {"torch": "cuda", "tf": "cuda"}),
        (["torch=cuda"], {"torch": "cuda", "tf": "cpu"}),
        (["torch=cuda", "tf=cpu"], {"torch": "cuda", "tf": "cpu"}),
        (["tf=cpu", "cuda"], {"torch": "cuda", "tf": "cpu"}),
        (["auto"], {"torch": "auto", "tf": "auto"}),
    ],
)
def test_a_side_of_its_own_comes_before_a_device_for_all(given: list[str], found: dict[str, str]) -> None:
    assert found == devices.requested(given)


@pytest.mark.parametrize("given", [["tpu"], ["torch=tpu"], ["jax=cuda"], ["cuda", "cpu"], ["tf=cpu", "tf=cuda"], ["="]])
def test_what_is_not_a_device_of_a_side_is_refused(given: list[str]) -> None:
    with pytest.raises(UsageError, match="allowed: DEVICE or SIDE=DEVICE of auto, cpu, cuda and torch, tf, each once"):
        devices.requested(given)


@pytest.mark.parametrize(
    ("words", "driver", "found"),
    [
        ("", True, ["torch-cpu", "tf-cpu"]),
        ("--device cuda", False, ["torch-gpu", "tf-gpu"]),
        ("--device=auto", True, ["torch-gpu", "tf-gpu"]),
        ("--device auto", False, ["torch-cpu", "tf-cpu"]),
        ("--seeds 3 --device torch=cuda --device tf=cpu", False, ["torch-gpu", "tf-cpu"]),
        ("-- --device cuda", True, ["torch-cpu", "tf-cpu"]),
    ],
)
def test_the_lock_follows_the_device(words: str, driver: bool, found: list[str], tmp_path: Path) -> None:
    place = tmp_path / "nvidiactl"
    if driver:
        place.touch()
    assert found == devices.locks(words.split(), devices.SIDES, place)


def test_a_session_asks_in_a_process_without_packages() -> None:
    argv = [sys.executable, "-S", "-m", "harness.targets.devices", "torch", "tf", "--", "--device", "tf=cuda"]
    assert subprocess.check_output(argv, cwd=ROOT, text=True) == "torch-cpu tf-gpu\n"


@pytest.mark.parametrize("command", ["parity", "parity survey", "parity quality", "benchmark", "benchmark --short"])
def test_every_command_that_asks_both_backends_has_the_option(command: str) -> None:
    parsed = command_line().parse_args([*_whole(command), "--device", "torch=cuda", "--device", "tf=auto"])
    assert {"torch": "cuda", "tf": "auto"} == devices.requested(parsed.device)


def _whole(command: str) -> list[str]:
    words = command.split()
    return [words[0], "run", *words[1:]] if len(words) == 1 or words[1].startswith("-") else words


def test_several_devices_are_one_text() -> None:
    assert ("cuda", "torch=cuda tf=cpu", "cpu") == (
        devices.asked({"torch": "cuda", "tf": "cuda"}),
        devices.asked({"torch": "cuda", "tf": "cpu"}),
        devices.asked({}),
    )
