"""The same arrays give the same bytes; a file is whole or not there."""

import errno
import json
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ptycho.data import contract, npz_writer
from ptycho.data.dataset import Dataset
from ptycho.errors import InfrastructureError, UsageError
from tests.support.crafted_npz import replaced, scan, write


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return contract.load(write(tmp_path / "source.npz", replaced(Y=np.ones((5, 64, 64), np.complex64))))


@pytest.mark.parametrize("layout", ["canonical", "legacy"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_same_bytes_at_any_time(
    layout: str, compressed: bool, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npz_writer.save(tmp_path / "a.npz", dataset, layout=layout, compressed=compressed)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    npz_writer.save(tmp_path / "b.npz", dataset, layout=layout, compressed=compressed)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_numpy_reads_the_canonical_file(dataset: Dataset, tmp_path: Path) -> None:
    npz_writer.save(tmp_path / "c.npz", dataset)
    with np.load(tmp_path / "c.npz", allow_pickle=False) as file:
        found = {key: (file[key].shape, file[key].dtype.str) for key in file.files if key != "_metadata"}
        text = file["_metadata"]
    assert found == {
        "diff3d": ((5, 64, 64), "<f4"),
        "probeGuess": ((64, 64), "<c8"),
        "objectGuess": ((94, 86), "<c8"),
        "xcoords": ((5,), "<f8"),
        "ycoords": ((5,), "<f8"),
        "xcoords_start": ((5,), "<f8"),
        "ycoords_start": ((5,), "<f8"),
        "scan_index": ((5,), "<i8"),
        "Y": ((5, 64, 64), "<c8"),
    }
    assert (text.shape, text.dtype.kind) == ((), "U")
    assert json.loads(str(text)) == {"layout": "canonical", "measurement_domain": "amplitude", "contract": "DATA-001/1"}


def test_the_legacy_file_is_like_the_laboratorys(dataset: Dataset, tmp_path: Path) -> None:
    npz_writer.save(tmp_path / "l.npz", dataset, layout="legacy")
    with np.load(tmp_path / "l.npz", allow_pickle=False) as file:
        assert "diff3d" not in file.files
        assert file["diffraction"].dtype == np.float64
        np.testing.assert_array_equal(file["diffraction"], dataset.diffraction.transpose(1, 2, 0))
        assert (file["probeGuess"].dtype, file["objectGuess"].dtype) == (np.complex128, np.complex128)
        assert file["probeGuess"].shape == (64, 64)


def test_one_pattern_keeps_the_legacy_dtype(tmp_path: Path) -> None:
    single = contract.load(write(tmp_path / "one.npz", scan(1)))
    npz_writer.save(tmp_path / "l.npz", single, layout="legacy")
    with np.load(tmp_path / "l.npz") as file:
        assert (file["diffraction"].shape, file["diffraction"].dtype) == ((64, 64, 1), np.float64)


def test_metadata_are_kept(dataset: Dataset, tmp_path: Path) -> None:
    noted = replace(dataset, metadata={"nphotons": 1e6, "measurement_domain": "counts", "by": "Grüße"})
    npz_writer.save(tmp_path / "m.npz", noted)
    assert dict(contract.load(tmp_path / "m.npz").metadata) == {
        "nphotons": 1e6,
        "by": "Grüße",
        "layout": "canonical",
        "measurement_domain": "amplitude",
        "contract": "DATA-001/1",
    }


def test_metadata_that_json_cannot_hold(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        npz_writer.save(tmp_path / "m.npz", replace(dataset, metadata={"nphotons": float("nan")}))
    assert not (tmp_path / "m.npz").exists()


def test_positions_in_single_precision_are_rounded_and_nothing_else(dataset: Dataset, tmp_path: Path) -> None:
    contract.save(tmp_path / "wide.npz", dataset)
    contract.save(tmp_path / "narrow.npz", dataset, coordinates="float32")
    with np.load(tmp_path / "wide.npz") as wide, np.load(tmp_path / "narrow.npz") as narrow:
        assert wide.files == narrow.files
        for key in wide.files:
            rounded = key in ("xcoords", "ycoords", "xcoords_start", "ycoords_start")
            assert narrow[key].dtype == ("<f4" if rounded else wide[key].dtype)
            np.testing.assert_array_equal(wide[key].astype("<f4") if rounded else wide[key], narrow[key])
    read = contract.load(tmp_path / "narrow.npz")
    assert read.xcoords.dtype == np.float64
    np.testing.assert_array_equal(dataset.xcoords.astype(np.float32), read.xcoords)


def test_unknown_type_of_positions(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="coordinates = 'float16'; allowed: float64, float32"):
        contract.save(tmp_path / "scan.npz", dataset, coordinates="float16")
    assert not (tmp_path / "scan.npz").exists()


def test_unknown_layout(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="layout = 'hdf5'; allowed: canonical, legacy"):
        npz_writer.save(tmp_path / "m.npz", dataset, layout="hdf5")


def test_a_failure_leaves_the_old_file_and_nothing_else(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "scan.npz").write_bytes(b"the old one")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InfrastructureError, match=r"No space left on device; the file that was there is unchanged"):
        npz_writer.save(folder / "scan.npz", dataset)
    assert [(item.name, item.read_bytes()) for item in folder.iterdir()] == [("scan.npz", b"the old one")]


def test_success_leaves_one_file(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    npz_writer.save(folder / "scan.npz", dataset)
    assert [item.name for item in folder.iterdir()] == ["scan.npz"]


def test_where_nothing_can_be_written(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path, says in (
        (tmp_path / "none" / "a.npz", "there is no folder"),
        (tmp_path / "file" / "a.npz", "there is a file where the folder should be"),
        (tmp_path / "folder", "[Ii]s a directory"),
    ):
        with pytest.raises(InfrastructureError, match=says) as refused:
            npz_writer.save(path, dataset)
        assert int(refused.value.verdict) == 13
