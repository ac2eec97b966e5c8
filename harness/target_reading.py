"""
From a parsed target file to tables with their defaults, noting everything that is wrong on the way.

A problem says what is wrong, what is allowed and what to do; the line is found afterwards (`harness.target_lines`).
"""

import difflib
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.target_schema import ALLOWED, BLANK, PLACEHOLDERS, REQUIRED, SCHEMA, WITH_PLACEHOLDERS


@dataclass(frozen=True, kw_only=True)
class Problem:
    """
    Something wrong with a file.

    Attributes:
        path: where: table, number, key.
        sentence: what, what is allowed, what to do.
        value: text to look for below that key.
    """

    path: tuple[str | int, ...]
    sentence: str
    value: str = ""


def placeholder_problems(
    where: tuple[str | int, ...], given: Sequence[Any], allowed: Sequence[str] = tuple(PLACEHOLDERS)
) -> list[Problem]:
    """What is wrong with texts that may contain placeholders."""
    problems = []
    for text in given:
        if not isinstance(text, str):
            problems.append(Problem(path=where, sentence=f"argument {text!r} is not text; quote it", value=str(text)))
            continue
        first = text.strip().splitlines()[0] if text.strip() else ""
        try:
            fields = [(name, spec, kind) for _, name, spec, kind in string.Formatter().parse(text) if name is not None]
        except ValueError as error:
            sentence = f"argument {first!r}: {error}; write {{{{ and }}}} for braces"
            problems.append(Problem(path=where, sentence=sentence, value=first))
            continue
        for name, spec, conversion in fields:
            whole = "{" + name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
            if name not in allowed or whole != f"{{{name}}}":
                sentence = f"unknown placeholder {whole}; allowed: {', '.join(allowed)}; write {{{{ and }}}} for braces"
                problems.append(Problem(path=where, sentence=sentence, value="{" + name))
    return problems


def _unknown(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed: {', '.join(known) or 'none'}"


def read_table(name: str, given: Any, where: tuple[str | int, ...], problems: list[Problem]) -> dict[str, Any]:
    """
    One table with its defaults.

    Args:
        name: its name in `SCHEMA`.
        given: what the file has there.
        where: its place, for messages.
        problems: gets what is wrong.
    """
    header = f"[{name}]"
    if not isinstance(given, dict):
        problems.append(
            Problem(path=where, sentence=f"{name} = {given!r} is not a table; write {header} above its keys")
        )
        return {}
    if not SCHEMA[name].keys:
        texts = {key: value for key, value in given.items() if isinstance(value, str)}
        problems += [
            Problem(path=(*where, key), sentence=f"{name}.{key} = {given[key]!r}; allowed: text")
            for key in given.keys() - texts.keys()
        ]
        for key, value in texts.items():
            problems += placeholder_problems((*where, key), [value], ALLOWED[name])
        return texts
    keys = SCHEMA[name].keys
    children = [table.rpartition(".")[2] for table in SCHEMA if table.rpartition(".")[0] == name]
    for key in given:
        if key not in keys and key not in children:
            sentence = f"unknown key {key!r} in {header}; {_unknown(key, [*keys, *children])}"
            problems.append(Problem(path=(*where, key), sentence=sentence))
    values = {}
    for key, row in keys.items():
        values[key] = value = given.get(key, row.default)
        place = (*where, key)
        if value is REQUIRED:
            problems.append(Problem(path=where, sentence=f"{header} lacks {key!r}: {row.what}; add {key} = …"))
        elif key in given and not row.kind.holds(value):
            sentence = f"{name}.{key} = {value!r}; allowed: {row.kind.words} ({row.what})"
            problems.append(Problem(path=place, sentence=sentence))
        elif BLANK in str(value):
            sentence = f"{name}.{key} is left to fill in: {row.what}"
            problems.append(Problem(path=place, sentence=sentence, value=BLANK))
        elif row.kind in WITH_PLACEHOLDERS:
            problems += placeholder_problems(place, value, ALLOWED.get(name, tuple(PLACEHOLDERS)))
    return values


def read(document: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """
    All tables of a file with their defaults, by the names of `SCHEMA`.

    Args:
        document: what the TOML reader made of it.
        problems: gets everything that is wrong.

    Returns:
        Tables that are there or must be; a list of tables for one that may be there several times.
    """
    top = [name for name in SCHEMA if "." not in name]
    problems += [
        Problem(path=(name,), sentence=f"unknown table [{name}]; {_unknown(name, top)}")
        for name in document
        if name not in SCHEMA
    ]
    tables: dict[str, Any] = {}
    for name, table in SCHEMA.items():
        parent, _, child = name.rpartition(".")
        holder = document.get(parent, {}) if parent else document
        if not isinstance(holder, dict) or child not in holder:
            if table.required:
                problems.append(Problem(path=(name,), sentence=f"table [{name}] is missing: {table.what}; add it"))
            continue
        where = (*parent.split("."), child) if parent else (child,)
        given = holder[child]
        if not table.many:
            tables[name] = read_table(name, given, where, problems)
        elif isinstance(given, list):
            tables[name] = [read_table(name, item, (*where, k), problems) for k, item in enumerate(given)]
        else:
            sentence = f"{name} = {given!r} is not a list of tables; write [[{name}]]"
            problems.append(Problem(path=where, sentence=sentence))
    return tables
