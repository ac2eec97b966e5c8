"""Every text that a person reads uses the words of the glossary, and none that its table rules out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptycho.fingerprint import ROOT
from tests.support import prose

GLOSSARY = "docs/glossary.md"
LEFT_OUT = (GLOSSARY, "tests/harness/docs/test_prose.py")
"""The table itself, and the test that plants its words."""


def table(glossary: str) -> dict[str, str]:
    """What the glossary's last table says instead of what."""
    rows = glossary.partition("| not this | but that |")[2].strip().splitlines()[1:]
    pairs = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {word.strip(): right for words, right in pairs for word in words.split(",") if word.strip() != "…"}


def pattern(words: dict[str, str]) -> re.Pattern[str]:
    """Finds any of the expressions as whole words, also across the end of a line."""
    texts = sorted((r"\s+".join(map(re.escape, word.split())) for word in words), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?<!there )(?:{'|'.join(texts)})(?![\w-])", re.IGNORECASE)


def findings(root: Path, files: list[Path], words: dict[str, str]) -> Iterator[str]:
    """One sentence for each expression that is not to be used."""
    wrong = pattern(words)
    for file in files:
        name = str(file.relative_to(root))
        if name in LEFT_OUT or name.startswith(("docs/schemas/", "requirements/")):
            continue
        for passage in prose.passages(file, name):
            for match in wrong.finditer(passage.text):
                word = " ".join(match[0].lower().split())
                line = passage.line + passage.text.count("\n", 0, match.start())
                yield f"{name}:{line}: {match[0]!r}; say: {words[word]}"


@pytest.mark.slow
def test_the_whole_repository_keeps_to_the_glossary() -> None:
    words = table((ROOT / GLOSSARY).read_text(encoding="utf-8"))
    assert len(words) > 30
    assert list(findings(ROOT, prose.tracked(ROOT), words)) == []


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("page.md", "# Page\n\nThe side is\nguilty.\n", 4),
        ("page.md", "It is at the\ndoor.\n", 1),
        ("page.html", "<p>{{ failure.guilty }}: guilty</p>", 1),
        ("module.py", '"""The guilty side."""\n', 1),
        ("module.py", "x = 1  # a guilty side\n", 1),
        ("module.py", 'def f(x):\n    raise ValueError(f"{x} is guilty")\n', 2),
        ("entry.toml", 'story = "The guilty side."\n', 1),
    ],
)
def test_a_word_that_is_ruled_out_is_found(tmp_path: Path, name: str, text: str, line: int) -> None:
    (tmp_path / name).write_text(text)
    (found,) = findings(tmp_path, [tmp_path / name], {"guilty": "at fault", "at the door": "attributed to"})
    assert found.startswith(f"{name}:{line}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.md", "`guilty` and\n\n```toml\nguilty = 1\n```\n"),
        ("page.html", "{% if failure.guilty %}{{ failure.guilty }}{% endif %}"),
        ("module.py", 'guilty = row["guilty"]\nTEXT = "x = 1\\nguilty = 2\\n"\n'),
        ("module.py", '"""\nTitle.\n\nAttributes:\n    guilty: sides at fault.\n"""\n'),
        ("entry.toml", 'guilty = "torch"\n'),
    ],
)
def test_names_and_programs_are_no_text(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert list(findings(tmp_path, [tmp_path / name], {"guilty": "at fault"})) == []


RIDDLES = re.compile(r"(What|How|Where|Whether|Which|When|Who|Why)\b")
"""A docstring that begins so asks for the answer; its first sentence is to give it."""


def riddles(root: Path, files: list[Path]) -> list[str]:
    """
    Modules, classes and functions whose docstring begins with a question word, one line each.

    A function that answers yes or no may begin with "Whether".
    """
    return [
        f"{file.relative_to(root)}: {getattr(node, 'name', 'module')}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and (found := RIDDLES.match(ast.get_docstring(node) or ""))
        and not (isinstance(node, ast.FunctionDef) and found[0].startswith("Whether"))
    ]


@pytest.mark.slow
def test_docstrings_say_what_a_thing_is_or_does() -> None:
    packages = ("ptycho/", "ptycho_torch/", "ptycho_tf/", "harness/", "scripts/")
    names = {file: str(file.relative_to(ROOT)) for file in prose.tracked(ROOT) if file.suffix == ".py"}
    sources = [file for file, name in names.items() if name.startswith(packages)]
    assert len(sources) > 200
    assert riddles(ROOT, sources) == []


@pytest.mark.parametrize(
    "text",
    [
        '"""What it does."""\n',
        '"""Module."""\n\nclass A:\n    """\n    Where it is.\n    """\n',
        'def count() -> int:\n    """How many there are."""\n',
    ],
)
def test_a_docstring_that_begins_with_a_question_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(text)
    assert len(riddles(tmp_path, [tmp_path / "module.py"])) == 1
