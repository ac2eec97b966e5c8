"""Whatever is wrong with a TOML file is one sentence with its line, and all of them are said at once."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.files import toml_model
from harness.files.toml_model import TABLE, FileProblem, Name, Text, TomlSource, VersionedFile, Whole, Words
from ptycho.errors import ConfigurationError, UsageError


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Part:
    """Of a file."""

    name: Name
    """its name"""
    count: Whole = 1
    """how many"""
    sort: Literal["round", "square", "long"] = "round"
    """its shape"""
    notes: dict[str, Text] = Field(default={})
    """anything"""
    marks: Annotated[tuple[Text, ...], Words("a list of texts")] = ()
    """some"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """Too many long ones."""
        if table.get("sort") == "long" and table.get("count", 1) == 2:
            yield FileProblem(path=("count",), sentence="two are never long")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class File(VersionedFile):
    """A file with one part and any number of others."""

    main: Part
    """the main part"""
    other: tuple[Part, ...] = ()
    """the others"""


MAIN = '[main]\nname = "a"\n'


def _said(folder: Path, text: str) -> list[str]:
    path = folder / "file.toml"
    path.write_text(text)
    return TomlSource(path, File, "file").sentences()


def test_a_good_file_becomes_its_model(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_text(f'schema = 1\n{MAIN}notes = {{ x = "y" }}\n[[other]]\nname = "b"\ncount = 3\n')
    expected = File(main=Part(name="a", notes={"x": "y"}), other=(Part(name="b", count=3),))
    assert expected == toml_model.load(path, File, "file")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["line 1: table [main] is missing: the main part; add it"]),
        ("main = 3", ["line 1: main = 3 is not a table; write [main] above its keys"]),
        ("[main]\n", ["line 1: [main] lacks 'name': its name; add name = …"]),
        (
            f"{MAIN}coutn = 1",
            ["line 3: unknown key 'coutn' in [main]; did you mean 'count'? allowed: name, count, sort, notes, marks"],
        ),
        (f"{MAIN}zzz = 1", ["line 3: unknown key 'zzz' in [main]; allowed: name, count, sort, notes, marks"]),
        (f"zzz = 1\n{MAIN}", ["line 1: unknown key 'zzz'; allowed: main, other, schema"]),
        (f"{MAIN}[mian]", ["line 3: unknown table [mian]; did you mean 'main'? allowed: main, other, schema"]),
        (f"{MAIN}count = 0", ["line 3: main.count = 0; allowed: a whole number from 1 (how many)"]),
        (f"{MAIN}count = true", ["line 3: main.count = True; allowed: a whole number from 1 (how many)"]),
        (f"{MAIN}sort = 'flat'", ["""line 3: main.sort = 'flat'; allowed: "round", "square" or "long" (its shape)"""]),
        (f"{MAIN}notes = 3", ["line 3: main.notes = 3 is not a table; write [main.notes] above its keys"]),
        (f"{MAIN}[main.notes]\nx = 3", ["line 4: main.notes.x = 3; allowed: text (anything)"]),
        (f"{MAIN}marks = 3", ["line 3: main.marks = 3; allowed: a list of texts (some)"]),
        (f"{MAIN}marks = [\n'a',\n3,\n]", ["line 5: main.marks holds 3; allowed: a list of texts (some)"]),
        (f"{MAIN}[other]\nname = 'x'", ["line 3: other = {'name': 'x'} is not a list of tables; write [[other]]"]),
        (f"{MAIN}[[other]]\nname = ''", ["line 4: other.name = ''; allowed: text, not empty (its name)"]),
        (
            f"{MAIN}[[other]]\nname = 'b'\nx = 1",
            ["line 5: other 'b': unknown key 'x'; allowed: name, count, sort, notes, marks"],
        ),
        (f"{MAIN}[[other]]\ncount = 2", ["line 3: [[other]] lacks 'name': its name; add name = …"]),
        (f"{MAIN}sort = 'long'\ncount = 2", ["line 4: two are never long"]),
        (f"schema = 0\n{MAIN}", ["line 1: schema = 0; allowed: a whole number from 1 (version of the format)"]),
    ],
)
def test_a_fault_is_a_sentence_with_its_line(tmp_path: Path, text: str, said: list[str]) -> None:
    assert said == _said(tmp_path, text)


def test_every_fault_of_a_table_is_said_at_once_contradictions_too(tmp_path: Path) -> None:
    text = (
        f"{MAIN}sort = 'long'\ncount = 2\nzzz = 1\n[[other]]\nname = 'b'\nsort = 'long'\ncount = 2\n[[other]]\nname = 3"
    )
    assert _said(tmp_path, text) == [
        "line 4: two are never long",
        "line 5: unknown key 'zzz' in [main]; allowed: name, count, sort, notes, marks",
        "line 9: other 'b': two are never long",
        "line 11: other.name = 3; allowed: text, not empty (its name)",
    ]


def test_a_newer_schema_is_refused_by_its_number_and_nothing_else_is_said(tmp_path: Path) -> None:
    (sentence,) = _said(tmp_path, f"schema = 2\n{MAIN}zzz = 1")
    assert sentence.startswith("line 1: schema = 2 is newer than this harness, which reads file files up to schema 1; ")


def test_an_error_has_the_class_that_was_asked_for_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    with pytest.raises(ConfigurationError, match=f"thing {path}: No such file"):
        toml_model.load(path, File, "thing", ConfigurationError)
    path.write_text("[main")
    with pytest.raises(ConfigurationError, match=f"thing {path} is not TOML: "):
        toml_model.load(path, File, "thing", ConfigurationError)
    path.write_text("")
    with pytest.raises(UsageError, match=f"thing {path} cannot be used:\n  - line 1: table .main. is missing"):
        toml_model.load(path, File, "thing")


def test_more_may_be_found_wrong_by_whoever_reads(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_text(MAIN)
    source = TomlSource(path, File, "file")
    source.problems.append(FileProblem(path=("main", "name"), sentence="it is a bad name"))
    with pytest.raises(UsageError, match="line 2: it is a bad name"):
        source.checked()


def test_words_win_over_what_a_type_says() -> None:
    fields = toml_model.fields(Part)
    assert toml_model.words(fields["count"]) == "a whole number from 1"
    assert toml_model.words(fields["sort"]) == '"round", "square" or "long"'
    assert Words("x").text == "x"
    assert tomllib.loads(MAIN) == {"main": {"name": "a"}}
