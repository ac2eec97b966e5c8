"""Every wrong orientation is named, of the whole object and of the positions; nothing is named where nothing fits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.lanes.checks.match import wrong
from harness.lanes.checks.orientation import SYMMETRIES, Symmetry, best_place, matches
from harness.lanes.checks.reconstruction import TargetReconstruction
from ptycho.data import contract
from ptycho.data.dataset import Dataset
from ptycho.physics import patches, stitching
from tests.support.fakes import zoo


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return contract.load(zoo.scan(tmp_path_factory.mktemp("scan") / "scan.npz"))


def _truth(dataset: Dataset) -> NDArray[np.complex128]:
    assert dataset.obj is not None
    return dataset.obj.astype(np.complex128)


def _stitched(dataset: Dataset, symmetry: Symmetry, noise: float = 0.25) -> TargetReconstruction:
    """True patches with noise on each, upright, at positions under a symmetry."""
    true = patches.extract(_truth(dataset), dataset.xcoords, dataset.ycoords, dataset.side)
    drawn = np.random.default_rng(5).normal(0, noise, (2, *true.shape))
    found = stitching.stitch(true + drawn[0] + 1j * drawn[1], *symmetry.of_positions(dataset.xcoords, dataset.ycoords))
    return TargetReconstruction(obj=found.obj.copy(), overlap=found.overlap.copy(), origin=found.origin)


def test_the_right_orientation_is_not_complained_about(dataset: Dataset) -> None:
    found = matches(_stitched(dataset, SYMMETRIES[0]), dataset)
    assert wrong(found, passes=True) is None
    assert (0, 0) == found[0].shift
    assert found[0].correlation > 0.8


@pytest.mark.parametrize("symmetry", SYMMETRIES[1:], ids=lambda symmetry: symmetry.name)
def test_a_turned_object_is_named(dataset: Dataset, symmetry: Symmetry) -> None:
    right = _stitched(dataset, SYMMETRIES[0])
    turned = replace(right, obj=symmetry.of_image(right.obj), overlap=symmetry.of_image(right.overlap))
    found = wrong(matches(turned, dataset), passes=False)
    assert found is not None
    assert symmetry.finding == found.finding
    assert found.words.startswith("the whole object ")


@pytest.mark.parametrize("symmetry", SYMMETRIES[1:], ids=lambda symmetry: symmetry.name)
def test_upright_patches_at_turned_positions_are_named(dataset: Dataset, symmetry: Symmetry) -> None:
    found = wrong(matches(_stitched(dataset, symmetry), dataset), passes=False)
    assert found is not None
    assert (symmetry.finding, f"upright patches at positions {symmetry.name}") == (found.finding, found.words)


@pytest.mark.parametrize("strength", [1.0, 0.05])
def test_a_conjugate_is_named_even_of_a_weak_phase(dataset: Dataset, strength: float) -> None:
    weak = replace(dataset, obj=np.exp(1j * strength * np.angle(_truth(dataset))).astype(np.complex64))
    right = _stitched(weak, SYMMETRIES[0], noise=0.0)
    assert wrong(matches(right, weak), passes=False) is None
    found = wrong(matches(replace(right, obj=right.obj.conj()), weak), passes=False)
    assert found is not None
    assert "object-conjugated" == found.finding


def test_what_fits_nowhere_is_named_nothing(dataset: Dataset) -> None:
    right = _stitched(dataset, SYMMETRIES[0])
    rng = np.random.default_rng(11)
    other = np.exp(1j * rng.normal(size=right.obj.shape))
    assert wrong(matches(replace(right, obj=other), dataset), passes=False) is None
    flat = matches(replace(right, obj=np.ones_like(right.obj)), dataset)
    assert {0.0} == {match.correlation for match in flat}


def test_a_shift_is_measured_from_where_the_object_says_that_it_lies(dataset: Dataset) -> None:
    right = _stitched(dataset, SYMMETRIES[0])
    assert right.origin is not None
    row, col = right.origin
    moved = matches(replace(right, origin=(row + 5, col - 4)), dataset)[0]
    assert (-5, 4) == moved.shift
    assert moved.stated < moved.correlation - 0.1


def test_without_a_place_it_is_found_and_no_shift_is_claimed(dataset: Dataset) -> None:
    right = _stitched(dataset, SYMMETRIES[0])
    best = best_place(right.obj, right.overlap > 0, _truth(dataset), None)
    assert right.origin == best.place
    assert matches(replace(right, origin=None), dataset)[0].shift is None


def test_the_eight_symmetries_are_eight(tmp_path: Path) -> None:
    image = np.arange(9).reshape(3, 3)
    assert 8 == len({symmetry.of_image(image).tobytes() for symmetry in SYMMETRIES})
    for symmetry in SYMMETRIES:
        # Where a pixel of the image goes, a position must go, too.
        y, x = np.divmod(np.arange(9.0), 3)
        across, down = symmetry.of_positions(x, y)
        turned = np.zeros((3, 3))
        turned[down.astype(int), across.astype(int)] = np.arange(9)
        assert turned.tolist() == symmetry.of_image(image).tolist()
