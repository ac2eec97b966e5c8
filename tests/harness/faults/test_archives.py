"""Archives that do harm when NumPy opens them: each is shown to do it, and is refused by the contract before it can."""

import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho.data import contract
from ptycho.errors import ContractError
from tests.support.crafted_npz import members, npy_bytes, npy_header, replaced, scan, write, zip_raw
from tests.support.injected import bites


class Mischief:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def _refusal(path: Path) -> str:
    with pytest.raises(ContractError) as refused:
        contract.load(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.mark.fault("hostile-archives")
def test_a_pickle_is_refused_and_never_executed(tmp_path: Path) -> None:
    done = tmp_path / "executed"
    path = write(tmp_path / "scan.npz", replaced(scan_index=np.array([Mischief(done)] * 5, dtype=object)))
    assert "is a pickled object array" in _refusal(path)
    assert not done.exists()
    # In a process of its own: numpy.load does what the file wants.
    code = "import sys, numpy; numpy.load(sys.argv[1], allow_pickle=True)['scan_index']"
    subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    bites(done.is_dir(), "the pickle runs its code where it is opened")


@pytest.mark.fault("hostile-archives")
def test_a_bomb_is_refused_without_being_expanded(tmp_path: Path) -> None:
    frames = npy_header((12_000, 64, 64)) + bytes(12_000 * 64 * 64 * 4)
    path = zip_raw(tmp_path / "bomb.npz", [("diff3d.npy", frames), *members(scan())[1:]], compressed=True)
    bites(len(frames) > 100 * path.stat().st_size, "a few kilobytes expand to hundreds of megabytes")
    del frames
    tracemalloc.start()
    try:
        assert "a zip bomb" in _refusal(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.fault("hostile-archives")
def test_a_second_member_of_the_same_name_is_refused_though_numpy_takes_it(tmp_path: Path) -> None:
    other = npy_bytes(np.ones((5, 64, 64), np.float32))
    path = zip_raw(tmp_path / "twice.npz", [*members(scan()), ("diff3d.npy", other)])
    bites(np.load(path)["diff3d"].max() == 1, "NumPy silently reads the second one")
    assert "duplicate member diff3d.npy (2 times)" in _refusal(path)


@pytest.mark.fault("damaged-files")
@pytest.mark.parametrize("size", [0, 1, 0.5, -1])
def test_a_file_that_is_cut_anywhere_is_refused_by_name(tmp_path: Path, size: float) -> None:
    path = write(tmp_path / "scan.npz", scan())
    whole = path.read_bytes()
    kept = whole[: int(size * len(whole))] if 0 < size < 1 else whole[: int(size)]
    path.write_bytes(kept)
    bites(len(kept) < len(whole) and not _opens(path), "the archive cannot be opened")
    assert "breaks the data contract (DATA-001)" in _refusal(path)


def _opens(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except zipfile.BadZipFile:
        return False
