"""When a mistake that is undone counts, and when not; which are named is asked in `test_suspicion`."""

from dataclasses import replace

import numpy as np
import pytest

from ptycho.metrics import file_mistakes
from ptycho.metrics.scan_sample import ScanSample
from tests.support import planted_data


@pytest.fixture(scope="module")
def sample() -> ScanSample:
    scan = planted_data.right()
    assert scan.obj is not None
    return ScanSample.of(scan, scan.obj)


def test_nothing_is_found_in_the_right_scan(sample: ScanSample) -> None:
    assert file_mistakes.find(sample, has_object=True) is None


def test_the_finding_carries_its_evidence(sample: ScanSample) -> None:
    found = file_mistakes.find(sample.at(sample.y, sample.x), has_object=True)
    assert found is not None
    assert found.mistake.text == "x and y were swapped"
    assert found.error < 0.001 < 0.1 < found.own
    assert found.patterns == 64


def test_some_better_patterns_are_not_enough(sample: ScanSample) -> None:
    half = np.arange(64) < 40
    mixed = sample.at(np.where(half, sample.y, sample.x), np.where(half, sample.x, sample.y))
    assert file_mistakes.find(mixed, has_object=True) is None
    most = np.arange(64) < 60
    mixed = sample.at(np.where(most, sample.y, sample.x), np.where(most, sample.x, sample.y))
    found = file_mistakes.find(mixed, has_object=True)
    assert found is not None
    assert found.mistake.text == "x and y were swapped"


@pytest.mark.parametrize("n_patterns", [5, 64])
def test_noise_hides_no_mistake_that_can_be_seen(n_patterns: int, sample: ScanSample) -> None:
    # Noise so strong that even the right object leaves more than half of the flat one's error.
    noise = np.random.default_rng(0).normal(scale=0.15 * sample.frames.max(), size=sample.frames.shape)
    noisy = replace(sample, frames=np.abs(sample.frames + noise).astype(np.float32))
    found = file_mistakes.find(noisy.at(noisy.y, noisy.x).part(np.arange(n_patterns)), has_object=True)
    assert found is not None
    assert found.mistake.text == "x and y were swapped"
    assert found.error > 0.5 * noisy.flat_errors[0]


def test_an_object_must_gain_what_it_predicts(sample: ScanSample) -> None:
    # Half of the contrast is gone from the data: swapped positions would be better, and still do not explain them.
    assert sample.dataset.obj is not None
    weak = 0.6 * sample.predicted + 0.4 * sample.flat * (sample.predicted.sum() / (64 * sample.flat.sum()))
    other = np.roll(sample.predicted, 7, axis=0)
    frames = (0.5 * weak + 0.5 * other).astype(np.float32)
    assert file_mistakes.find(replace(sample, frames=frames).at(sample.y, sample.x), has_object=True) is None
