"""Interpreters by framework: those of nox where there are some, and a sentence where a framework is missing."""

import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.targets import interpreters
from ptycho.errors import InfrastructureError, UsageError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(interpreters, "ROOT", tmp_path)
    return tmp_path


def test_without_an_option_nox_s_environment_is_taken_and_else_this_interpreter(root: Path) -> None:
    path = interpreters.lane("torch")
    path.parent.mkdir(parents=True)
    path.touch()
    assert interpreters.pythons([]) == {"torch": str(root / ".nox/torch-cpu/bin/python"), "tf": sys.executable}


def test_an_option_wins_and_a_wrong_one_is_refused(root: Path) -> None:
    assert interpreters.pythons([f"tf={sys.executable}"])["tf"] == sys.executable
    with pytest.raises(UsageError, match="--python 'tf=/absent'; allowed: SIDE=PATH"):
        interpreters.pythons(["tf=/absent"])


BOTH = dict.fromkeys(("torch", "tf"), sys.executable)
"""The tests of the harness run without any framework."""


def test_frameworks_that_are_missing_are_named_together_with_what_to_do() -> None:
    with pytest.raises(InfrastructureError) as refused:
        interpreters.require_frameworks(BOTH, [])
    said = str(refused.value)
    assert f"torch for {sys.executable} and tensorflow for {sys.executable}" in said
    assert "nox -s parity" in said
    assert "--python torch=PATH --python tf=PATH" in said


@pytest.mark.parametrize(
    ("given", "devices", "named"),
    [
        ([f"tf={sys.executable}"], {}, "torch"),
        ([], {"torch": "cuda", "tf": "cpu"}, "tensorflow"),
    ],
)
def test_of_a_named_interpreter_or_of_a_gpu_others_say_what_is_missing(
    given: list[str], devices: dict[str, str], named: str
) -> None:
    with pytest.raises(InfrastructureError, match=f"not installed: {named} for [^ ]*;"):
        interpreters.require_frameworks(BOTH, given, devices)
    interpreters.require_frameworks(BOTH, [f"{side}=x" for side in BOTH])


@pytest.mark.parametrize(
    "words",
    [
        ["parity"],
        ["parity", "survey", "--seeds", "1"],
        ["parity", "--ways"],
        ["parity", "--versions", "tf=2.20.0"],
        ["parity", "quality"],
        ["benchmark", "--short"],
        ["benchmark", "quality-curve"],
    ],
    ids=" ".join,
)
def test_every_command_that_asks_a_backend_says_it_in_one_sentence(
    words: list[str], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([*words, "--root", str(tmp_path / "runs")])
    assert ended.value.code == 13
    assert capsys.readouterr().err.startswith("error: not installed: t")
    assert not (tmp_path / "runs").exists()
