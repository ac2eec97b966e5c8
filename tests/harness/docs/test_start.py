"""The commands of docs/start.md, run one after the other in a copy of this checkout, as a new user would."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho.fingerprint import ROOT
from tests.support import examples, prose

STEPS = tuple(
    example.text
    for example in examples.of_page(ROOT / "docs" / "start.md", "docs/start.md")
    if not example.inline and example.words[0] in ("python", "pytest") and example.words[1:3] != ("-m", "pip")
)
"""Commands that simulate, train, reconstruct and test; those of nox make environments and have tests of their own."""


def with_torch(folder: Path) -> Path:
    """An interpreter that has PyTorch: that of an environment which is there, or of one that is made."""
    found = sorted(ROOT.glob(".nox/*/lib/python*/site-packages/torch/__init__.py"))
    for place in found:
        python = Path(*place.parts[: place.parts.index(".nox") + 2], "bin", "python")
        if python.exists():
            return python
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [sys.executable, str(ROOT / "harness" / "targets" / "install.py"), "torch-cpu", "--python", str(python)]
    subprocess.run(install, check=True)
    return python


def test_the_page_shows_every_step() -> None:
    shown = [" ".join(shlex.split(step)[:3]) for step in STEPS]
    assert shown == [
        "python -m harness",
        "python scripts/simulation/simulate_and_save.py --input-file",
        "python -m ptycho_torch.train",
        "python -m ptycho_torch.inference",
        "pytest tests/torch/test_integration_workflow_torch.py -vv",
    ]


@pytest.mark.deep
def test_the_steps_run_in_their_order(tmp_path: Path) -> None:
    python = with_torch(tmp_path / "torch")
    checkout = tmp_path / "checkout"
    for file in prose.tracked(ROOT):
        place = checkout / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, place)
    env = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    for step in STEPS:
        done = subprocess.run(shlex.split(step), cwd=checkout, env=env, capture_output=True, text=True, check=False)
        assert (step, done.returncode) == (step, 0), done.stdout[-2000:] + done.stderr[-2000:]
    assert (checkout / "scan.png").is_file()
    assert (checkout / "training_outputs" / "model.safetensors").is_file()
    assert (checkout / "inference_outputs" / "reconstruction.npz").is_file()
