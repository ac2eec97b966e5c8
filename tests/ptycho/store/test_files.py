"""A build is whole or leaves nothing: full disks, crashes, rivals and abandoned builds."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pytest

from ptycho.config import DataConfig, TrainingConfig
from ptycho.data import prepare
from ptycho.errors import InfrastructureError, StoreError
from ptycho.store import files
from ptycho.store.manifest import ArrayEntry, Manifest
from tests.support.injected import bites
from tests.support.scans import make_dataset


class Usage(NamedTuple):
    """As `shutil.disk_usage` returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def manifest() -> Manifest:
    config = TrainingConfig(data=DataConfig(path=Path("scan.npz")), output_dir=Path("out"), batch_size=4)
    dataset = make_dataset()
    return Manifest.of(dataset, prepare.prepare(config, dataset))


def failing(number: int) -> Callable[..., NoReturn]:
    def fail(*arguments: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_build_appears_whole_and_under_its_name(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "store"
    with files.under_construction(place) as partial:
        assert not place.exists()
        (partial / "file").write_text("whole")
    assert (place / "file").read_text() == "whole"
    assert [path.name for path in place.parent.iterdir()] == ["store"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_build_that_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def build() -> None:
        with files.under_construction(tmp_path / "store") as partial:
            (partial / "file").write_text("half")
            raise error

    with pytest.raises(error):
        build()
    assert list(tmp_path.iterdir()) == []


def test_a_rival_that_was_faster_wins(tmp_path: Path) -> None:
    place = tmp_path / "store"

    def build() -> None:
        with files.under_construction(place):
            place.mkdir()
            (place / "file").write_text("rival's")

    with pytest.raises(StoreError, match="made by another process"):
        build()
    assert [place] == list(tmp_path.iterdir())
    assert (place / "file").read_text() == "rival's"


KILLED = """
import os, signal, sys
from pathlib import Path
from ptycho.store import files
with files.under_construction(Path(sys.argv[1])) as partial:
    (partial / "file").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.fault("stale-map")
@pytest.mark.fault("training-killed")
def test_a_killed_build_leaves_no_store_and_the_next_build_removes_it(tmp_path: Path) -> None:
    place = tmp_path / "store"
    child = subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False, cwd=Path(__file__).parents[3])
    bites(child.returncode == -signal.SIGKILL, "the build was killed")
    assert not place.exists()
    (left,) = tmp_path.iterdir()
    os.utime(left, (0, time.time() - 2 * files.ABANDONED_AFTER_S))
    with files.under_construction(place):
        assert not left.exists()
    assert [place] == list(tmp_path.iterdir())


@pytest.mark.parametrize("lived", ["young", "locked", "another's"])
def test_a_build_that_may_be_alive_is_left_alone(tmp_path: Path, lived: str) -> None:
    alive = tmp_path / (".other.00000000.partial" if lived == "another's" else ".store.00000000.partial")
    alive.mkdir()
    if lived != "young":
        os.utime(alive, (0, 0))
    descriptor = os.open(alive, os.O_RDONLY)
    try:
        if lived == "locked":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with files.under_construction(tmp_path / "store"):
            assert alive.is_dir()
    finally:
        os.close(descriptor)


def test_a_slow_build_is_not_swept_by_the_next(tmp_path: Path) -> None:
    place = tmp_path / "store"
    with files.under_construction(place) as slow:
        os.utime(slow, (0, 0))
        with files.under_construction(place):
            assert slow.is_dir()
        place.rmdir()
    assert list(tmp_path.iterdir()) == [place]


def test_a_place_that_may_not_be_written_is_the_machine_s_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InfrastructureError, match="cannot be made"),
        files.under_construction(tmp_path / "file" / "store"),
    ):
        pytest.fail("the block must not run")


def test_every_file_has_its_full_size_before_the_first_byte_of_data(tmp_path: Path, manifest: Manifest) -> None:
    files.reserve(tmp_path, manifest)
    sizes = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert {name: 128 + entry.nbytes for name, entry in manifest.arrays.items()} == sizes
    assert (tmp_path / "diffraction.npy").stat().st_blocks * 512 >= manifest.arrays["diffraction"].nbytes


@pytest.mark.fault("disk-full")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_bytes_needed_and_free(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(number), raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 512, 512))
    needed = sum(entry.nbytes for entry in manifest.arrays.values())
    bites(needed > shutil.disk_usage(tmp_path).free, "there is less space than is needed")
    with pytest.raises(InfrastructureError, match=f"{needed} bytes needed, 512 bytes free"):
        files.reserve(tmp_path, manifest)


@pytest.mark.parametrize("unable", ["no such call", "file system cannot"])
@pytest.mark.parametrize(("free", "enough"), [(512, False), (10**9, True)])
def test_without_reservation_the_free_space_is_looked_up(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, unable: str, free: int, enough: bool
) -> None:
    if unable == "no such call":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    else:
        monkeypatch.setattr(os, "posix_fallocate", failing(errno.EOPNOTSUPP), raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, free))
    if enough:
        files.reserve(tmp_path, manifest)
        assert len(list(tmp_path.iterdir())) == 7
    else:
        with pytest.raises(InfrastructureError, match="512 bytes free"):
            files.reserve(tmp_path, manifest)


def test_another_error_of_the_disk_is_not_called_full(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.EIO), raising=False)
    with pytest.raises(InfrastructureError, match="cannot be written: Input/output error"):
        files.reserve(tmp_path, manifest)


def test_a_file_is_never_written_over(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "diffraction.npy").write_text("mine")
    with pytest.raises(InfrastructureError, match="File exists"):
        files.reserve(tmp_path, manifest)
    assert (tmp_path / "diffraction.npy").read_text() == "mine"


def written(directory: Path, array: np.ndarray[Any, Any], manifest: Manifest) -> ArrayEntry:
    from dataclasses import replace

    entry = ArrayEntry.of(array)
    files.reserve(directory, replace(manifest, arrays={"array": entry}))
    files.write_array(directory, "array", entry, np.array_split(array, 3))
    return entry


def test_chunks_become_one_array(tmp_path: Path, manifest: Manifest) -> None:
    array = np.arange(60.0).reshape(20, 3)
    entry = written(tmp_path, array, manifest)
    np.testing.assert_array_equal(array, np.load(tmp_path / "array.npy"))
    assert files.damage(tmp_path, "array", entry) == []


def test_data_that_changed_since_it_was_hashed_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    array = np.arange(60.0)
    entry = written(tmp_path, array, manifest)
    with pytest.raises(StoreError, match=f"array changed .* wanted {entry.sha256}"):
        files.write_array(tmp_path, "array", entry, [array + 1])


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((3, 4)), "array.npy shape: wanted [4, 3], found [3, 4]"),
        (np.zeros((4, 3), order="F"), "array.npy order: wanted C, found F"),
        (np.zeros((4, 3), dtype=np.int64), "array.npy dtype: wanted <f8, found <i8"),
        (np.zeros((4, 2)), "array.npy bytes: wanted 224, found 192"),
    ],
)
def test_each_contradiction_of_a_header_is_named(tmp_path: Path, array: np.ndarray[Any, Any], expected: str) -> None:
    np.save(tmp_path / "array.npy", array)
    assert expected in files.damage(tmp_path, "array", ArrayEntry.of(np.zeros((4, 3))))


def test_a_file_cut_short_missing_or_of_another_kind_is_named(tmp_path: Path) -> None:
    entry = ArrayEntry.of(np.zeros((4, 3)))
    assert [line.split("'")[0] for line in files.damage(tmp_path, "array", entry)] == [
        "array.npy: wanted <f8 [4, 3], found [Errno 2] No such file or directory: "
    ]
    np.save(tmp_path / "array.npy", np.zeros((4, 3)))
    os.truncate(tmp_path / "array.npy", 200)
    assert files.damage(tmp_path, "array", entry) == ["array.npy bytes: wanted 224, found 200"]
    (tmp_path / "array.npy").write_bytes(b"\x93NUMPY\x02\x00" + bytes(300))
    assert files.damage(tmp_path, "array", entry) == ["array.npy: wanted <f8 [4, 3], found npy version (2, 0)"]
    (tmp_path / "array.npy").write_bytes(b"<html>")
    assert len(files.damage(tmp_path, "array", entry)) == 1
