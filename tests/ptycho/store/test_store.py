"""The store holds what was prepared, is read through maps, and is refused when anything about it differs."""

import hashlib
import json
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ptycho.config import DataConfig, ModelConfig, TrainingConfig
from ptycho.data import prepare
from ptycho.data.dataset import Dataset
from ptycho.data.prepare import PreparedDataset
from ptycho.errors import StoreError
from ptycho.store import files
from ptycho.store.manifest import MANIFEST, Manifest
from ptycho.store.store import Store
from tests.support.injected import bites
from tests.support.scans import make_dataset

CONFIG = TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"), batch_size=4)


def prepared_scan(config: TrainingConfig = CONFIG) -> tuple[Dataset, PreparedDataset]:
    dataset = make_dataset()
    return dataset, prepare.prepare(config, dataset)


def test_store_holds_what_was_prepared(tmp_path: Path) -> None:
    dataset, prepared = prepared_scan()
    store = Store.create(tmp_path / "store", dataset, prepared)
    np.testing.assert_array_equal(dataset.diffraction * np.float32(prepared.normalisation), store.diffraction)
    np.testing.assert_array_equal(prepared.groups, store.groups)
    np.testing.assert_array_equal(prepared.probe, store.probe)
    np.testing.assert_array_equal(dataset.xcoords, store.xcoords)
    np.testing.assert_array_equal(dataset.ycoords, store.ycoords)
    np.testing.assert_array_equal(prepared.split.train, store.split.train)
    np.testing.assert_array_equal(prepared.split.validation, store.split.validation)
    assert hashlib.sha256(store.diffraction.tobytes()).hexdigest() == store.manifest.input_sha256


def test_files_are_plain_and_the_manifest_is_json(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store", *prepared_scan())
    assert sorted([MANIFEST, *(f"{name}.npy" for name in store.manifest.arrays)]) == sorted(
        path.name for path in store.directory.iterdir()
    )
    manifest = json.loads((store.directory / MANIFEST).read_text())["manifest"]
    assert store.manifest.input_sha256 == manifest["input_sha256"]
    assert store.manifest.normalisation == manifest["normalisation"]


def test_arrays_are_read_only_maps(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store", *prepared_scan())
    assert isinstance(store.diffraction, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.diffraction[0] = 0


def test_input_is_the_same_for_both_layouts_and_the_store_is_not(tmp_path: Path) -> None:
    dataset, prepared = prepared_scan()
    legacy = replace(dataset, source=replace(dataset.source, layout="legacy", sha256="cd" * 32))
    stores = [Store.create(tmp_path / scan.source.layout, scan, prepared) for scan in (dataset, legacy)]
    assert stores[0].manifest.input_sha256 == stores[1].manifest.input_sha256
    assert [line.split(":")[0] for line in stores[0].manifest.mismatches(stores[1].manifest)] == [
        "layout",
        "source_sha256",
    ]


def test_inference_has_a_store_too(tmp_path: Path) -> None:
    dataset = make_dataset()
    prepared = prepare.prepare_for_inference(CONFIG.data, CONFIG.model, dataset, normalisation=0.5, nphotons=1e9)
    store = Store.create(tmp_path / "store", dataset, prepared)
    assert (len(store.split.train), len(store.split.validation), len(store.groups)) == (0, 0, 24)


def test_a_store_of_the_same_data_is_reused_untouched(tmp_path: Path) -> None:
    dataset, prepared = prepared_scan()
    first = Store.open_or_create(tmp_path / "store", dataset, prepared)
    times = {path: path.stat().st_mtime_ns for path in first.directory.iterdir()}
    again = Store.open_or_create(tmp_path / "store", dataset, prepared)
    assert first.manifest == again.manifest
    assert times == {path: path.stat().st_mtime_ns for path in again.directory.iterdir()}


def test_an_empty_directory_is_a_place_for_a_store(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.mkdir()
    assert len(Store.open_or_create(place, *prepared_scan()).groups) == 24


@pytest.mark.fault("stale-map")
@pytest.mark.parametrize(
    ("config", "named"),
    [
        (replace(CONFIG, data=replace(CONFIG.data, seed=7)), "seed: wanted 7, found 42"),
        (replace(CONFIG, data=replace(CONFIG.data, n_groups=12)), "n_groups: wanted 12, found 24"),
        (
            replace(CONFIG, data=replace(CONFIG.data, gridsize=2), model=ModelConfig(gridsize=2)),
            "gridsize: wanted 2, found 1",
        ),
        (replace(CONFIG, batch_size=8), r"arrays.validation.shape: wanted \[8\], found \[4\]"),
        (replace(CONFIG, model=ModelConfig(probe_scale=1.0)), "arrays.probe.sha256: wanted "),
    ],
)
def test_a_store_of_another_run_is_refused(tmp_path: Path, config: TrainingConfig, named: str) -> None:
    stale = Store.create(tmp_path / "store", *prepared_scan())
    bites(config != CONFIG and stale.directory == tmp_path / "store", "another run's store is in the place")
    with pytest.raises(StoreError, match=named):
        Store.open_or_create(tmp_path / "store", *prepared_scan(config))


@pytest.mark.fault("stale-map")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda scan: replace(scan, source=replace(scan.source, sha256="cd" * 32)), "source_sha256: wanted cdcd"),
        (lambda _: make_dataset(n_patterns=25), r"arrays.diffraction.shape: wanted \[25, 64, 64\], found \[24, "),
        (lambda scan: replace(scan, xcoords=scan.xcoords + 1), "arrays.xcoords.sha256: wanted "),
        (lambda _: make_dataset(seed=1), "input_sha256: wanted "),
    ],
)
def test_a_store_of_other_data_is_refused(tmp_path: Path, change: Callable[[Dataset], Dataset], named: str) -> None:
    dataset, prepared = prepared_scan()
    stale = Store.create(tmp_path / "store", dataset, prepared)
    other = change(dataset)
    bites(stale.directory == tmp_path / "store" and other is not dataset, "a store of other data is in the place")
    with pytest.raises(StoreError, match=named):
        Store.open_or_create(tmp_path / "store", other, prepare.prepare(CONFIG, other))


def test_every_difference_and_damage_is_listed_at_once(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store", *prepared_scan())
    (store.directory / "probe.npy").unlink()
    with pytest.raises(StoreError) as caught:
        Store.open(store.directory, expected=replace(store.manifest, seed=7, side=128))
    lines = str(caught.value).splitlines()
    assert lines[1:3] == ["  - seed: wanted 7, found 42", "  - side: wanted 128, found 64"]
    assert lines[3].startswith("  - probe.npy: wanted <c16 [1, 64, 64], found ")
    assert lines[4] == "remove it, or give the directory of another store (a missing one is built)"


def test_what_is_not_a_store_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StoreError, match="wanted one, found none"):
        Store.open_or_create(tmp_path, *prepared_scan())
    with pytest.raises(StoreError, match="exists already"):
        Store.create(tmp_path, *prepared_scan())
    with pytest.raises(StoreError, match="exists already"):
        Store.create(tmp_path / "thesis.tex", *prepared_scan())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_crash_while_writing_leaves_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(partial: Path, manifest: Manifest) -> None:
        assert len(manifest.arrays) == len(list(partial.iterdir()))
        raise MemoryError

    monkeypatch.setattr(files, "write_manifest", crash)
    with pytest.raises(MemoryError):
        Store.create(tmp_path / "store", *prepared_scan())
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_not_what_was_prepared_is_refused(tmp_path: Path) -> None:
    _, prepared = prepared_scan()
    with pytest.raises(StoreError, match="diffraction changed between preparation and storage"):
        Store.create(tmp_path / "store", make_dataset(seed=1), prepared)
    assert list(tmp_path.iterdir()) == []


def test_verify_finds_a_flipped_bit_that_opening_does_not(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store", *prepared_scan())
    store.verify()
    with (store.directory / "diffraction.npy").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    damaged = Store.open(store.directory, expected=store.manifest)
    with pytest.raises(StoreError, match=f"diffraction.npy sha256: wanted {store.manifest.input_sha256}, found "):
        damaged.verify()


def test_a_run_without_a_place_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def interrupted() -> None:
        with Store.for_run(None, *prepared_scan()) as store:
            assert store.directory.is_relative_to(tmp_path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_a_place_keeps_its_store(tmp_path: Path) -> None:
    with Store.for_run(tmp_path / "store", *prepared_scan()) as store:
        manifest = store.manifest
    assert manifest == Store.open(tmp_path / "store").manifest


def test_no_second_copy_of_the_patterns_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(n_patterns=400)
    monkeypatch.setattr(prepare, "CHUNK_BYTES", 1 << 18)
    prepare.prepare(CONFIG, dataset)  # imports and warms what is imported late
    tracemalloc.start()
    try:
        Store.create(tmp_path / "store", dataset, prepare.prepare(CONFIG, dataset))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < dataset.diffraction.nbytes / 4
