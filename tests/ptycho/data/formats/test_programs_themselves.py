"""
Round trips against the real Ptychodus and cdtools, each in an environment of its own that is installed here.

Deep: `pytest -m deep`. An installation takes minutes and needs a package index.
"""

import importlib.util
import subprocess
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho import __main__ as command
from ptycho.data import contract
from ptycho.data.formats import recognise
from tests.support.crafted_npz import Arrays, scan
from tests.support.fakes.fake_runs import train, train_config

PROGRAMS = Path(__file__).with_name("real_programs.py")
PTYCHODUS, CDTOOLS = "ptychodus==1.7.0", "cdtools-py==0.3.2"
M = 12

pytestmark = pytest.mark.deep


class Program:
    """
    An interpreter with one program.

    Args:
        folder: folder of its environment; made here.
        requirement: what is installed.
        borrowed: a package that is taken from this interpreter's environment where it has it: torch takes gigabytes.
    """

    def __init__(self, folder: Path, requirement: str, borrowed: str | None = None) -> None:
        venv.create(folder, with_pip=True)
        self.python = folder / "bin" / "python"
        spec = None if borrowed is None else importlib.util.find_spec(borrowed)
        if spec is not None and spec.origin is not None:
            site = next(folder.glob("lib/python*/site-packages"))
            (site / "borrowed.pth").write_text(f"{Path(spec.origin).parents[1]}\n")
        install = [str(self.python), "-m", "pip", "install", "--quiet", requirement]
        subprocess.run(install, check=True, capture_output=True, timeout=1800)

    def run(self, *words: str | Path) -> None:
        done = subprocess.run([self.python, PROGRAMS, *words], capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def ptychodus(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("ptychodus") / "venv", PTYCHODUS)


@pytest.fixture(scope="module")
def cdtools(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("cdtools") / "venv", CDTOOLS, borrowed="torch")


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return scan(M)


@pytest.fixture
def given(arrays: Arrays, tmp_path: Path) -> dict[str, Any]:
    """What the programs are given: counts, metres, two modes, a mask, an object off the origin."""
    height, width = arrays["objectGuess"].shape
    bad, centre = np.zeros((64, 64), bool), 1.3e-7
    bad[3, :9] = True
    values: dict[str, Any] = {
        "x_m": (arrays["xcoords"] - (width - 1) / 2) * 8e-9 + centre,
        "y_m": (arrays["ycoords"] - (height - 1) / 2) * 8e-9,
        "probe": np.stack([arrays["probeGuess"], 0.1j * arrays["probeGuess"].T]),
        "object": arrays["objectGuess"],
        "patterns": np.rint(arrays["diff3d"].astype(np.float64) ** 2).astype(np.uint16),
        "bad_pixels": bad,
        "centre": np.array(centre),
    }
    np.savez(tmp_path / "given.npz", allow_pickle=False, **values)
    return values


def amplitudes(given: dict[str, Any]) -> np.ndarray[Any, Any]:
    counted = np.sqrt(given["patterns"].astype(np.float64)).astype(np.float32)
    return np.where(given["bad_pixels"], np.float32(0), counted)


def read(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def test_what_ptychodus_writes_is_read_bit_for_bit(ptychodus: Program, given: dict[str, Any], tmp_path: Path) -> None:
    ptychodus.run("ptychodus-write", tmp_path / "given.npz", tmp_path)
    pixels = read(tmp_path / "pixels.npz")
    for name, patterns in (("training.npz", None), ("training.h5", None), ("product.h5", tmp_path / "patterns.h5")):
        joined: dict[str, Any] = {} if patterns is None else {"patterns": patterns}
        found = contract.load(tmp_path / name, **joined)
        np.testing.assert_array_equal(amplitudes(given), found.diffraction)
        np.testing.assert_array_equal(given["bad_pixels"], found.bad_pixels)
        np.testing.assert_array_equal(pixels["x"], found.xcoords)
        np.testing.assert_array_equal(pixels["y"], found.ycoords)
        np.testing.assert_array_equal(given["probe"], found.probe)
        np.testing.assert_array_equal(given["object"], found.obj)
    assert train(train_config(tmp_path / "training.npz", tmp_path / "trained", nepochs=1)).history[0].epoch == 1


@pytest.mark.parametrize("source", ["training.npz", "training.h5", "product.h5"])
def test_ptychodus_opens_what_is_written_bit_for_bit(
    source: str, ptychodus: Program, given: dict[str, Any], tmp_path: Path
) -> None:
    ptychodus.run("ptychodus-write", tmp_path / "given.npz", tmp_path)
    words = ["--patterns", str(tmp_path / "patterns.h5")] if source == "product.h5" else []
    words += ["--pixel-size", "8e-9"] if source == "training.npz" else []
    ours, patterns = tmp_path / "ours.h5", tmp_path / "ours_patterns.h5"
    assert command.main(["convert", str(tmp_path / source), str(ours), "--patterns-out", str(patterns), *words]) == 0
    ptychodus.run("ptychodus-read", ours, patterns, tmp_path / "back.npz")
    back, pixels = read(tmp_path / "back.npz"), read(tmp_path / "pixels.npz")
    np.testing.assert_array_equal(pixels["x"], back["x"])
    np.testing.assert_array_equal(pixels["y"], back["y"])
    np.testing.assert_array_equal(given["probe"], back["probe"])
    np.testing.assert_array_equal(given["object"], back["object"])
    np.testing.assert_array_equal(given["bad_pixels"], back["bad_pixels"])
    np.testing.assert_array_equal(np.where(given["bad_pixels"], 0, given["patterns"]), back["patterns"])
    assert bool(back["far_field"])


def test_cdtools_reads_a_cxi_file_as_it_is_read_here(cdtools: Program, given: dict[str, Any], tmp_path: Path) -> None:
    cdtools.run("cdtools-write", tmp_path / "given.npz", tmp_path / "scan.cxi")
    cdtools.run("cdtools-read", tmp_path / "scan.cxi", tmp_path / "back.npz")
    back = read(tmp_path / "back.npz")
    with recognise.opened(tmp_path / "scan.cxi") as opened:
        columns = {key: column.whole() for key, column in opened.arrays.columns.items()}
    np.testing.assert_array_equal(back["patterns"], columns["diff3d"])
    np.testing.assert_array_equal(back["bad_pixels"], columns["bad_pixels"])
    for axis in "xy":
        # cdtools keeps translations in float32.
        ours, theirs = columns[f"{axis}coords"], back[axis]
        np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], atol=1e-4)
