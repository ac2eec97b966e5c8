"""When a mistake that is undone counts, and when not; which are named is asked in `test_suspicion`."""

from dataclasses import replace

import numpy as np
import planted_data
import pytest

from ptycho import mistakes
from ptycho.scan_sample import Sample


@pytest.fixture(scope="module")
def sample() -> Sample:
    scan = planted_data.right()
    assert scan.obj is not None
    return Sample.of(scan, scan.obj)


def test_nothing_is_found_in_the_right_scan(sample: Sample) -> None:
    assert mistakes.find(sample, has_object=True) is None


def test_the_finding_carries_its_evidence(sample: Sample) -> None:
    found = mistakes.find(sample.at(sample.y, sample.x), has_object=True)
    assert found is not None
    assert found.mistake.text == "x and y were swapped"
    assert found.error < 0.001 < 0.1 < found.own
    assert found.patterns == 64


def test_some_better_patterns_are_not_enough(sample: Sample) -> None:
    half = np.arange(64) < 40
    mixed = sample.at(np.where(half, sample.y, sample.x), np.where(half, sample.x, sample.y))
    assert mistakes.find(mixed, has_object=True) is None
    most = np.arange(64) < 60
    mixed = sample.at(np.where(most, sample.y, sample.x), np.where(most, sample.x, sample.y))
    found = mistakes.find(mixed, has_object=True)
    assert found is not None
    assert found.mistake.text == "x and y were swapped"


def test_few_patterns_need_a_strong_answer(sample: Sample) -> None:
    # Noise so strong that even the right object leaves more than half of the flat one's error.
    noise = np.random.default_rng(0).normal(scale=0.15 * sample.frames.max(), size=sample.frames.shape)
    noisy = replace(sample, frames=np.abs(sample.frames + noise).astype(np.float32))
    wrong = noisy.at(noisy.y, noisy.x)
    found = mistakes.find(wrong, has_object=True)
    assert found is not None
    assert found.error > 0.5 * noisy.flat_errors[0]
    some = slice(0, 12)
    few = replace(wrong, frames=wrong.frames[some], x=wrong.x[some], y=wrong.y[some], chosen=wrong.chosen[some])
    assert mistakes.find(few, has_object=True) is None
