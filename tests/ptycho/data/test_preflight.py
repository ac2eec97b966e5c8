"""Zip directory and headers: everything is judged from them, and nothing else is read."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ptycho.data import preflight
from ptycho.data.preflight import FileLimits
from ptycho.errors import ContractError
from tests.support.crafted_npz import (
    BROKEN,
    Broken,
    legacy,
    members,
    npy_bytes,
    npy_header,
    replaced,
    scan,
    write,
    zip_raw,
)
from tests.support.injected import bites

_DIRECTORY_CASES = {
    "missing_file", "folder", "empty", "not_a_zip", "html", "hdf5", "npy", "lfs", "truncated", "missing_key",
    "missing_frames", "pickled", "pickled_metadata", "unknown", "two_names", "duplicate", "dotdot", "absolute",
    "no_members", "no_header", "negative_shape", "bomb", "header_larger", "header_smaller", "encrypted",
}  # fmt: skip


@pytest.mark.parametrize("case", [case for case in BROKEN if case.name in _DIRECTORY_CASES], ids=lambda case: case.name)
def test_examine_refuses(case: Broken, tmp_path: Path) -> None:
    path = case.build(tmp_path)
    with pytest.raises(ContractError) as refused:
        preflight.examine(path)
    assert refused.value.path == path
    assert [case.says in violation for violation in refused.value.violations] == [True]


def test_every_directory_case_exists() -> None:
    assert _DIRECTORY_CASES - {case.name for case in BROKEN} == set()


def test_all_violations_at_once(tmp_path: Path) -> None:
    arrays = replaced(probeGuess=None, weights=np.zeros(2), scan_index=np.array([{}], dtype=object))
    violations = preflight.survey(write(tmp_path / "bad.npz", arrays)).violations
    said = ("unknown member 'weights.npy'", "scan_index.npy is a pickled", "missing key probeGuess")
    assert [text in violation for text, violation in zip(said, violations, strict=True)] == [True] * 3


def test_members_of_a_legacy_file(tmp_path: Path) -> None:
    table = preflight.examine(write(tmp_path / "scan.npz", legacy(scan()), compressed=True)).table
    frames = table["diff3d"]
    assert (frames.filename, frames.shape, frames.dtype) == ("diffraction.npy", (64, 64, 5), np.dtype(np.float64))
    assert frames.nbytes == 64 * 64 * 5 * 8
    assert frames.stored < frames.nbytes
    assert sorted(table) == sorted(scan())


def test_fortran_order_is_seen(tmp_path: Path) -> None:
    arrays = replaced(diff3d=np.asfortranarray(scan()["diff3d"]))
    assert preflight.examine(write(tmp_path / "f.npz", arrays)).table["diff3d"].fortran_order is True


def test_python_2_header_is_read_without_a_warning(tmp_path: Path) -> None:
    data = npy_bytes(scan()["diff3d"])
    old = data.replace(b"(5, 64, 64), }  ", b"(5L, 64L, 64L)}", 1)[:128].ljust(128)[:127] + b"\n" + data[128:]
    assert b"(5L, 64L, 64L)" in old
    path = zip_raw(tmp_path / "old.npz", [("diff3d.npy", old), *members(scan())[1:]])
    assert preflight.examine(path).table["diff3d"].shape == (5, 64, 64)


def test_headers_of_version_3_are_refused(tmp_path: Path) -> None:
    data = bytearray(npy_bytes(scan()["diff3d"]))
    data[6] = 3
    path = zip_raw(tmp_path / "v3.npz", [("diff3d.npy", bytes(data)), *members(scan())[1:]])
    assert ["array format (3, 0)" in violation for violation in preflight.survey(path).violations] == [True]


def test_limits_are_the_callers(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.npz", scan())
    assert preflight.survey(path, limits=FileLimits(max_bytes=200_000)).violations == ()
    (violation,) = preflight.survey(path, limits=FileLimits(max_bytes=100_000)).violations
    assert "allowed: 100,000 (preflight.FileLimits.max_bytes)" in violation


@pytest.mark.slow
def test_sparse_diffraction_is_no_bomb(tmp_path: Path) -> None:
    sparse = np.random.default_rng(0).poisson(0.005, (2048, 64, 64)).astype(np.float32)
    places = {name: np.full(2048, 40.0) for name in ("xcoords", "ycoords")}
    path = write(tmp_path / "sparse.npz", replaced(diff3d=sparse, **places), compressed=True)
    member = preflight.survey(path).table["diff3d"]
    assert member.nbytes > FileLimits().free_bytes
    assert preflight.survey(path).violations == ()


@pytest.mark.fault("hostile-archives")
def test_overlapping_members_are_a_bomb(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.npz", scan())
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    data = bytearray(path.read_bytes())
    data[start + 20 : start + 24] = (size + 1).to_bytes(4, "little")  # compressed size of the first member
    path.write_bytes(data)
    with zipfile.ZipFile(path) as archive:
        claimed = archive.infolist()[0].compress_size
    bites(claimed > size, "a member claims more bytes than the whole file has")
    assert "its members overlap" in " ".join(preflight.survey(path).violations)


def test_a_thousand_unknown_members_take_a_screen(tmp_path: Path) -> None:
    path = zip_raw(tmp_path / "many.npz", [*members(scan()), *((f"{i}.txt", b"") for i in range(1000))])
    violations = preflight.survey(path).violations
    assert (len(violations), violations[-1]) == (13, "and 988 more unknown members")


def test_preflight_reads_a_bounded_prefix_of_each_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "scan.npz", scan(64))
    asked: list[int] = []
    real = zipfile.ZipExtFile.read

    def counting(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        asked.append(-1 if n is None else n)
        return real(self, n)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counting)
    preflight.examine(path)
    assert asked == [16 * 1024] * 5
    assert npy_header((1,))[:6] == b"\x93NUMPY"
