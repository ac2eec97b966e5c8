"""Digests of a method: what a file does counts, and not how it is laid out."""

from pathlib import Path

import pytest

from harness.record import method

SOURCE = '"""One."""\n\nLIMIT = 3\n\ndef f(x):\n    """Two."""\n    return x + LIMIT\n'


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ('"""Another."""\nLIMIT = 3  # three\ndef f(x):\n    return (x\n        + LIMIT)\n', True),
        (SOURCE.replace("3", "4"), False),
        (SOURCE.replace("x + LIMIT", "LIMIT + x"), False),
        ("def f(:\n", False),
    ],
)
def test_only_what_a_file_does_counts(tmp_path: Path, other: str, same: bool) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "a.py"
    path.write_text(SOURCE)
    before = method.sources(tmp_path, ["folder"])
    path.write_text(other)
    assert (method.sources(tmp_path, ["folder"]) == before) is same


def test_data_counts_by_its_bytes_and_a_missing_file_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "floors.json").write_text("{}")
    found = {method.sources(tmp_path, ["floors.json"]), method.sources(tmp_path, ["gone.json"])}
    (tmp_path / "floors.json").write_text("{ }")
    assert len(found | {method.sources(tmp_path, ["floors.json"])}) == 3
