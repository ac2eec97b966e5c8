"""Checks see the last element of an array as the first: frames beyond a chunk, the second coordinate, the last mode."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.data import detector, masks, prepare, values
from ptycho.data.dataset import Dataset
from ptycho.data.values import _FRAMES_AT_ONCE
from ptycho.errors import StoreError
from ptycho.store.store import Store
from tests.support.scans import make_dataset

FRAMES = 2 * _FRAMES_AT_ONCE + 1
"""Two whole chunks, and a third of a single frame."""

PLACES = {"first": 0, "end of a chunk": _FRAMES_AT_ONCE - 1, "second chunk": _FRAMES_AT_ONCE, "last": FRAMES - 1}


def scan() -> Dataset:
    """A scan of small frames with an object that every window fits into, and two modes."""
    dataset = make_dataset(n_patterns=FRAMES, side=8)
    probe = np.concatenate([dataset.probe, dataset.probe * np.complex64(0.5)])
    return replace(dataset, probe=probe, obj=np.ones((240, 200), np.complex64))


def planted(array: NDArray[Any], index: tuple[int, ...], value: complex) -> NDArray[Any]:
    """A copy with one element changed."""
    copy = array.copy()
    copy[index] = value
    return copy


def changed(name: str, array: NDArray[Any]) -> dict[str, Any]:
    """A field of a dataset with another array."""
    return {name: array}


def test_the_scan_itself_has_nothing_wrong() -> None:
    assert values.violations(scan(), declared=True) == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("pixel", [(0, 0), (7, 7)])
@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN or infinite"), (np.inf, "NaN"), (-1.0, "negative")])
def test_a_bad_pixel_of_any_frame_is_found(place: str, pixel: tuple[int, int], value: float, what: str) -> None:
    dataset = scan()
    found = values.violations(
        replace(dataset, frames=planted(dataset.diffraction, (PLACES[place], *pixel), value)), declared=True
    )
    assert len(found) == 1
    assert what in found[0]
    assert f"1 of {FRAMES} frames (index {PLACES[place]})" in found[0]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["xcoords", "ycoords", "xcoords_start", "ycoords_start"])
def test_a_position_that_is_no_number_is_found(place: str, name: str) -> None:
    dataset = scan()
    broken = replace(dataset, **changed(name, planted(getattr(dataset, name), (PLACES[place],), np.nan)))
    assert any(f"{name}: 1 of {FRAMES} values are NaN" in text for text in values.violations(broken, declared=True))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "value"), [("xcoords", 1.0), ("xcoords", 199.0), ("ycoords", 1.0), ("ycoords", 239.0)]
)
def test_a_position_outside_the_object_is_found_at_either_end(place: str, name: str, value: float) -> None:
    dataset = scan()
    broken = replace(dataset, **changed(name, planted(getattr(dataset, name), (PLACES[place],), value)))
    (found,) = values._outside(broken)
    assert found.startswith(f"{name}: 1 of {FRAMES} positions")
    assert f"(index {PLACES[place]})" in found


@pytest.mark.parametrize("index", [(0, 0, 0), (0, 7, 7), (1, 0, 0), (1, 7, 7)])
def test_a_pixel_of_any_mode_is_looked_at(index: tuple[int, ...]) -> None:
    dataset = scan()
    broken = replace(dataset, probe=planted(dataset.probe, index, np.nan))
    assert any(text.startswith("probeGuess: 1 of 128") for text in values.violations(broken, declared=True))


@pytest.mark.parametrize("place", PLACES)
def test_counts_are_recognised_whatever_the_other_frames_are(place: str) -> None:
    dataset = scan()
    counts = np.full_like(dataset.diffraction, 4)
    counts[0, 0, 0] = 3
    assert len(values.violations(replace(dataset, frames=counts), declared=False)) == 1
    one = planted(counts, (PLACES[place], 7, 7), 2.5)
    assert values.violations(replace(dataset, frames=one), declared=False) == []


@pytest.mark.parametrize("place", PLACES)
def test_a_dead_and_a_bright_frame_are_found_anywhere(place: str) -> None:
    dataset, at = scan(), PLACES[place]
    for factor, name in ((0.0, "dead"), (1e4, "bright")):
        frames = dataset.diffraction.copy()
        frames[at] *= np.float32(factor)
        assert getattr(detector.find(replace(dataset, frames=frames)), name).tolist() == [at]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("pixel", [(0, 0), (7, 7)])
def test_a_masked_pixel_of_any_frame_counts(place: str, pixel: tuple[int, int]) -> None:
    bad = np.zeros((FRAMES, 8, 8), bool)
    bad[(PLACES[place], *pixel)] = True
    assert masks.good_share(bad) == 1 - 1 / (FRAMES * 64)


CHANGES: dict[str, Callable[[Dataset, int], Dataset]] = {
    "diffraction": lambda d, k: replace(d, frames=planted(d.diffraction, (k, 63, 63), 9.0)),
    "xcoords": lambda d, k: replace(d, xcoords=planted(d.xcoords, (k,), 61.5)),
    "ycoords": lambda d, k: replace(d, ycoords=planted(d.ycoords, (k,), 81.5)),
}


@pytest.mark.parametrize("k", [0, -1])
@pytest.mark.parametrize("name", CHANGES)
def test_a_store_of_data_that_differ_in_one_element_is_refused(name: str, k: int, tmp_path: Path) -> None:
    config = TrainingConfig(data=DataConfig(path=Path("s.npz")), output_dir=tmp_path, model=ModelConfig(filter_scale=1))
    dataset = make_dataset()
    Store.open_or_create(tmp_path / "store", dataset, prepare.prepare(config, dataset))
    other = CHANGES[name](dataset, k)
    with pytest.raises(StoreError, match="wanted"):
        Store.open_or_create(tmp_path / "store", other, prepare.prepare(config, other))


@pytest.mark.parametrize("name", ["diffraction", "xcoords", "ycoords", "groups", "train", "validation"])
@pytest.mark.parametrize("last", [False, True], ids=["first byte", "last byte"])
def test_a_store_whose_bytes_changed_anywhere_is_found(name: str, last: bool, tmp_path: Path) -> None:
    config = TrainingConfig(data=DataConfig(path=Path("s.npz")), output_dir=tmp_path, model=ModelConfig(filter_scale=1))
    dataset = make_dataset()
    store = Store.create(tmp_path / "store", dataset, prepare.prepare(config, dataset))
    path = tmp_path / "store" / f"{name}.npy"
    raw = bytearray(path.read_bytes())
    raw[-1 if last else 128] ^= 1
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=rf"{name}\.npy sha256"):
        store.verify()
