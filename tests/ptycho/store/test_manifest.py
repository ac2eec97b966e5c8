"""A manifest survives the disk, names every difference, and a damaged one is never believed."""

import hashlib
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho.config import DataConfig, TrainingConfig
from ptycho.data import prepare
from ptycho.data.dataset import CONTRACT_VERSION
from ptycho.errors import StoreError
from ptycho.store.manifest import MANIFEST, STORE_VERSION, ArrayEntry, Manifest
from tests.support.scans import make_dataset


@pytest.fixture
def manifest() -> Manifest:
    config = TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"), batch_size=4)
    dataset = make_dataset()
    return Manifest.of(dataset, prepare.prepare(config, dataset))


def other(value: Any) -> Any:
    """A value of the same type that is not this one."""
    return f"{value}x" if isinstance(value, str) else value + 1


def test_manifest_says_whose_the_store_is(manifest: Manifest) -> None:
    assert (
        manifest.store_version,
        manifest.contract_version,
        manifest.source_sha256,
        manifest.layout,
        manifest.measurement_domain,
        manifest.side,
        manifest.gridsize,
        manifest.seed,
        manifest.n_groups,
    ) == (STORE_VERSION, CONTRACT_VERSION, "ab" * 32, "canonical", "amplitude", 64, 1, 42, 24)
    shapes = {name: (entry.shape, entry.dtype) for name, entry in manifest.arrays.items()}
    assert shapes == {
        "diffraction": ([24, 64, 64], "<f4"),
        "groups": ([24, 1], "<i8"),
        "xcoords": ([24], "<f8"),
        "ycoords": ([24], "<f8"),
        "probe": ([1, 64, 64], "<c16"),
        "train": ([20], "<i8"),
        "validation": ([4], "<i8"),
    }
    assert manifest.input_sha256 == manifest.arrays["diffraction"].sha256


def test_manifest_survives_the_disk(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(manifest.encode())
    assert manifest == Manifest.read(tmp_path)


def test_equal_manifests_have_no_mismatch(manifest: Manifest) -> None:
    assert manifest.mismatches(replace(manifest)) == []


@pytest.mark.parametrize("name", [item.name for item in fields(Manifest) if item.name != "arrays"])
def test_each_field_that_differs_is_named_with_both_values(manifest: Manifest, name: str) -> None:
    wanted = getattr(manifest, name)
    found = replace(manifest, **{name: other(wanted)})
    assert [f"{name}: wanted {wanted}, found {other(wanted)}"] == manifest.mismatches(found)


@pytest.mark.parametrize("what", [item.name for item in fields(ArrayEntry)])
def test_each_property_of_an_array_that_differs_is_named(manifest: Manifest, what: str) -> None:
    entry = manifest.arrays["groups"]
    changed: Any = [24, 4] if what == "shape" else other(getattr(entry, what))
    changes: dict[str, Any] = {what: changed}
    found = replace(manifest, arrays={**manifest.arrays, "groups": replace(entry, **changes)})
    assert [f"arrays.groups.{what}: wanted {getattr(entry, what)}, found {changed}"] == manifest.mismatches(found)


def test_all_mismatches_are_listed_at_once(manifest: Manifest) -> None:
    arrays = {name: entry for name, entry in manifest.arrays.items() if name != "probe"}
    found = replace(manifest, seed=7, side=128, arrays=arrays)
    assert [line.split(":")[0] for line in manifest.mismatches(found)] == [
        "arrays.probe.dtype",
        "arrays.probe.sha256",
        "arrays.probe.shape",
        "seed",
        "side",
    ]


def test_an_edited_manifest_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    whole = json.loads(manifest.encode())
    whole["manifest"]["seed"] = 7
    (tmp_path / MANIFEST).write_text(json.dumps(whole))
    with pytest.raises(StoreError, match=f"{MANIFEST} digest: wanted {whole['digest']}, found "):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("name", ["store_version", "contract_version"])
def test_another_version_is_refused_whatever_is_expected(manifest: Manifest, tmp_path: Path, name: str) -> None:
    wanted = getattr(manifest, name)
    (tmp_path / MANIFEST).write_bytes(replace(manifest, **{name: other(wanted)}).encode())
    with pytest.raises(StoreError, match=f"{name}: wanted {wanted}, found {other(wanted)}"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"digest": "", "manifest": 3}', '{"digest": 1, "manifest": {}}', "\xff"]
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match="is not the store of this run"):
        Manifest.read(tmp_path)


def test_unknown_and_missing_fields_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    body = asdict(manifest)
    for changed in (body | {"extra": 1}, {key: value for key, value in body.items() if key != "seed"}):
        text = json.dumps(changed, sort_keys=True, separators=(",", ":"))
        whole = {"digest": hashlib.sha256(text.encode()).hexdigest(), "manifest": changed}
        (tmp_path / MANIFEST).write_text(json.dumps(whole))
        with pytest.raises(StoreError, match="wanted the JSON of a store"):
            Manifest.read(tmp_path)


def test_a_directory_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{MANIFEST}: wanted one, found none"):
        Manifest.read(tmp_path)


def test_entry_counts_its_bytes() -> None:
    assert ArrayEntry.of(np.zeros((3, 5), dtype=np.float32)).nbytes == 3 * 5 * 4
    assert ArrayEntry.of(np.zeros((0, 5), dtype=np.float32)).nbytes == 0
