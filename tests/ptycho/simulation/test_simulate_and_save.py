"""The simulator's command line: same seed, same bytes; both layouts, same scan; clear refusals before any work."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ptycho.data import contract
from ptycho.verdict import Verdict

SCRIPT = Path(__file__).parents[3] / "scripts" / "simulation" / "simulate_and_save.py"
SMALL = ("--n-images", "12", "--buffer", "2", "--step", "3")


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), *arguments],
        cwd=folder,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def _written(folder: Path, name: str, *arguments: str) -> Path:
    done = _run(folder, "--output-file", name, *SMALL, *arguments)
    assert (0, "") == (done.returncode, done.stderr)
    return folder / name


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["canonical", "legacy"])
def test_same_seed_same_bytes(tmp_path: Path, layout: str) -> None:
    first = _written(tmp_path, "first.npz", "--seed", "7", "--layout", layout)
    again = _written(tmp_path, "again.npz", "--seed", "7", "--layout", layout)
    other = _written(tmp_path, "other.npz", "--seed", "8", "--layout", layout)
    assert _sha256(first) == _sha256(again)
    assert _sha256(first) != _sha256(other)


def test_layouts_hold_the_same_scan(tmp_path: Path) -> None:
    canonical = contract.load(_written(tmp_path, "canonical.npz"))
    path = _written(tmp_path, "legacy.npz", "--layout", "legacy")
    legacy = contract.load(path)
    with np.load(path) as archive:
        assert ((64, 64, 12), np.float64) == (archive["diffraction"].shape, archive["diffraction"].dtype)
        assert np.complex128 == archive["probeGuess"].dtype
    assert np.array_equal(canonical.diffraction, legacy.diffraction)
    assert canonical.obj is not None
    assert legacy.obj is not None
    assert np.array_equal(canonical.obj, legacy.obj)
    assert np.array_equal(canonical.xcoords, legacy.xcoords)


def test_probe_and_object_of_a_file(tmp_path: Path) -> None:
    given = _written(tmp_path, "given.npz", "--seed", "1")
    options = ("--input-file", "given.npz", "--seed", "2", "--n-photons", "1e4")
    made = contract.load(_written(tmp_path, "made.npz", *options))
    source = contract.load(given)
    assert np.array_equal(source.probe, made.probe)
    assert source.obj is not None
    assert made.obj is not None
    assert np.array_equal(source.obj, made.obj)
    assert not np.array_equal(source.xcoords, made.xcoords)
    assert {"file": "given.npz", "sha256": _sha256(given)} == made.metadata["probe_and_object"]
    assert 1e4 == made.nphotons


@pytest.mark.slow
def test_options_arrive_in_the_file(tmp_path: Path) -> None:
    scan = contract.load(_written(tmp_path, "scan.npz", "--N", "128", "--gridsize", "2", "--patches"))
    assert (12, 128) == (scan.n_patterns, scan.side)
    assert scan.patches is not None
    expected = {"gridsize": 2, "seed": 42, "nphotons": 1e6, "measurement_domain": "amplitude", "layout": "canonical"}
    assert expected == {key: scan.metadata[key] for key in expected}


@pytest.mark.deep
def test_picture_and_nothing_else(tmp_path: Path) -> None:
    _written(tmp_path, "scan.npz", "--visualize")
    assert ["scan.npz", "scan.png"] == sorted(path.name for path in tmp_path.iterdir())
    assert b"\x89PNG" == (tmp_path / "scan.png").read_bytes()[:4]


@pytest.mark.parametrize(
    ("arguments", "verdict", "message"),
    [
        (("--output-file", "scan.dat"), Verdict.USAGE, "allowed: a name that ends in .npz"),
        (("--output-file", "there.npz"), Verdict.USAGE, "there.npz is already there; give another name, or --force"),
        (("--output-file", "none/scan.npz"), Verdict.INFRA, "there is no folder none; create it first"),
        (("--output-file", "a.npz", "--N", "65"), Verdict.USAGE, "choose from"),
        (("--output-file", "a.npz", "--n-photons", "nan"), Verdict.USAGE, "n_photons = nan; allowed: 1 to 1e+12"),
        (("--output-file", "a.npz", "--n-images", "0"), Verdict.USAGE, "n_images = 0; allowed: 1 or more"),
        (("--output-file", "a.npz", "--input-file", "absent.npz"), Verdict.USAGE, "absent.npz"),
        (("--output-file", "there.npz", "--input-file", "there.npz", "--force"), Verdict.USAGE, "is the input file"),
    ],
)
def test_refuses(tmp_path: Path, arguments: tuple[str, ...], verdict: Verdict, message: str) -> None:
    (tmp_path / "there.npz").write_bytes(b"mine")
    done = _run(tmp_path, *arguments)
    assert verdict == done.returncode
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert ["there.npz"] == [path.name for path in tmp_path.iterdir()]
    assert b"mine" == (tmp_path / "there.npz").read_bytes()


def test_force_replaces(tmp_path: Path) -> None:
    (tmp_path / "scan.npz").write_bytes(b"old")
    assert 12 == contract.load(_written(tmp_path, "scan.npz", "--force")).n_patterns


def test_help_names_every_option(tmp_path: Path) -> None:
    text = _run(tmp_path, "--help").stdout
    options = ("input-file", "output-file", "n-images", "n-photons", "gridsize", "seed", "buffer", "N", "layout")
    assert [] == [option for option in (*options, "visualize", "force") if f"--{option}" not in text]


@pytest.mark.slow
def test_bad_pixels_are_dark_and_said_to_be_bad(tmp_path: Path) -> None:
    bad = np.zeros((64, 64), bool)
    bad[3] = True
    np.save(tmp_path / "bad.npy", bad)
    plain = contract.load(_written(tmp_path, "plain.npz"))
    masked = contract.load(_written(tmp_path, "masked.npz", "--bad-pixels", "bad.npy"))
    np.testing.assert_array_equal(np.where(bad, 0, plain.diffraction), masked.diffraction)
    np.testing.assert_array_equal(bad, masked.bad_pixels)
    np.save(tmp_path / "bad.npy", bad.astype(int))
    done = _run(tmp_path, "--output-file", "none.npz", *SMALL, "--bad-pixels", "bad.npy")
    assert (done.returncode, "one boolean array" in done.stderr) == (Verdict.USAGE, True)
