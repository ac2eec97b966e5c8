"""Figures of a scan, against values known by construction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ptycho.data import contract
from ptycho.data.dataset import Dataset
from ptycho.metrics import scan_coverage
from tests.support.crafted_npz import scan, write


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    arrays = scan(4)
    arrays["xcoords"], arrays["ycoords"] = np.array([32.0, 36, 32, 36]), np.array([33.0, 33, 40, 40])
    return contract.load(write(tmp_path / "scan.npz", arrays))


def test_step_and_extent(dataset: Dataset) -> None:
    found = scan_coverage.measure(dataset)
    assert (found.x_px, found.y_px, found.step_px) == ((32, 36), (33, 40), 4)


def test_coverage_counts_windows(dataset: Dataset) -> None:
    assert dataset.obj is not None
    expected = np.zeros(dataset.obj.shape, dtype=int)
    for x, y in ((32, 33), (36, 33), (32, 40), (36, 40)):
        expected[y - 32 : y + 32, x - 32 : x + 32] += 1
    covered = scan_coverage.coverage(dataset)
    np.testing.assert_array_equal(expected, covered)
    assert scan_coverage.measure(dataset).object_touched == pytest.approx((expected > 0).mean())


def test_agreement_with_the_reconstructed_region(dataset: Dataset) -> None:
    covered = scan_coverage.coverage(dataset)
    assert dataset.obj is not None
    assert covered is not None
    masked = np.where(covered > 0, dataset.obj, 1).astype(np.complex64)
    assert scan_coverage.measure(replace(dataset, obj=masked)).reconstructed_agreement == 1
    swapped = replace(dataset, obj=masked, xcoords=dataset.ycoords, ycoords=dataset.xcoords)
    agreement = scan_coverage.measure(swapped).reconstructed_agreement
    assert agreement is not None
    assert agreement < 0.98


def test_probe_figures() -> None:
    probe = np.zeros((2, 64, 64), dtype=np.complex64)
    probe[0, 32, 32], probe[1, 0, 0] = 3, 1
    assert scan_coverage.central_energy(probe) == pytest.approx(0.9)
    assert scan_coverage.central_energy(np.zeros((1, 64, 64), np.complex64)) == 0
    disk = (np.hypot(np.arange(64)[:, None] - 32, np.arange(64) - 32) <= 10).astype(np.complex64)
    assert scan_coverage.probe_diameter(disk[None]) == pytest.approx(20 * 0.9**0.5, abs=0.6)


def test_one_position_and_no_object(dataset: Dataset) -> None:
    one = {name: getattr(dataset, name)[:1] for name in ("frames", "xcoords", "ycoords", "scan_index")}
    single = replace(dataset, obj=None, **one)
    found = scan_coverage.measure(single)
    assert (found.step_px, found.overlap, found.object_touched, found.reconstructed_agreement) == (None,) * 4
