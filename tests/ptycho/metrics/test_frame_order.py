"""Frames in another order than the positions."""

from dataclasses import replace

import numpy as np
import pytest

from ptycho.metrics import frame_order
from ptycho.metrics.scan_sample import ScanSample
from tests.support import planted_data


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_frames_fit_other_positions(seed: int) -> None:
    scan = planted_data.right()
    order = np.random.default_rng(seed).permutation(64)
    shuffled = replace(scan, frames=scan.diffraction[order])
    assert scan.obj is not None
    found = frame_order.other_positions_fit(ScanSample.of(shuffled, scan.obj))
    assert found is not None
    own, best = found
    assert best < 0.002 < 0.05 < own


def test_an_object_of_noise_fits_nowhere() -> None:
    scan = planted_data.right()
    assert scan.obj is not None
    noise = np.exp(1j * np.random.default_rng(0).uniform(0, 1.5, scan.obj.shape)).astype(np.complex64)
    assert frame_order.other_positions_fit(ScanSample.of(replace(scan, obj=noise), noise)) is None
