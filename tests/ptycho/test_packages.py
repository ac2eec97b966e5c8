"""A package that is missing is one sentence with the command that repairs it, wherever it is met."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho import packages
from ptycho.fingerprint import ROOT

ENTRIES = {
    "harness parity": "tests",
    "harness fixtures list": "tests",
    "harness report": "tests",
    "harness mutation --list": "tests",
    "ptycho inspect scan.npz": "tests",
    "ptycho_torch.train --train_data_file a.npz --output_dir out": "torch",
    "ptycho_torch.inference --model_path m --test_data a.npz --output_dir out": "torch",
    "ptycho_torch.adapter --request a.npz --out out": "torch",
    "ptycho_tf.adapter --request a.npz --out out": "tf",
    "ptycho_torch.bench --scan a.npz --out out": "torch",
    "ptycho_tf.bench --scan a.npz --out out": "tf",
    "ptycho_tf.train --train_data_file a.npz --output_dir out": "tf",
    "ptycho_tf.inference --model_path m --test_data a.npz --output_dir out": "tf",
}


def run(entry: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run a module with an interpreter that has the standard library and nothing else."""
    argv = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); "]
    module, *words = entry.split()
    argv[-1] += (
        f"sys.argv[1:] = {words!r}; import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_point_says_it_in_one_sentence(entry: str, tmp_path: Path) -> None:
    done = run(entry, tmp_path)
    lane = ENTRIES[entry]
    session, lock = ("tests", "tests") if lane == "tests" else (f"{lane}_integration", f"{lane}-cpu")
    assert (done.returncode, "Traceback" in done.stderr) == (13, False), done.stderr
    (line,) = done.stderr.splitlines()
    assert f"is not installed for {sys.executable}" in line or "the page cannot be drawn: the package" in line
    assert f".nox/{lock}/bin/python, which `nox -s {session} --install-only` makes" in line
    assert f"-m pip install -r requirements/{lock}.txt" in line


def test_a_misspelt_module_is_no_missing_package() -> None:
    assert packages.explain(ModuleNotFoundError("No module named 'nunpy'", name="nunpy")) is None
    assert packages.explain(ImportError("cannot import name 'x'", name="ptycho.physics")) is None


def test_a_broken_package_is_called_broken() -> None:
    sentence = packages.explain(ImportError("libgomp.so.1: cannot open shared object file", name="torch._C"))
    assert sentence is not None
    assert "the package torch of" in sentence
    assert "is broken (libgomp.so.1" in sentence
    assert ".nox/torch-cpu/bin/python" in sentence


def test_every_package_of_the_core_is_known() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    core = ("numpy", "scipy", "safetensors", "scikit-image", "matplotlib", "rich", "psutil", "jinja2", "pydantic")
    for name in (*core, "pytest"):
        assert f'"{name}>=' in text
        assert name in packages.DISTRIBUTIONS.values()
