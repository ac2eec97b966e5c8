"""The noxfile: which sessions there are, which run by themselves, and how the device reaches the harness."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GATES = {"torch_integration", "tf_integration", "parity", "benchmark", "report"}
REST = {"tests", "lint", "typecheck"}
ON_DEMAND = {"lock", "clean", "mutation", "endings", "browser"}


def _list(*arguments: str) -> dict[str, str]:
    """Descriptions by session; a session that is selected is marked with `*`."""
    argv = [sys.executable, "-m", "nox", "--list", *arguments]
    listed = subprocess.check_output(argv, cwd=ROOT, text=True)
    rows = [line.partition(" -> ") for line in listed.splitlines() if line[:2] in ("* ", "- ")]
    return {head.partition(" [")[0].strip(): description for head, _, description in rows}


def _selected(*arguments: str) -> set[str]:
    return {head.removeprefix("* ") for head in _list(*arguments) if head.startswith("* ")}


def test_the_sessions_are_complete_and_described() -> None:
    listed = _list()
    assert {head[2:] for head in listed} == GATES | REST | ON_DEMAND
    assert [head for head, description in listed.items() if not description] == []


def test_bare_nox_runs_the_gates_and_the_tag_the_rest_of_what_must_hold() -> None:
    assert (GATES, REST) == (_selected(), _selected("-t", "test"))


def test_the_noxfile_is_short_and_without_numerics() -> None:
    text = (ROOT / "noxfile.py").read_text()
    assert len(text.splitlines()) < 200
    assert [word for word in ("import numpy", "subprocess", "import torch", "import ptycho") if word in text] == []


@pytest.mark.parametrize("device", ["tpu", ""])
def test_an_unknown_device_is_refused_before_anything_is_installed(device: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "nox", "-s", "torch_integration", "--envdir", str(tmp_path), "--no-venv"]
    done = subprocess.run([*argv, "--", "--device", device], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"--device {device!r}; allowed: auto, cpu, cuda" in done.stderr


def test_several_targets_are_taken_out_of_what_follows_the_dashes() -> None:
    given = ["-k", "x", "--target", "a.toml", "--target=b.toml", "--", "-v"]
    code = f"import noxfile; print(noxfile.taken('--target', {given!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "(['a.toml', 'b.toml'], ['-k', 'x', '--', '-v'])\n"
