"""Large arrays outside memory: the same values, dropped pages, rows past the map. "Large" is made small here."""

import os
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho import params
from ptycho.config import DataConfig, TrainingConfig, update_legacy_dict
from ptycho.data import contract, mapped_arrays, prepare
from ptycho.errors import ContractError, InfrastructureError
from ptycho.store.store import Store
from ptycho.training import batches
from ptycho.training.ranks import Ranks
from tests.support import crafted_npz

STATUS = Path("/proc/self/status")
SCAN = crafted_npz.scan(m=24)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, a hundred kilobytes are large."""
    monkeypatch.setattr(mapped_arrays, "MAPPED_FROM_BYTES", 100_000)


def config(path: Path, folder: Path, **options: Any) -> TrainingConfig:
    made = TrainingConfig(data=DataConfig(path=path), output_dir=folder, batch_size=5, **options)
    update_legacy_dict(params.cfg, made)
    return made


def mapped_mib() -> float:
    if not STATUS.exists():
        return 0.0
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines["RssFile"].split()[0]) / 1024


def test_small_arrays_are_in_memory() -> None:
    assert mapped_arrays.empty((4, 4), np.float32).base is None


def test_large_arrays_keep_what_is_written_after_a_release(large: None) -> None:
    array = mapped_arrays.empty((100, 40, 40), np.float32)
    assert (array.shape, array.dtype.name, array.flags.writeable) == ((100, 40, 40), "float32", True)
    array[...] = np.arange(100)[:, None, None]
    mapped_arrays.release(array)
    assert array[:, 0, 0].tolist() == list(range(100))


def test_no_space_is_an_error_before_anything_is_written(large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(InfrastructureError, match="no space for 400000 bytes"):
        mapped_arrays.empty((100_000,), np.float32)


def test_released_pages_are_not_resident(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((8, 2**20), np.float32))
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    before = mapped_mib()
    assert float(array.sum()) == 8 * 2**20
    touched = mapped_mib()
    mapped_arrays.release(array)
    if sys.platform == "linux":  # which alone tells mapped memory apart
        assert touched - before > 24
        assert mapped_mib() - before < 8
    assert float(array.sum()) == 8 * 2**20


@pytest.mark.parametrize("variant", ["stored", "deflated", "legacy", "counts"])
def test_a_large_file_is_the_same_dataset(variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = crafted_npz.legacy(SCAN) if variant == "legacy" else dict(SCAN)
    domain = None
    if variant == "counts":
        arrays["diff3d"] = np.rint(arrays["diff3d"] ** 2).astype(np.uint16)
        domain = "counts"
    path = tmp_path / "scan.npz"
    (np.savez_compressed if variant == "deflated" else np.savez)(path, **arrays)  # type: ignore[arg-type]
    held = contract.load(path, measurement_domain=domain)
    monkeypatch.setattr(mapped_arrays, "MAPPED_FROM_BYTES", 100_000)
    mapped = contract.load(path, measurement_domain=domain)
    assert held.diffraction.tobytes() == mapped.diffraction.tobytes()
    assert mapped.source == held.source
    assert not mapped.diffraction.flags.writeable
    assert prepare.digest(mapped.diffraction) == prepare.digest(held.diffraction)


def test_a_member_that_is_mapped_must_have_its_checksum(large: None, tmp_path: Path) -> None:
    path = crafted_npz.write(tmp_path / "scan.npz", SCAN)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("diff3d.npy")
        assert info.compress_type == zipfile.ZIP_STORED
    whole = bytearray(path.read_bytes())
    whole[info.header_offset + info.file_size // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ContractError, match=r"diff3d\.npy: is truncated or damaged"):
        contract.load(path)


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("ahead", "share"), [(1, 0.0), (10_000, 0.0), (1, 0.5)])
def test_batches_of_a_large_store_are_the_same_bytes(
    ahead: int, share: float, workers: int, world: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = crafted_npz.write(tmp_path / "scan.npz", SCAN)
    made = config(path, tmp_path)
    dataset = prepare.load(made)
    prepared = prepare.prepare(made, dataset)
    order = np.random.default_rng(1).permutation(prepared.n_groups)
    ranks = Ranks(rank=world - 1, world=world)
    with Store.for_run(None, dataset, prepared) as store:
        small = [batch.diffraction for batch in batches.iterate(store, order, batch_size=5, ranks=ranks)]
        monkeypatch.setattr(mapped_arrays, "MAPPED_FROM_BYTES", 100_000)
        monkeypatch.setattr(mapped_arrays, "AHEAD_ROWS", ahead)
        monkeypatch.setattr(mapped_arrays, "STREAMED_SHARE", share)
        again = batches.iterate(store, order, batch_size=5, num_workers=workers, ranks=ranks)
        large = [batch.diffraction for batch in again]
    assert [one.tobytes() for one in large] == [one.tobytes() for one in small]
    assert [one.shape for one in large] == [one.shape for one in small]


def test_a_store_that_was_cut_short_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((8, 1000), np.float32))
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    with mapped_arrays.Rows(tmp_path / "a.npy", array) as rows:
        assert rows.take(np.array([[7], [0]])).shape == (2, 1, 1000)
        with (tmp_path / "a.npy").open("r+b") as file:
            file.truncate(5000)
        with pytest.raises(InfrastructureError, match="row 7 of a store"):
            rows.take(np.array([7]))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Eight rows of 4000 bytes."""
    np.save(tmp_path / "a.npy", np.ones((8, 1000), np.float32))
    return tmp_path / "a.npy"


def calls_of(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[Any, ...]]:
    """Arguments of each call of a function of `os`."""
    real, calls = getattr(os, name), []

    def spy(*given: Any) -> Any:
        calls.append(given)
        return real(*given)

    monkeypatch.setattr(os, name, spy)
    return calls


def test_a_file_that_fits_is_streamed_from_end_to_end_and_nothing_announced(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_arrays, "_available", lambda: 100_000)
    monkeypatch.setattr(mapped_arrays, "_STREAM_BYTES", 10_000)
    reads, announced = calls_of(monkeypatch, "preadv"), calls_of(monkeypatch, "posix_fadvise")
    with mapped_arrays.Rows(file, np.load(file, mmap_mode="r"), wanted=4) as rows:
        assert rows.streamed
        rows.announce(np.arange(8))
        rows._streamer.join()
    assert [place for _, _, place in reads] == [0, 10_000, 20_000, 30_000, file.stat().st_size]
    assert announced == []


@pytest.mark.parametrize(("available", "wanted"), [(63_999, 8), (10**9, 3), (0, 8)])
def test_rows_are_announced_of_a_file_that_is_too_large_or_hardly_read(
    available: int, wanted: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_arrays, "_available", lambda: available)
    announced = calls_of(monkeypatch, "posix_fadvise")
    with mapped_arrays.Rows(file, np.load(file, mmap_mode="r"), wanted=wanted) as rows:
        assert not rows.streamed
        rows.announce(np.array([[3], [1]]))
    assert [(place, size) for _, place, size, _ in announced] == [(128 + 12_000, 4000), (128 + 4000, 4000)]


def test_closing_early_ends_the_stream(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, begun = os.preadv, threading.Event()

    def endless(descriptor: int, buffers: Any, place: int) -> int:
        begun.set()
        return real(descriptor, buffers, place % 20_000)

    monkeypatch.setattr(os, "preadv", endless)
    monkeypatch.setattr(mapped_arrays, "_available", lambda: 10**9)
    monkeypatch.setattr(mapped_arrays, "_STREAM_BYTES", 4000)
    with mapped_arrays.Rows(file, np.load(file, mmap_mode="r"), wanted=8) as rows:
        begun.wait(10)
        assert rows._streamer.is_alive()
    assert not rows._streamer.is_alive()


def test_a_system_that_does_not_say_gets_announcements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_arrays, "_MEMORY", tmp_path / "absent")
    assert mapped_arrays._available() == 0
    (tmp_path / "meminfo").write_text("MemTotal:  8 kB\nMemAvailable:    4 kB\n")
    monkeypatch.setattr(mapped_arrays, "_MEMORY", tmp_path / "meminfo")
    assert mapped_arrays._available() == 4096
