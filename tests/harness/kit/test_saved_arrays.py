"""Arrays that the kit and the core write: by their names alone, whatever NumPy's version, and never a pickle."""

import re
from pathlib import Path

import numpy as np
import pytest

from harness.kit import ptycho_adapter_kit, ptycho_physics
from ptycho.parity import request

RAGGED = np.array([[1.0], [2.0, 3.0]], dtype=object)


def test_nothing_here_gives_savez_an_option_that_older_versions_store() -> None:
    """NumPy up to 2.1 stores an array of the name `allow_pickle` where later ones take an option."""
    root = Path(__file__).parents[3]
    sources = [file for folder in ("harness", "ptycho", "scripts") for file in (root / folder).rglob("*.py")]
    assert len(sources) > 300
    wrong = re.compile(r"savez\w*\([^)]*allow_pickle")
    assert [str(file) for file in sources if wrong.search(file.read_text(encoding="utf-8"))] == []
    assert wrong.search("np.savez(file, allow_pickle=False, **arrays)")


def test_arrays_are_written_by_name(tmp_path: Path) -> None:
    request.write_arrays(tmp_path / "a.npz", {"R4/x": np.arange(3)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive.files == ["R4/x"]


def test_objects_are_refused_where_they_are_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="R4/x: arrays of Python objects"):
        request.write_arrays(tmp_path / "a.npz", {"R4/x": RAGGED})
    with pytest.raises(TypeError, match="R4/x is not an array of numbers"):
        list(ptycho_adapter_kit.measure(lambda: {"x": RAGGED}, "R4"))
    with pytest.raises(TypeError, match="rows of different lengths"):
        ptycho_physics.plain(RAGGED)
