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


@pytest.mark.parametrize("name", ["..npz", "...npz", "a..npz", "*.npz", "a;b.npz", "$(x).npz", "a\nb.npz"])
def test_a_file_whose_name_is_no_plain_name_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match="rename the file"):
        fixtures.locate([str(tmp_path / name)])


def test_two_files_of_one_stem_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / folder / "scan.npz" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(b"")
    with pytest.raises(UsageError, match="two fixtures are called 'scan'"):
        fixtures.locate(map(str, files))
    assert fixtures.locate([str(files[0])] * 2) == {"scan": files[0]}


def test_usual_names_are_fine(tmp_path: Path) -> None:
    for name in ("run1084.npz", "scan_07-b.npz", "fly001+002.npz", "a.b.npz", "my scan.npz"):
        (tmp_path / name).write_bytes(b"")
        assert list(fixtures.locate([str(tmp_path / name)])) == [name.removesuffix(".npz")]
