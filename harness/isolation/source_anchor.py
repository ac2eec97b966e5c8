"""
Finds the part of a module in which a text is looked for: the source of one function, by its qualified name.

`MODULE:FUNCTION` is written as Python says it, `ptycho_torch.loss:terms` or `package.module:Class.method`; a class
means its whole source, and `MODULE` alone for what lies in no function and no class. So a file that is moved
needs another module name and nothing else, and a neighbour that gets the same text breaks nothing.
"""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

WORDS = "MODULE, MODULE:FUNCTION or MODULE:CLASS.METHOD"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """
    A function or a class in a source text.

    Attributes:
        name: qualified, dots between levels.
        start: where its first line begins, a decorator's if there is one.
        end: where its last line ends, behind the line feed.
    """

    name: str
    start: int
    end: int


@lru_cache(maxsize=256)
def definitions(text: str) -> tuple[Definition, ...]:
    """
    Functions and classes of a source text, outer ones first.

    Raises:
        SyntaxError: it is not Python.
    """
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def walk(node: ast.AST, prefix: str) -> Iterator[Definition]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from walk(child, prefix)
                continue
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            name = prefix + child.name
            yield Definition(name=name, start=starts[first - 1], end=starts[child.end_lineno or first])
            yield from walk(child, f"{name}.")

    return tuple(walk(ast.parse(text), ""))


def occurrences(text: str, old: str, function: str | None) -> list[int]:
    """
    Return where a text occurs.

    Args:
        text: text of the module.
        old: what is looked for.
        function: qualified name in whose source it must lie; "" for what no function and no class holds as a whole;
            None for anywhere.
    """
    found = [match.start() for match in re.finditer(f"(?={re.escape(old)})", text)] if old else []
    if function is None:
        return found
    return [at for at in found if _is_in(text, at, at + len(old), function)]


def _is_in(text: str, start: int, end: int, function: str) -> bool:
    holding = [item.name for item in definitions(text) if item.start <= start and end <= item.end]
    return function in holding if function else not holding


def problem(text: str, old: str, module: str, function: str) -> str | None:
    """
    Return why a text cannot be found by its anchor, and what to do; None if it can.

    Args:
        text: text of the module.
        old: what must occur once.
        module: its name.
        function: qualified name; "" for the top of the module.
    """
    place = f"{module}:{function}" if function else module
    if sentence := no_function(text, module, function):
        return f"{place}: {sentence}{_elsewhere(text, old, module)}"
    count = len(occurrences(text, old, function))
    if count == 1:
        return None
    said = f"{place}: old occurs {count} times in it and not once: {old[:60]!r}"
    if count:
        return f"{said}; make old longer until it occurs once"
    return f"{said}{_elsewhere(text, old, module) or '; the code has changed: write what is there now'}"


def no_function(text: str, module: str, function: str) -> str:
    """That a module has no such function, and which one may be meant; nothing where it has it."""
    names = [item.name for item in definitions(text)]
    if not function or function in names:
        return ""
    close = difflib.get_close_matches(function, names, n=1, cutoff=0.6)
    return f"{module} has no function {function!r}" + (f"; did you mean {close[0]!r}?" if close else "")


def _elsewhere(text: str, old: str, module: str) -> str:
    """Return where else a text occurs, as advice."""
    places = []
    for at in occurrences(text, old, None):
        holding = [item for item in definitions(text) if item.start <= at and at + len(old) <= item.end]
        places.append(f"{module}:{holding[-1].name}" if holding else module)
    return f'; old occurs in {", ".join(dict.fromkeys(places))}: write in = "{places[0]}"' if places else ""


def file_of(module: str, root: Path) -> str | None:
    """
    The file of a module below a root, with slashes; None where there is none.

    Args:
        module: its full name.
        root: the folder that holds its package.
    """
    stem = module.replace(".", "/")
    return next((name for name in (f"{stem}.py", f"{stem}/__init__.py") if (root / name).is_file()), None)


def module_of(file: str) -> str:
    """The full name of the module of a file."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def no_module(module: str, root: Path) -> str:
    """That there is no such module, and which one may be meant: the one that has moved keeps its last name."""
    top = module.partition(".")[0]
    known = sorted(module_of(path.relative_to(root).as_posix()) for path in (root / top).rglob("*.py"))
    moved = [name for name in known if name.rpartition(".")[2] == module.rpartition(".")[2]]
    close = moved[:1] or difflib.get_close_matches(module, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else f"packages of {root}: write the module's full name"
    return f"there is no module {module!r}; {hint}"
