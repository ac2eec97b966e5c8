"""Marks, hot pixels, dead and far too bright frames are found by index; clean scans of all kinds show none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho import __main__ as command
from ptycho.data import contract, detector
from ptycho.data.dataset import Dataset
from ptycho.errors import ContractError
from ptycho.metrics import suspicions
from ptycho.simulation import simulate
from tests.support.crafted_npz import metadata, scan, write


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return contract.load(write(tmp_path_factory.mktemp("clean") / "scan.npz", scan(m=36)))


def spoilt(dataset: Dataset, change: Any) -> Dataset:
    frames = dataset.diffraction.copy()
    change(frames)
    return replace(dataset, frames=frames)


def put(index: Any, value: float) -> Any:
    def change(frames: NDArray[np.float32]) -> None:
        frames[index] = value

    return change


def test_a_clean_scan_has_no_flaws(clean: Dataset) -> None:
    flaws = detector.find(clean)
    assert (int(flaws.bad_pixels.sum()), flaws.bad_frames.size, flaws.marks) == (0, 0, ())


@pytest.mark.parametrize("photons", [50.0, 1e3, 1e6])
@pytest.mark.parametrize("side", [64, 128])
def test_simulated_scans_have_none_either(side: int, photons: float) -> None:
    probe, obj = simulate.own_probe_and_object(n_images=20, side=side, seed=3)
    flaws = detector.find(simulate.simulate(probe=probe, obj=obj, n_images=20, nphotons=photons, seed=3))
    assert (int(flaws.bad_pixels.sum()), flaws.bad_frames.size) == (0, 0)


def test_the_direct_beam_of_a_wide_probe_is_no_hot_pixel(clean: Dataset) -> None:
    frames = np.full((36, 64, 64), 0.01, np.float32)
    frames[:, 32, 32] = 1000
    wide = replace(clean, frames=frames, probe=np.ones((1, 64, 64), np.complex64), obj=None)
    assert not detector.find(wide).bad_pixels.any()


@pytest.mark.parametrize("name", detector.MARKS)
def test_the_largest_value_of_a_dtype_is_a_mark_where_it_sticks(name: str, clean: Dataset) -> None:
    low = replace(clean, frames=np.minimum(clean.diffraction, 10))
    flaws = detector.find(spoilt(low, put((slice(None), slice(30, 33)), detector.MARKS[name])))
    assert (int(flaws.marked.sum()), bool(flaws.marked[30:33].all())) == (192, True)
    assert flaws.marks == (f"{name} ({np.iinfo(name.split()[-1]).max})",)


def test_a_value_that_is_only_reached_is_no_mark(clean: Dataset) -> None:
    flaws = detector.find(spoilt(clean, put((7, 20, 20), detector.MARKS["the largest uint16"])))
    assert not flaws.marked.any()


@pytest.mark.parametrize(("value", "says"), [(-1.0, "-1"), (-np.sqrt(2.0), "-2"), (np.nan, "72 NaN or infinite")])
def test_values_that_no_frame_may_hold_are_marks(value: float, says: str, clean: Dataset) -> None:
    flaws = detector.find(spoilt(clean, put((slice(None), 5, slice(9, 11)), value)))
    assert np.argwhere(flaws.bad_pixels).tolist() == [[5, 9], [5, 10]]
    assert says in flaws.marks[0]


def test_a_frame_of_marks_is_a_bad_frame_and_no_mask(clean: Dataset) -> None:
    flaws = detector.find(spoilt(clean, put(4, np.nan)))
    assert (flaws.bad_frames.tolist(), int(flaws.marked.sum())) == ([4], 0)


def test_hot_pixels_dead_and_bright_frames_are_found_together(clean: Dataset) -> None:
    def change(frames: NDArray[np.float32]) -> None:
        frames[7] *= 300
        frames[5:7] = 0
        frames[:, 5, 9] = 4000

    flaws = detector.find(spoilt(clean, change))
    assert np.argwhere(flaws.hot).tolist() == [[5, 9]]
    assert (flaws.dead.tolist(), flaws.bright.tolist()) == ([5, 6], [7])


def test_every_flaw_is_a_suspicion_that_names_the_command(clean: Dataset) -> None:
    found = suspicions.find(spoilt(clean, put(slice(5, 9), 0.0)))
    assert "index 5, 6, 7, 8" in found[0].text
    assert "--drop-frames auto" in found[0].text
    found = suspicions.find(spoilt(clean, put((slice(None), 5, 9), 4000.0)))
    assert "1 of 4096 pixels, at (row, column) (5, 9)" in found[0].text
    assert "--mask auto" in found[0].text


def test_a_violation_says_where_the_marks_are(tmp_path: Path) -> None:
    counts = np.rint(scan(m=36)["diff3d"].astype(np.float64) ** 2).astype(np.int32)
    counts[:, 10, 11] = -1
    path = write(
        tmp_path / "scan.npz", {**scan(m=36), "diff3d": counts, "_metadata": metadata(measurement_domain="counts")}
    )
    with pytest.raises(ContractError, match=r"-1 in 1 of 4096 pixels, at \(row, column\) \(10, 11\): marks") as refused:
        contract.load(path)
    assert len(refused.value.violations) == 1
    assert command.main(["inspect", str(path)]) == 2
