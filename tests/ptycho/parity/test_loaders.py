"""The files that the probe makes: one scan in several clothes, and each bad file with one fault."""

import blas_threads  # noqa: F401  # must come before NumPy
import numpy as np
import pytest
from golden_step0 import FIXTURE

from ptycho import probe_files
from ptycho.probe_files import Arrays


@pytest.fixture
def given() -> Arrays:
    with np.load(FIXTURE) as archive:
        return probe_files.cut({name: archive[name] for name in archive.files if name != "_metadata"})


def test_a_cut_has_fewer_patterns_than_pixels(given: Arrays) -> None:
    assert (probe_files.PATTERNS, 64, 64) == given["diff3d"].shape
    assert probe_files.PATTERNS == len(given["xcoords"]) == len(given["Y"])


def test_positions_are_no_float32_numbers(given: Arrays) -> None:
    for name in ("xcoords_start", "ycoords_start"):
        assert np.all(given[name].astype(np.float32) != given[name])


def test_the_legacy_file_keeps_whole_numbers_whole(given: Arrays) -> None:
    turned = probe_files.legacy(probe_files.counted(given))
    assert np.uint16 == turned["diffraction"].dtype
    assert np.array_equal(probe_files.counted(given)["diff3d"][5], turned["diffraction"][:, :, 5])
    assert np.float64 == probe_files.legacy(given)["diffraction"].dtype


def test_counts_overflow_when_they_are_squared(given: Arrays) -> None:
    counts = probe_files.counted(given)["diff3d"]
    assert probe_files.COUNTS == counts.max()
    assert np.any((counts * counts).astype(np.int64) != counts.astype(np.int64) ** 2)


def test_modes_are_told_apart(given: Arrays) -> None:
    first, second = probe_files.modes(given)["probeGuess"]
    assert not np.allclose(np.abs(first), np.abs(second))


def test_every_bad_file_differs_from_the_good_one(given: Arrays) -> None:
    for name, (arrays, metadata) in probe_files.bad_files(given).items():
        changed = [key for key in given if not np.array_equal(arrays[key], given[key])]
        assert bool(changed) != bool(metadata), name
