"""Folders and files stay small enough to be taken in at once, and the index of what tests share is whole."""

import ast
from collections import Counter
from pathlib import Path

import pytest

import tests.support
from ptycho.fingerprint import ROOT

PACKAGES = ("harness", "ptycho", "ptycho_torch", "ptycho_tf", "tests")
MODULES, LINES = 22, 400


def too_much(root: Path) -> list[str]:
    """What is too large, or says more than it should, below a checkout."""
    files = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    folders = Counter(path.parent for path in files)
    found = [f"{path.relative_to(root)}: {count} modules" for path, count in folders.items() if count > MODULES]
    for path in files:
        text = path.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > LINES:
            found.append(f"{path.relative_to(root)}: {lines} lines")
        said = [node for node in ast.parse(text).body if not isinstance(node, ast.Expr)]
        # A backend settles its threads before anything imports its framework.
        if path.name == "__init__.py" and said and path.relative_to(root).parts[0] in ("harness", "ptycho", "tests"):
            found.append(f"{path.relative_to(root)}: more than a docstring")
    return found


def unlisted(root: Path, index: str) -> list[str]:
    """Modules of `tests.support` that its docstring does not name."""
    folder = root / "tests" / "support"
    paths = [path for place in (folder, folder / "suites", folder / "fakes") for path in sorted(place.iterdir())]
    modules = [path.stem for path in paths if path.suffix == ".py" or (path / "engine.py").is_file()]
    return [name for name in modules if name != "__init__" and f"- `{name}`: " not in index]


@pytest.mark.slow
def test_nothing_is_too_much() -> None:
    assert too_much(ROOT) == []


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("harness/a/b.py", "x = 1\n" * 401, ["harness/a/b.py: 401 lines"]),
        ("ptycho/a/__init__.py", '"""Room."""\nx = 1\n', ["ptycho/a/__init__.py: more than a docstring"]),
        ("ptycho/a/__init__.py", '"""Room."""\n', []),
        ("ptycho_torch/__init__.py", '"""Backend."""\nimport os\n', []),
    ],
)
def test_what_is_too_much_is_found(tmp_path: Path, file: str, text: str, found: list[str]) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert too_much(tmp_path) == found


def test_a_full_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "tests" / "a").mkdir(parents=True)
    for number in range(23):
        (tmp_path / "tests" / "a" / f"test_{number}.py").touch()
    assert too_much(tmp_path) == ["tests/a: 23 modules"]


def test_the_index_names_every_module() -> None:
    index = tests.support.__doc__ or ""
    assert unlisted(ROOT, index) == []
    assert unlisted(ROOT, index.replace("- `planted`: ", "")) == ["planted"]
