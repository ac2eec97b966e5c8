"""A bounded, evenly spaced part of a scan, and its errors."""

from dataclasses import replace

import numpy as np
import pytest

from ptycho.metrics import scan_sample
from ptycho.metrics.fourier_error import fourier_error
from ptycho.metrics.scan_sample import ScanSample
from tests.support import planted_data


def test_evenly_spaced_indices_reach_both_ends() -> None:
    assert scan_sample.evenly(9, 3).tolist() == [0, 4, 8]
    assert scan_sample.evenly(2, 64).tolist() == [0, 1]


@pytest.mark.parametrize(("side", "patterns"), [(64, 64), (128, 16), (256, 16)])
def test_large_patterns_are_fewer(side: int, patterns: int) -> None:
    assert scan_sample.patterns_for(side) == patterns


def test_errors_are_those_of_the_fourier_error() -> None:
    scan = planted_data.right()
    assert scan.obj is not None
    sample = ScanSample.of(scan, scan.obj)
    error, each = scan_sample.errors(sample.frames, sample.predicted)
    windows = np.ones((1, 64, 64))
    assert sample.flat_errors[0] == pytest.approx(fourier_error(sample.frames, windows, scan.probe), rel=1e-9)
    assert sample.flat_errors[1][5] == pytest.approx(fourier_error(sample.frames[5:6], windows, scan.probe), rel=1e-9)
    assert error < 0.001
    assert each.shape == (64,)


def test_dark_frames_have_an_error_of_one() -> None:
    error, each = scan_sample.errors(np.zeros((3, 8, 8), np.float32), np.ones((1, 8, 8)))
    assert (error, each.tolist()) == (1, [1, 1, 1])


def test_windows_that_leave_the_object_are_seen() -> None:
    scan = planted_data.right()
    assert scan.obj is not None
    sample = ScanSample.of(scan, scan.obj)
    assert sample.inside
    height, width = scan.obj.shape
    for x, y in ((31.9, 60), (60, 31.9), (width - 31.9, 60), (60, height - 31.9)):
        assert not sample.at(np.full(64, x), np.full(64, y)).inside
    for x, y in ((32, 32), (width - 32, height - 32)):
        edge = sample.at(np.full(64, float(x)), np.full(64, float(y)))
        assert edge.inside
        assert edge.predicted.shape == (64, 64, 64)


def test_frames_are_copies_in_order() -> None:
    scan = planted_data.right()
    indices = np.array([5, 3, 60, *range(20)])
    frames = scan_sample.frames_of(scan, indices)
    assert np.array_equal(frames, scan.diffraction[indices])
    assert not np.shares_memory(frames, scan.diffraction)
    assert replace(scan, frames=frames).n_patterns == 23
