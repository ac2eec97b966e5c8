"""Headers of single members."""

import zipfile
from pathlib import Path

import pytest

from ptycho.data import npy_header as headers
from tests.support.crafted_npz import npy_header, zip_raw


def _info(path: Path) -> zipfile.ZipInfo:
    with zipfile.ZipFile(path) as archive:
        return archive.infolist()[0]


def _read(path: Path) -> headers.Member:
    with zipfile.ZipFile(path) as archive:
        return headers.read(archive, archive.infolist()[0], "diff3d")


def test_sizes_are_python_integers_that_cannot_overflow(tmp_path: Path) -> None:
    path = zip_raw(tmp_path / "huge.npz", [("diff3d.npy", npy_header((2**40, 2**40, 2**40), "<f8"))])
    member = _read(path)
    assert member.nbytes == 2**123
    assert ["larger than its data of 0" in text for text in headers.violations(member, _info(path))] == [True]


def test_a_good_header_has_no_violation(tmp_path: Path) -> None:
    path = zip_raw(tmp_path / "good.npz", [("diff3d.npy", npy_header((3, 2), "<f8") + bytes(48))])
    assert list(headers.violations(_read(path), _info(path))) == []


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
        b"\x93NUMPY\x01\x00\x04\x00((((",
        b"\x93NUMPY\x01\x00\x02\x00{}",
    ],
    ids=["empty", "magic", "four_gigabytes", "brackets", "no_keys"],
)
def test_damaged_headers_raise_what_is_caught(header: bytes, tmp_path: Path) -> None:
    path = zip_raw(tmp_path / "bad.npz", [("diff3d.npy", header)])
    with pytest.raises(headers.UNREADABLE):
        _read(path)


def test_why_unreadable_names_the_compression() -> None:
    info = zipfile.ZipInfo("diff3d.npy")
    assert "allowed: stored, deflate" in headers.why_unreadable(info, NotImplementedError("compression type 99"))
