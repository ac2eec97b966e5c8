"""Copies with changed text: what is copied, what an edit must be like, and that nothing is half applied."""

from pathlib import Path

import pytest

from harness.isolation import source_overlay
from harness.isolation.source_overlay import Edit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small checkout."""
    (tmp_path / "core" / "__pycache__").mkdir(parents=True)
    (tmp_path / "core" / "__pycache__" / "a.pyc").touch()
    (tmp_path / "core" / "a.py").write_text("one = 1\ntwo = 1 + 1\n")
    (tmp_path / "core" / "b.toml").write_text("key = 1\n")
    return tmp_path


def edit(old: str = "one = 1\n", new: str = "one = 2\n", file: str = "core/a.py") -> Edit:
    return Edit(file=file, old=old, new=new)


def test_a_copy_has_the_text_and_nothing_compiled(root: Path, tmp_path: Path) -> None:
    copy = source_overlay.copy(root, tmp_path / "copy", ("core",))
    assert sorted(path.name for path in copy.rglob("*")) == ["a.py", "b.toml", "core"]
    assert not (copy / "core" / "a.py").is_symlink()


def test_a_single_file_is_added_with_its_folders(root: Path, tmp_path: Path) -> None:
    source_overlay.add(root, tmp_path / "copy", "core/b.toml")
    assert (tmp_path / "copy" / "core" / "b.toml").read_text() == "key = 1\n"


def test_edits_are_applied_one_after_the_other(root: Path) -> None:
    source_overlay.apply([edit(), edit(old="one = 2\n", new="one = 3\n")], root)
    assert (root / "core" / "a.py").read_text() == "one = 3\ntwo = 1 + 1\n"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (edit(old="three"), "core/a.py: old occurs 0 times and not once: 'three'"),
        (edit(old="1"), "core/a.py: old occurs 3 times and not once: '1'"),
        (edit(new="one = 1\n"), "core/a.py: new is old"),
        (edit(new="one = (\n"), "core/a.py: does not compile once it is changed: '(' was never closed"),
        (edit(file="core/b.toml", old="1", new=""), "core/b.toml: does not compile once it is changed: "),
        (edit(file="core/c.py"), "there is no file core/c.py"),
        (edit(file="../a.py"), "there is no file ../a.py"),
    ],
)
def test_an_edit_that_does_not_fit_is_named_and_nothing_is_written(root: Path, wrong: Edit, said: str) -> None:
    (sentence,) = source_overlay.problems([wrong], root)
    assert sentence.startswith(said)
    before = (root / "core" / "a.py").read_text()
    with pytest.raises(ValueError, match=r"^(core|there is)"):
        source_overlay.apply([edit(old="two", new="three"), wrong], root)
    assert (root / "core" / "a.py").read_text() == before
