"""Generated scans keep the contract, and their frames are as many as asked for."""

from pathlib import Path

import numpy as np
import pytest

from harness.benchmark.scaling import scan
from ptycho.data import contract


@pytest.mark.parametrize(("patterns", "side"), [(100, 64), (130, 128)])
def test_a_generated_scan_keeps_the_contract(patterns: int, side: int, tmp_path: Path) -> None:
    dataset = contract.load(scan.write(tmp_path / "scan.npz", patterns=patterns, side=side), expect_side=side)
    assert dataset.diffraction.shape == (patterns, side, side)
    assert dataset.nphotons == 1e5
    assert len({frame.tobytes() for frame in dataset.diffraction}) == scan.DISTINCT
    assert (dataset.diffraction[0] == dataset.diffraction[scan.DISTINCT]).all()


def test_a_scan_is_the_same_bytes_again(tmp_path: Path) -> None:
    first, second = (scan.write(tmp_path / name, patterns=100, side=64) for name in ("a.npz", "b.npz"))
    assert contract.load(first).diffraction.tobytes() == contract.load(second).diffraction.tobytes()


@pytest.mark.parametrize(("mask", "shape"), [("one", (64, 64)), ("each", (130, 64, 64))])
def test_a_scan_has_the_mask_that_is_asked_for(mask: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    dataset = contract.load(scan.write(tmp_path / "scan.npz", patterns=130, side=64, mask=mask))
    assert dataset.bad_pixels is not None
    assert dataset.bad_pixels.shape == shape
    assert dataset.bad_pixels.sum() == np.prod(shape[:-2], dtype=int) * scan.GAP * 64
    if mask == "each":
        assert len({frame.tobytes() for frame in np.asarray(dataset.bad_pixels)}) > scan.DISTINCT // 2
