"""Arrays that the kit and the core write: by their names alone, whatever NumPy's version, and never a pickle."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

KITS = ("harness.kit.ptycho_adapter_kit", "harness.kit.ptycho_attach", "harness.kit.ptycho_physics")


@pytest.mark.parametrize("place", ["ptycho.parity.request", *KITS])
def test_arrays_are_written_by_name_and_objects_are_refused(place: str, tmp_path: Path) -> None:
    """NumPy up to 2.1 stores an array of the name `allow_pickle` where later ones take an option."""
    save = importlib.import_module(place).save_npz
    with (tmp_path / "a.npz").open("wb") as file:
        save(file, {"R4/x": np.arange(3)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive.files == ["R4/x"]
    with pytest.raises(ValueError, match="y: arrays of Python objects"):
        save(tmp_path / "b.npz", {"y": np.array([{}])})


def test_nothing_here_gives_savez_an_option_that_older_versions_store() -> None:
    root = Path(__file__).parents[3]
    sources = [file for folder in ("harness", "ptycho", "scripts") for file in (root / folder).rglob("*.py")]
    assert len(sources) > 300
    wrong = re.compile(r"savez\w*\([^)]*allow_pickle")
    assert [str(file) for file in sources if wrong.search(file.read_text(encoding="utf-8"))] == []
