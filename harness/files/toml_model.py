"""
Reads a TOML file into a pydantic model, and says everything that is wrong with the file at once.

Pydantic finds the faults. Here each becomes one sentence: the line, the wrong value, the allowed ones, the next step.
A table is a pydantic dataclass: its fields are the keys, the strings below them the documentation. A table may have a
static method `contradictions`, which looks at the table as it was written: keys that are right one by one and wrong
together. It is asked whether or not the keys are right, so that a file is not repaired in two rounds.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from harness.files import toml_lines
from ptycho.command_line import renamed
from ptycho.errors import UsageError

TABLE = ConfigDict(extra="forbid", use_attribute_docstrings=True)
"""Configuration of every table: an unknown key is refused."""

T = TypeVar("T")


class Words:
    """Allowed values in words; used beside the constraints of an annotated type."""

    def __init__(self, text: str) -> None:
        self.text = text


class OneOf(Words):
    """A closed set of values that other code defines; is used in an annotated type."""

    def __init__(self, options: Iterable[str | int]) -> None:
        self.options = list(options)
        *more, last = [f'"{option}"' if isinstance(option, str) else str(option) for option in self.options]
        super().__init__(f"{', '.join(more)} or {last}" if more else last)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Nothing but the options; `True` is not 1."""
        options = core_schema.literal_schema(self.options)
        return core_schema.no_info_before_validator_function(_no_truth, options)


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("true and false are none of the options")
    return value


Text = Annotated[str, Strict(), Words("text")]
Name = Annotated[str, Strict(), Field(pattern=r"\S"), Words("text, not empty")]
Whole = Annotated[int, Strict(), Field(ge=1), Words("a whole number from 1")]


@plain_dataclass(frozen=True, kw_only=True)
class FileProblem:
    """
    Something wrong with a file.

    Attributes:
        path: where: table, number, key.
        sentence: what, what is allowed, what to do.
        value: text to look for below that key.
    """

    path: toml_lines.Path
    sentence: str
    value: str = ""


def fault(sentence: str, value: str = "") -> PydanticCustomError:
    """
    An error for a validator to raise.

    Args:
        sentence: what is wrong; `{key}` and `{what}` are replaced by the key and its description.
        value: text to look for below the key, for its line.
    """
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence, "value": value})


@dataclass(frozen=True, kw_only=True, config=TABLE)
class VersionedFile:
    """The top of a file whose format is public."""

    newest: ClassVar[int] = 1
    schema: Annotated[Whole, Field(description="version of the format")] = 1


def fields(table: Any) -> dict[str, FieldInfo]:
    """Fields of a table by the key that a file has for them."""
    found: dict[str, FieldInfo] = table.__pydantic_fields__
    return {str(field.validation_alias or name): field for name, field in found.items()}


def entries(table: Mapping[str, Any], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The entries of a list of tables as it was written, with their numbers; what is not a table is left out."""
    held = table.get(key)
    yield from (pair for pair in enumerate(held if isinstance(held, list) else ()) if isinstance(pair[1], Mapping))


def _parts(annotation: Any) -> Iterator[Any]:
    """A type with everything that it is made of, outside first."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def table_of(field: FieldInfo) -> Any:
    """The table of a field, which may be optional or a list; None if it is a plain value."""
    parts = _parts(field.annotation)
    return next((part for part in parts if isinstance(part, type) and is_dataclass(part)), None)


def is_list(field: FieldInfo) -> bool:
    """Whether a table may be there several times."""
    return any(get_origin(part) is tuple for part in _parts(field.annotation))


def words(field: FieldInfo) -> str:
    """Return what the value of a field may be."""
    parts = [*field.metadata, *_parts(field.annotation)]
    named = [part.text for part in parts if isinstance(part, Words)]
    return (named or [OneOf(get_args(part)).text for part in parts if get_origin(part) is Literal])[0]


def _dotted(path: toml_lines.Path) -> str:
    """A path as TOML writes it, without numbers."""
    names = [step for step in path if isinstance(step, str)]
    return ".".join(name if re.fullmatch(r"[\w-]+", name) else json.dumps(name) for name in names)


def _header(path: toml_lines.Path) -> str:
    return f"[[{_dotted(path)}]]" if isinstance(path[-1], int) else f"[{_dotted(path)}]"


def _held(value: Any, step: str | int) -> Any:
    """Return what a part of a document has at one more step; None where it has nothing."""
    if isinstance(step, int):
        return value[step] if isinstance(value, list) else None
    return value.get(step) if isinstance(value, Mapping) else None


def _label(document: Any, path: toml_lines.Path) -> tuple[str, int]:
    """The name of the entry of a list that a path leads through, for its messages, and how far that is."""
    value, found = document, ("", 0)
    for count, step in enumerate(path, 1):
        value = _held(value, step)
        name = _held(value, "name") or _held(value, "id")
        if isinstance(step, int) and isinstance(name, str):
            found = (f"{path[count - 2]} {name!r}: ", count)
    return found


def _follow(model: Any, document: Any, path: toml_lines.Path) -> tuple[toml_lines.Path, Any, FieldInfo | None, Any]:
    """As much of a path as model and document know, the table and the field that it leads to, and what is there."""
    table, field, value = model, None, document
    for count, step in enumerate(path):
        if isinstance(step, int):
            is_known = table is not None and isinstance(value, list)
        else:
            is_known = step in fields(table) if table is not None else _held(value, step) is not None
        if not is_known:
            return path[:count], table, field, value
        if isinstance(step, str) and table is not None:
            field = fields(table)[step]
            table = table_of(field)
        value = _held(value, step)
    return path, table, field, value


def _problem(model: Any, document: Any, error: Any) -> FileProblem:
    """One error of pydantic as a sentence with its place."""
    kind, given = error["type"], error["loc"]
    path, table, field, value = _follow(model, document, given)
    label, skip = _label(document, path)
    if kind == "unexpected_keyword_argument":
        return FileProblem(path=given, sentence=label + _unknown(table, path, given[-1], error["input"], bool(label)))
    assert field is not None
    key, what, header = _dotted(path[skip:]), field.description or "", f"[[{_dotted(path)}]]"
    header = header if is_list(field) else header[1:-1]
    is_table = table is not None or (kind == "dict_type" and not any(isinstance(it, Words) for it in field.metadata))
    looked_for = ""
    if kind == "missing" and table is not None:
        sentence = f"table {header} is missing: {what}; add it"
    elif kind == "missing":
        path = path[:-1]
        sentence = f"{_header(path)} lacks {given[-1]!r}: {what}; add {given[-1]} = …"
    elif kind == "sentence":
        sentence = error["ctx"]["sentence"].replace("{key}", key).replace("{what}", what)
        looked_for = error["ctx"]["value"]
    elif is_table and is_list(field):
        sentence = f"{key} = {value!r} is not a list of tables; write {header}"
    elif is_table:
        sentence = f"{key} = {value!r} is not a table; write {header} above its keys"
    else:
        held = f"{key} = {value!r}"
        if isinstance(value, list) and len(given) > len(path):
            held, looked_for = f"{key} holds {_held(value, given[len(path)])!r}", str(_held(value, given[len(path)]))
        sentence = f"{held}; allowed: {words(field)}" + (f" ({what})" if what else "")
    return FileProblem(path=path, sentence=label + sentence, value=looked_for)


def _unknown(table: Any, path: toml_lines.Path, name: str, value: Any, is_labelled: bool) -> str:
    known = sorted(fields(table), key=lambda key: key == "schema")
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    is_table = isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
    thing = f"table [{name}]" if is_table and not path else f"key {name!r}"
    where = f" in {_header(path)}" if path and not is_labelled else ""
    return f"unknown {thing}{where}; {hint}allowed: {', '.join(known)}"


def _contradictions(document: Any, table: Any, given: Any, path: toml_lines.Path = ()) -> Iterator[FileProblem]:
    """Yield what the tables of a document say against themselves, the outer ones first."""
    for found in table.contradictions(given) if hasattr(table, "contradictions") else ():
        label, _ = _label(document, (*path, *found.path))
        yield FileProblem(path=(*path, *found.path), sentence=label + found.sentence, value=found.value)
    for key, inner in ((key, table_of(field)) for key, field in fields(table).items()):
        if inner is not None and isinstance(given.get(key), Mapping):
            yield from _contradictions(document, inner, given[key], (*path, key))
        for number, entry in entries(given, key) if inner is not None else ():
            yield from _contradictions(document, inner, entry, (*path, key, number))


class TomlSource(Generic[T]):
    """
    A TOML file that is being read.

    Args:
        path: path of the file.
        model: the table that it is.
        what: it is, for messages: "target".
        error: what is raised.

    Attributes:
        document: what the file says, unchecked.
        value: the model; None where something is wrong.
        problems: what is wrong; more may be added until `checked` is asked.
        is_newer: whether the format is a newer one, of which nothing else can be said.

    Raises:
        UsageError: no such file, or not TOML.
    """

    def __init__(self, path: Path, model: type[T], what: str, error: type[UsageError] = UsageError) -> None:
        self.path, self._what, self._error = path, what, error
        try:
            text = path.read_text(encoding="utf-8")
            self.document: dict[str, Any] = tomllib.loads(text)
        except OSError as reason:
            raise error(f"{what} {path}: {reason.strerror}; give the path of a TOML file that is there") from reason
        except ValueError as reason:
            raise error(f"{what} {path} is not TOML: {reason}") from reason
        self._lines = toml_lines.Lines(text)
        self.value: T | None = None
        self.problems: list[FileProblem] = []
        for old, new in getattr(model, "renamed", {}).items():
            self._rename(old, new)
        newest, written = getattr(model, "newest", None), self.document.get("schema")
        self.is_newer = newest is not None and type(written) is int and written > newest
        if self.is_newer:
            sentence = (
                f"schema = {written} is newer than this harness, which reads {what} files up to schema {newest}; "
            )
            self.add(("schema",), f"{sentence}update the harness, or write the file for that schema")
            return
        try:
            self.value = TypeAdapter(model).validate_python(self.document)
        except ValidationError as found:
            self.problems += [_problem(model, self.document, each) for each in found.errors(include_url=False)]
        self.problems += _contradictions(self.document, model, self.document)

    def _rename(self, old: str, new: str) -> None:
        """Take a table under the name that it had in the last release, which is understood for one more."""
        if old not in self.document:
            return
        table = self.document.pop(old)
        if new in self.document:
            self.problems.append(FileProblem(path=(old,), sentence=f"[{old}] is the old name of [{new}]; take it out"))
        else:
            self.document[new] = table
            renamed(f"[{old}] in {self.path}", f"[{new}]")

    def add(self, path: toml_lines.Path, sentence: str) -> None:
        """Say something more that is wrong; the entry of a list that it is about is named."""
        self.problems.append(FileProblem(path=path, sentence=_label(self.document, path)[0] + sentence))

    def sentences(self) -> list[str]:
        """Return what is wrong, each with its line, from the top of the file."""
        found = {(self._lines.of(problem.path, problem.value), problem.sentence) for problem in self.problems}
        return [f"line {line}: {sentence}" for line, sentence in sorted(found)]

    def checked(self) -> T:
        """
        The model.

        Raises:
            UsageError: listing everything that is wrong.
        """
        if self.problems or self.value is None:
            listed = "\n".join(f"  - {sentence}" for sentence in self.sentences())
            raise self._error(f"{self._what} {self.path} cannot be used:\n{listed}")
        return self.value


def valid(model: type[T], given: Any) -> T | None:
    """One table by itself; None if anything is wrong with it, which is said with its file."""
    try:
        return TypeAdapter(model).validate_python(given)
    except ValidationError:
        return None


def load(path: Path, model: type[T], what: str, error: type[UsageError] = UsageError) -> T:
    """
    Read a file; the arguments are those of `TomlSource`.

    Raises:
        UsageError: listing everything that is wrong.
    """
    return TomlSource(path, model, what, error).checked()
