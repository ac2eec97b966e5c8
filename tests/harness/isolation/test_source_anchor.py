"""A text is looked for in one function: neighbours may change, files may move, and what does not fit is explained."""

from pathlib import Path

import pytest

from harness.isolation import source_anchor, source_overlay
from harness.isolation.source_overlay import Edit

CODE = """import os

RATE = 1


@cached
def terms(a):
    total = a + 1
    return total


class Loss:
    scale = 1

    def total(self, a):
        def inner(b):
            return b + 1

        return inner(a)

    @property
    def scaled(self):
        return self.scale


if os.name:

    async def late():
        return 3
"""


@pytest.mark.parametrize(
    ("old", "function", "count"),
    [
        ("total = a + 1", "terms", 1),
        ("@cached\ndef terms(a)", "terms", 1),
        ("return total\n", "terms", 1),
        ("+ 1", "terms", 1),
        ("+ 1", "Loss.total", 1),
        ("+ 1", "Loss.total.inner", 1),
        ("+ 1", "Loss", 1),
        ("+ 1", "", 0),
        ("+ 1", None, 2),
        ("1", "Loss", 2),
        ("scale", "Loss.scaled", 2),
        ("@property", "Loss.scaled", 1),
        ("@property", "Loss.total", 0),
        ("return 3", "late", 1),
        ("RATE = 1", "", 1),
        ("= 1", "", 1),
        ("return total\n\n\nclass Loss", "", 1),
        ("return total\n\n\nclass Loss", "terms", 0),
        ("", "terms", 0),
    ],
)
def test_a_text_is_counted_in_the_source_of_its_function(old: str, function: str | None, count: int) -> None:
    found = source_anchor.occurrences(CODE, old, function)
    assert len(found) == count
    assert [CODE[at : at + len(old)] for at in found] == [old] * count


def _root(path: Path, code: str = CODE, file: str = "core/loss.py") -> Path:
    (path / file).parent.mkdir(parents=True, exist_ok=True)
    (path / file).write_text(code)
    return path


def _edit(old: str, new: str = "pass", function: str = "terms") -> Edit:
    return Edit(file="core/loss.py", old=old, new=new, function=function)


def test_the_same_text_in_a_neighbour_breaks_nothing(tmp_path: Path) -> None:
    neighbour = "\n\ndef more(a):\n    total = a + 1\n    return total\n"
    edit = _edit("total = a + 1", "total = a - 1")
    for code in (CODE + neighbour, neighbour + CODE):
        root = _root(tmp_path, code)
        assert source_overlay.problems([edit], root) == []
        source_overlay.apply([edit], root)
        changed = (root / "core" / "loss.py").read_text()
        assert (changed.count("a - 1"), changed.count("total = a + 1")) == (1, 1)
        assert "def more(a):\n    total = a + 1" in changed


def test_an_edit_of_several_finds_its_function_in_what_the_ones_before_it_left(tmp_path: Path) -> None:
    root = _root(tmp_path)
    edits = [_edit("import os\n", "import os\nimport sys\n", ""), _edit("a + 1", "a + 2"), _edit("a + 2", "a + 3")]
    source_overlay.apply(edits, root)
    assert "total = a + 3" in (root / "core" / "loss.py").read_text()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            _edit("total"),
            "core.loss:terms: old occurs 2 times in it and not once: 'total'; make old longer until it occurs once",
        ),
        (
            _edit("b + 1"),
            (
                "core.loss:terms: old occurs 0 times in it and not once: 'b + 1'; "
                'old occurs in core.loss:Loss.total.inner: write in = "core.loss:Loss.total.inner"'
            ),
        ),
        (
            _edit("c + 1"),
            (
                "core.loss:terms: old occurs 0 times in it and not once: 'c + 1'; "
                "the code has changed: write what is there now"
            ),
        ),
        (
            _edit("total = a + 1", function="term"),
            (
                "core.loss:term: core.loss has no function 'term'; did you mean 'terms'?; "
                'old occurs in core.loss:terms: write in = "core.loss:terms"'
            ),
        ),
        (_edit("gone", function="Gone.at_all"), "core.loss:Gone.at_all: core.loss has no function 'Gone.at_all'"),
        (
            _edit("a + 1", function=""),
            (
                "core.loss: old occurs 0 times in it and not once: 'a + 1'; "
                'old occurs in core.loss:terms: write in = "core.loss:terms"'
            ),
        ),
    ],
)
def test_what_does_not_fit_is_explained(tmp_path: Path, edit: Edit, said: str) -> None:
    assert source_overlay.problems([edit], _root(tmp_path)) == [said]


def test_a_text_after_a_change_that_breaks_the_file_has_no_function(tmp_path: Path) -> None:
    (sentence,) = source_overlay.problems(
        [_edit("a + 1", "a +"), _edit("return total")], _root(tmp_path), compiles=False
    )
    assert sentence.startswith("core/loss.py: cannot be read for its functions: invalid syntax")


@pytest.mark.parametrize("file", ["core/loss.py", "core/loss/__init__.py"])
def test_a_module_is_found_by_its_package_path(tmp_path: Path, file: str) -> None:
    root = _root(tmp_path, file=file)
    assert source_anchor.file_of("core.loss", root) == file
    assert source_anchor.module_of(file) == "core.loss"


def test_a_module_that_has_moved_is_named_where_it_is_now(tmp_path: Path) -> None:
    root = _root(tmp_path, file="core/judge/loss.py")
    assert source_anchor.file_of("core.loss", root) is None
    assert (
        source_anchor.no_module("core.loss", root) == "there is no module 'core.loss'; did you mean 'core.judge.loss'?"
    )
    assert source_anchor.no_module("core.judge.los", root).endswith("did you mean 'core.judge.loss'?")
    assert source_anchor.no_module("other.x", root).endswith("write the module's full name")
