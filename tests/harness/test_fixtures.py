"""Fixtures by name come from the inventory, files by path are taken as they are."""

from pathlib import Path

import pytest

from harness import fixtures
from ptycho.errors import UsageError


def test_a_path_is_named_after_its_stem(scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scan.parent)
    assert fixtures.locate(["scan.npz"]) == {"scan": scan}
    assert fixtures.locate([]) == {}


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a file; give a path or a name of the inventory"):
        fixtures.locate([str(tmp_path / "absent.npz")])


def test_the_fixtures_of_the_built_in_targets_are_there() -> None:
    assert [path.suffix for path in fixtures.locate(["small", "small_legacy"]).values()] == [".npz", ".npz"]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="nonesuch"):
        fixtures.locate(["nonesuch"])
