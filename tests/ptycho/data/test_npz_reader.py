"""Members are streamed in blocks, whatever their order, and never silently short."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ptycho.data import npz_reader, preflight
from tests.support.crafted_npz import metadata, replaced, scan, write


@pytest.mark.parametrize("block_bytes", [1, 20_000, 2**30])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_of_any_size(block_bytes: int, order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz_reader, "BLOCK_BYTES", block_bytes)
    frames = scan()["diff3d"]
    path = write(tmp_path / "scan.npz", replaced(diff3d=np.asarray(frames, order=order)))  # type: ignore[call-overload]
    members = preflight.examine(path)
    with zipfile.ZipFile(path) as archive:
        np.testing.assert_array_equal(npz_reader.read(archive, members.table["diff3d"]), frames)


def test_conversion_sees_every_value_once(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.npz", scan())
    member = preflight.examine(path).table["diff3d"]
    out = np.empty(member.shape, dtype=np.float64)
    with zipfile.ZipFile(path) as archive:
        npz_reader.fill(archive, member, out, lambda block: block.astype(np.float64) + 1)
    np.testing.assert_array_equal(out, scan()["diff3d"].astype(np.float64) + 1)


def test_a_member_shorter_than_its_header(tmp_path: Path) -> None:
    from dataclasses import replace

    path = write(tmp_path / "scan.npz", scan())
    member = preflight.examine(path).table["xcoords"]
    with zipfile.ZipFile(path) as archive:
        with pytest.raises(EOFError, match="it ends 8 bytes early"):
            npz_reader.read(archive, replace(member, shape=(6,)))
        with pytest.raises(EOFError, match="data after the end"):
            npz_reader.read(archive, replace(member, shape=(4,)))


def test_metadata_in_one_string(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.npz", replaced(_metadata=metadata(nphotons=1e9, pixel_size_m=5e-8)))
    with zipfile.ZipFile(path) as archive:
        member = preflight.examine(path).table["_metadata"]
        assert npz_reader.read_metadata(archive, member) == {"nphotons": 1e9, "pixel_size_m": 5e-8}
