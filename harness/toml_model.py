"""
Reads a TOML file into a pydantic model, and says everything that is wrong with the file at once.

Pydantic finds the faults. Here each becomes one sentence: the line, the wrong value, the allowed ones, the next step.
A table is a pydantic dataclass: its fields are the keys, their descriptions the documentation. A table may have a
static method `contradictions`, which looks at the table as it was written: keys that are right one by one and wrong
together. It is asked whether or not the keys are right, so that a file is not mended in two rounds.
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

from harness import target_lines
from ptycho.errors import UsageError

TABLE = ConfigDict(extra="forbid")
"""Configuration of every table: an unknown key is refused."""

T = TypeVar("T")
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_ABSENT: Any = object()


class Words:
    """What a value may be, in words; stands beside the constraints of an annotated type."""

    def __init__(self, text: str) -> None:
        self.text = text


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("true and false are none of the options")
    return value


class OneOf(Words):
    """A closed set of values that other code defines; stands in an annotated type."""

    def __init__(self, options: Iterable[str | int]) -> None:
        self.options = list(options)
        *more, last = [f'"{option}"' if isinstance(option, str) else str(option) for option in self.options]
        super().__init__(f"{', '.join(more)} or {last}" if more else last)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Nothing but the options; `True` is not 1."""
        options = core_schema.literal_schema(self.options)
        return core_schema.no_info_before_validator_function(_no_truth, options)


Text = Annotated[str, Strict(), Words("text")]
Name = Annotated[str, Strict(), Field(pattern=r"\S"), Words("text, not empty")]
Whole = Annotated[int, Strict(), Field(ge=1), Words("a whole number from 1")]


@plain_dataclass(frozen=True, kw_only=True)
class Problem:
    """
    Something wrong with a file.

    Attributes:
        path: where: table, number, key.
        sentence: what, what is allowed, what to do.
        value: text to look for below that key.
    """

    path: target_lines.Path
    sentence: str
    value: str = ""


def fault(sentence: str, value: str = "") -> PydanticCustomError:
    """
    An error for a validator to raise.

    Args:
        sentence: what is wrong; `{key}` and `{what}` stand for the key and its description.
        value: text to look for below the key, for its line.
    """
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence, "value": value})


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Versioned:
    """The top of a file whose format is public."""

    newest: ClassVar[int] = 1
    schema: Whole = Field(default=1, description="version of the format")


def fields(table: Any) -> dict[str, FieldInfo]:
    """Fields of a table by the key that a file has for them."""
    found: dict[str, FieldInfo] = table.__pydantic_fields__
    return {str(field.validation_alias or name): field for name, field in found.items()}


def table_of(annotation: Any) -> Any:
    """The table in a field's type, which may be optional or a list; None if it is a plain value."""
    if isinstance(annotation, type) and is_dataclass(annotation):
        return annotation
    return next((table for part in get_args(annotation) if (table := table_of(part)) is not None), None)


def is_list(field: FieldInfo) -> bool:
    """Whether a table may be there several times."""
    return any(get_origin(part) is tuple for part in (field.annotation, *_parts(field.annotation)))


def words(field: FieldInfo) -> str:
    """What the value of a field may be."""
    parts = (*field.metadata, *_parts(field.annotation))
    options = (get_args(part) for part in (field.annotation, *parts) if get_origin(part) is Literal)
    named = [part.text for part in parts if isinstance(part, Words)] or [OneOf(option).text for option in options]
    return named[0] if named else "another value"


def _parts(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        yield part
        yield from _parts(part)


@plain_dataclass(frozen=True, kw_only=True)
class _Spot:
    """
    Where in a model and in a document a fault lies.

    Attributes:
        path: as far as model and document know it.
        table: the innermost table on the way; its class.
        depth: how much of the path leads to that table.
        field: the innermost field; None at the top.
        value: what the document has there.
        label: names the entry of a list that holds it.
        skip: how much of the path the label stands for.
    """

    path: target_lines.Path
    table: Any
    depth: int
    field: FieldInfo | None
    value: Any
    label: str
    skip: int

    @property
    def key(self) -> str:
        return _dotted(self.path[self.skip :])

    @property
    def header(self) -> str:
        return _header(self.path[: self.depth])


def _dotted(path: target_lines.Path) -> str:
    """A path as TOML writes it, without numbers."""
    return ".".join(
        step if re.fullmatch(r"[\w-]+", step) else json.dumps(step) for step in path if isinstance(step, str)
    )


def _header(path: target_lines.Path) -> str:
    if not path:
        return ""
    return f"[[{_dotted(path)}]]" if isinstance(path[-1], int) else f"[{_dotted(path)}]"


def _spot(model: Any, document: Any, path: target_lines.Path) -> _Spot:
    """Follow a path as far as the model and the document go."""
    table, inner, depth, field, value, label, skip = model, model, 0, None, document, "", 0
    known: list[str | int] = []
    for step in path:
        if isinstance(step, int):
            if inner is None or not isinstance(value, list):
                break
            table, depth, value = inner, len(known) + 1, value[step]
            name = next((value[key] for key in ("name", "id") if _is_text(value, key)), None)
            if name is not None:
                label, skip = f"{known[-1]} {name!r}: ", depth
        else:
            if inner is not None and step in fields(inner):
                table, depth, field = inner, len(known), fields(inner)[step]
                inner = table_of(field.annotation)
            elif inner is not None or not isinstance(value, Mapping) or step not in value:
                break
            value = value.get(step, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        known.append(step)
    if inner is not None and len(known) < len(path):
        table, depth = inner, len(known)
    return _Spot(path=tuple(known), table=table, depth=depth, field=field, value=value, label=label, skip=skip)


def _is_text(value: Any, key: str) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get(key), str)


def _problem(model: Any, document: Any, error: Mapping[str, Any]) -> Problem:
    """One error of pydantic as a sentence with its place."""
    kind, path = error["type"], error["loc"]
    spot = _spot(model, document, path)
    field, key = spot.field, spot.key
    what = (field.description or "") if field is not None else ""
    if kind in _UNKNOWN:
        return _unknown(spot, path[-1], error["input"])
    if kind == "missing":
        assert field is not None
        if table_of(field.annotation) is not None:
            header = f"[[{key}]]" if is_list(field) else f"[{key}]"
            return Problem(path=path, sentence=f"{spot.label}table {header} is missing: {what}; add it")
        sentence = f"{_header(path[:-1])} lacks {path[-1]!r}: {what}; add {path[-1]} = …"
        return Problem(path=path[:-1], sentence=spot.label + sentence)
    if kind == "sentence":
        context = error["ctx"]
        sentence = str(context["sentence"]).replace("{key}", key).replace("{what}", what)
        return Problem(path=spot.path, sentence=spot.label + sentence, value=str(context["value"]))
    sentence = f"{key} = {spot.value!r}"
    if field is not None and table_of(field.annotation) is not None and is_list(field):
        sentence += f" is not a list of tables; write [[{key}]]"
    elif field is not None and (table_of(field.annotation) is not None or _is_free_table(field, kind)):
        sentence += f" is not a table; write [{key}] above its keys"
    elif field is not None:
        sentence += f"; allowed: {words(field)}" + (f" ({what})" if what else "")
    return Problem(path=spot.path, sentence=spot.label + sentence)


def _is_free_table(field: FieldInfo, kind: str) -> bool:
    """Whether a table of free keys was expected, and the type has no words of its own for it."""
    return kind == "dict_type" and not any(isinstance(part, Words) for part in field.metadata)


def _unknown(spot: _Spot, name: str, value: Any) -> Problem:
    known = sorted(fields(spot.table), key=lambda key: key == "schema")
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    is_table = isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
    thing = f"table [{name}]" if is_table and not spot.header else f"key {name!r}"
    where = f" in {spot.header}" if spot.header and not spot.label else ""
    sentence = f"{spot.label}unknown {thing}{where}; {hint}allowed: {', '.join(known)}"
    return Problem(path=(*spot.path, name), sentence=sentence)


def _contradictions(model: Any, document: Any, table: Any, given: Any, path: target_lines.Path) -> Iterator[Problem]:
    """What the tables of a document say against themselves, the outer ones first."""
    if not isinstance(given, Mapping):
        return
    if (look := getattr(table, "contradictions", None)) is not None:
        for found in look(given):
            label = _spot(model, document, (*path, *found.path)).label
            yield Problem(path=(*path, *found.path), sentence=label + found.sentence, value=found.value)
    for key, field in fields(table).items():
        if (inner := table_of(field.annotation)) is None:
            continue
        if isinstance(held := given.get(key), list):
            for number, entry in enumerate(held):
                yield from _contradictions(model, document, inner, entry, (*path, key, number))
        else:
            yield from _contradictions(model, document, inner, held, (*path, key))


class Source(Generic[T]):
    """
    A TOML file that is being read.

    Args:
        path: of the file.
        model: the table that it is.
        what: it is, for messages: "target".
        error: what is raised.

    Attributes:
        document: what the file says, unchecked.
        value: the model; None where something is wrong.
        problems: what is wrong; more may be added until `checked` is asked.

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
        self._lines = target_lines.Lines(text)
        self.problems: list[Problem] = []
        self.value: T | None = None
        newest = getattr(model, "newest", None)
        written = self.document.get("schema")
        if newest is not None and type(written) is int and written > newest:
            sentence = (
                f"schema = {written} is newer than this harness, which reads {what} files up to schema {newest}; "
                "update the harness, or write the file for that schema"
            )
            self.problems.append(Problem(path=("schema",), sentence=sentence))
            return
        try:
            self.value = TypeAdapter(model).validate_python(self.document)
        except ValidationError as found:
            self.problems += [_problem(model, self.document, error) for error in found.errors(include_url=False)]
        self.problems += _contradictions(model, self.document, model, self.document, ())

    def sentences(self) -> list[str]:
        """What is wrong, each with its line, from the top of the file."""
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
    Read a file; the arguments are those of `Source`.

    Raises:
        UsageError: listing everything that is wrong.
    """
    return Source(path, model, what, error).checked()
