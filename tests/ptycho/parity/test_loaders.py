"""The files that the probe makes: one scan in several clothes, and each bad file with one fault."""

import numpy as np
import pytest

from ptycho.parity import loaders
from ptycho.parity.loaders import Arrays
from tests.support.golden_step0 import FIXTURE


@pytest.fixture
def given() -> Arrays:
    with np.load(FIXTURE) as archive:
        return loaders.cut({name: archive[name] for name in archive.files if name != "_metadata"})


def test_a_cut_has_fewer_patterns_than_pixels(given: Arrays) -> None:
    assert (loaders.PATTERNS, 64, 64) == given["diff3d"].shape
    assert loaders.PATTERNS == len(given["xcoords"]) == len(given["Y"])


def test_positions_are_no_float32_numbers(given: Arrays) -> None:
    for name in ("xcoords_start", "ycoords_start"):
        assert np.all(given[name].astype(np.float32) != given[name])


def test_the_legacy_file_keeps_whole_numbers_whole(given: Arrays) -> None:
    turned = loaders.legacy(loaders.counted(given))
    assert np.uint16 == turned["diffraction"].dtype
    assert np.array_equal(loaders.counted(given)["diff3d"][5], turned["diffraction"][:, :, 5])
    assert np.float64 == loaders.legacy(given)["diffraction"].dtype


def test_counts_overflow_when_they_are_squared(given: Arrays) -> None:
    counts = loaders.counted(given)["diff3d"]
    assert loaders.COUNTS == counts.max()
    assert np.any((counts * counts).astype(np.int64) != counts.astype(np.int64) ** 2)


def test_modes_are_told_apart(given: Arrays) -> None:
    first, second = loaders.modes(given)["probeGuess"]
    assert not np.allclose(np.abs(first), np.abs(second))


def test_every_bad_file_differs_from_the_good_one(given: Arrays) -> None:
    for name, (arrays, metadata) in loaders.bad_files(given).items():
        changed = [key for key in given if not np.array_equal(arrays[key], given[key])]
        assert bool(changed) != bool(metadata), name
