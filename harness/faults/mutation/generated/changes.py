"""
Every small change that the syntax tree of a module allows, by function: none is left out because somebody likes it.

Operators, comparison limits, constants, axes and types, arguments that change places or are left out, statements that
are dropped. A text is replaced at its exact place, so that a change needs no text that occurs once.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

OPERATORS: Mapping[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
LIMITS: Mapping[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
TYPES = {
    "float64": "float32",
    "float32": "float64",
    "complex128": "complex64",
    "complex64": "complex128",
    "int64": "int32",
    "int32": "int64",
    "longdouble": "float64",
}
AXES = frozenset({"axis", "dim", "axes", "dims"})
TOP = ""
"""Name of what lies in no function and no class: constants, tables. The body of a class goes by the class's name."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class GeneratedChange:
    """
    One change of a module's text.

    Attributes:
        file: path below the root, with slashes.
        function: qualified name; `TOP` for what lies in no function.
        kind: of change, in two words.
        line: where it is, from 1.
        start: offset of the old text in the module's, in characters.
        old: the text as it is.
        new: the text that takes its place.
    """

    file: str
    function: str
    kind: str
    line: int
    start: int
    old: str
    new: str

    @property
    def id(self) -> str:
        """A name that stays as long as place, old and new text do."""
        text = f"{self.file}\0{self.function}\0{self.start}\0{self.old}\0{self.new}"
        return f"{self.kind.replace(' ', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    def applied(self, text: str) -> str:
        """
        The module's text after the change.

        Raises:
            ValueError: the old text is not there.
        """
        end = self.start + len(self.old)
        if text[self.start : end] != self.old:
            raise ValueError(f"{self.file}:{self.line}: {self.old!r} is not there; the code has changed")
        return text[: self.start] + self.new + text[end:]

    def __str__(self) -> str:
        old, new = (" ".join(text.split())[:60] for text in (self.old, self.new))
        return f"{self.file}:{self.line} {self.function or 'top of the module'}: {self.kind}: {old!r} → {new!r}"


def of_module(file: str, text: str) -> dict[str, list[GeneratedChange]]:
    """
    Every change that a module allows, by qualified function.

    Args:
        file: path below the root.
        text: the module's.

    Raises:
        SyntaxError: it is not Python.
    """
    places = _Places(text)
    found: dict[str, list[GeneratedChange]] = {}
    for function, node in _nodes(ast.parse(text), TOP):
        listed = found.setdefault(function, [])
        for kind, start, old, new in _of_node(node, places):
            change = GeneratedChange(
                file=file, function=function, kind=kind, line=places.line(start), start=start, old=old, new=new
            )
            if old != new:
                listed.append(change)
    return found


def compiles(text: str) -> bool:
    """Whether a text is Python; most changes are, and compiling a module for each of them would take a minute."""
    try:
        compile(text, "changed", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def is_equivalent(one: str, other: str) -> bool:
    """Whether two modules compile to the same instructions: no input tells them apart."""
    return _instructions(compile(one, "a", "exec")) == _instructions(compile(other, "a", "exec"))


def _instructions(code: CodeType) -> tuple[Any, ...]:
    constants = [(type(c), _instructions(c) if isinstance(c, CodeType) else repr(c)) for c in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, tuple(constants), code.co_exceptiontable


class _Places:
    """Offsets in characters of the places that a syntax tree gives in bytes of a line."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def of(self, line: int, column: int) -> int:
        """The offset of a line from 1 and a column in bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the offsets at which a node begins and ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.of(node.lineno, node.col_offset), self.of(node.end_lineno, node.end_col_offset)

    def source(self, node: ast.expr | ast.stmt) -> str:
        """A node's text."""
        start, end = self.span(node)
        return self.text[start:end]

    def line(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return self.text.count("\n", 0, offset) + 1

    def between(self, one: ast.expr, other: ast.expr, word: str) -> int | None:
        """Find an operator between two operands; None where the text between holds it more than once."""
        start, end = self.span(one)[1], self.span(other)[0]
        gap = self.text[start:end]
        return start + gap.index(word) if gap.count(word) == 1 else None


Found = tuple[str, int, str, str]


def _nodes(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node that is executed, with the function that it lies in; types and docstrings are none."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_text(child) or _is_for_types(child):
                continue
            inner = function
            if isinstance(child, Function | ast.ClassDef):
                inner = f"{function}.{child.name}" if function else child.name
            yield inner if not isinstance(child, ast.ClassDef) else function, child
            yield from _nodes(child, inner)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _of_node(node: ast.AST, places: _Places) -> Iterator[Found]:
    if isinstance(node, ast.BinOp):
        yield from _operator("operator", node.left, node.right, OPERATORS.get(type(node.op)), places)
    elif isinstance(node, ast.BoolOp):
        yield from _operator("operator", node.values[0], node.values[1], OPERATORS.get(type(node.op)), places)
    elif isinstance(node, ast.Compare):
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            yield from _operator("comparison limit", left, right, LIMITS.get(type(op)), places)
            left = right
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        start, _ = places.span(node)
        yield "operator dropped", start, places.source(node), f"({places.source(node.operand)})"
    elif isinstance(node, ast.Constant):
        yield from _constant(node, places)
    elif isinstance(node, ast.Attribute) and node.attr in TYPES:
        end = places.span(node)[1]
        yield "type", end - len(node.attr), node.attr, TYPES[node.attr]
    elif isinstance(node, ast.Call):
        yield from _call(node, places)
    elif isinstance(node, ast.stmt):
        yield from _statement(node, places)


def _operator(
    kind: str, left: ast.expr, right: ast.expr, words: tuple[str, str] | None, places: _Places
) -> Iterator[Found]:
    if words is not None and (start := places.between(left, right, words[0])) is not None:
        yield kind, start, *words


def _constant(node: ast.Constant, places: _Places) -> Iterator[Found]:
    start, text = places.span(node)[0], places.source(node)
    if isinstance(node.value, bool):
        yield "constant", start, text, str(not node.value)
    elif isinstance(node.value, int):
        yield "constant", start, text, str(node.value + 1)
    elif isinstance(node.value, float):
        yield "constant", start, text, f"({text} * 2)" if node.value else "1.0"


def _call(node: ast.Call, places: _Places) -> Iterator[Found]:
    plain = [item for item in node.args if not isinstance(item, ast.Starred)]
    if len(plain) == len(node.args) and len(plain) > 1:
        one, two = plain[0], plain[1]
        start, end = places.span(one)[0], places.span(two)[1]
        middle = places.text[places.span(one)[1] : places.span(two)[0]]
        yield (
            "arguments swapped",
            start,
            places.text[start:end],
            f"{places.source(two)}{middle}{places.source(one)}",
        )
    for keyword in node.keywords:
        if keyword.arg in AXES and isinstance(keyword.value, ast.Constant | ast.UnaryOp):
            yield (
                "axis",
                places.span(keyword.value)[0],
                places.source(keyword.value),
                f"({places.source(keyword.value)} - 1)",
            )
        if keyword.arg is not None and (len(node.args) or len(node.keywords) > 1):
            start = places.of(keyword.lineno, keyword.col_offset)
            end = places.span(keyword.value)[1]
            yield "argument dropped", start, places.text[start:end], "**{}"


def _statement(node: ast.stmt, places: _Places) -> Iterator[Found]:
    start, end = places.span(node)
    if isinstance(node, ast.AugAssign | ast.Raise | ast.Assert | ast.Delete) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await)
    ):
        yield "statement dropped", start, places.text[start:end], "pass"
    elif isinstance(node, ast.If | ast.While):
        first, last = places.span(node.test)
        yield "branch dropped", first, places.text[first:last], "False"
    elif isinstance(node, ast.Return) and node.value is not None:
        first, last = places.span(node.value)
        yield "result dropped", first, places.text[first:last], "None"
    elif isinstance(node, ast.Break | ast.Continue):
        yield "statement dropped", start, places.text[start:end], "pass"
