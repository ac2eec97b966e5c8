"""
`python -m harness ci faults`: each row of the table of faults, with the tests that inject it and judge what happens.

The tests are read as text: which row a test belongs to is its marker (`@pytest.mark.fault("row")`), and that it asserts
its injection is a call of `bites`, by itself, by a helper of its module or by a fixture there. A row without a test, a
marker without a row, and a test that may pass although nothing was injected are red.
"""

import ast
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.faults.rows import ROWS
from harness.system import tables
from harness.system.tables import Table
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

MARKER, PROOF = "fault", "bites"
PAGE = Path("docs") / "faults.md"
BEGIN, END = "<!-- fault-table -->", "<!-- /fault-table -->"
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "ptycho-faults/1"

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class FaultTest:
    """
    A test that is marked with rows.

    Attributes:
        test: node id without parameters; of a shared suite, where it is written.
        rows: ids of the rows.
        proves: whether it asserts that its injection was there.
    """

    test: str
    rows: tuple[str, ...]
    proves: bool


def gather(root: Path = ROOT) -> list[FaultTest]:
    """
    Every marked test below `tests/`.

    Raises:
        UsageError: there is no such folder.
    """
    folder = root / "tests"
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder: the table of faults is read from the tests; run this in a checkout"
        )
    found: list[FaultTest] = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if f".{MARKER}(" in text:
            found += _of_module(ast.parse(text), path.relative_to(root).as_posix())
    return found


def _of_module(module: ast.Module, name: str) -> Iterator[FaultTest]:
    proving = _proving(module)
    for owner, functions in _owners(module):
        for function in functions:
            rows = tuple(
                dict.fromkeys([*_marks(function.decorator_list), *(_marks(owner.decorator_list) if owner else [])])
            )
            if rows and function.name.startswith("test"):
                test = "::".join((name, *([owner.name] if owner else []), function.name))
                yield FaultTest(test=test, rows=rows, proves=function.name in proving)


def _owners(module: ast.Module) -> Iterator[tuple[ast.ClassDef | None, list[_Function]]]:
    """Functions of the module, then those of each class."""
    yield None, [node for node in module.body if isinstance(node, _Function)]
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield node, [inner for inner in node.body if isinstance(inner, _Function)]


def _marks(decorators: Iterable[ast.expr]) -> Iterator[str]:
    """Rows that decorators name, those of single parameters included."""
    for decorator in decorators:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == MARKER:
                yield from (str(item.value) for item in node.args if isinstance(item, ast.Constant))


def _proving(module: ast.Module) -> set[str]:
    """Functions that assert an injection, themselves or through others of the module, fixtures among them."""
    uses: dict[str, set[str]] = {}
    for _, functions in _owners(module):
        for function in functions:
            names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            arguments = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
            uses.setdefault(function.name, set()).update(names | arguments)
    found = {PROOF}
    while more := {name for name, used in uses.items() if used & found} - found:
        found |= more
    return found


def problems(marked: Sequence[FaultTest]) -> list[str]:
    """Return what is wrong with the table, one sentence each."""
    known = {row.id for row in ROWS}
    covered = {row for item in marked for row in item.rows}
    found = [f"row {row.id}: no test injects it" for row in ROWS if row.id not in covered]
    for item in marked:
        found += [f"{item.test}: there is no row {row!r}" for row in item.rows if row not in known]
        if not item.proves:
            found.append(f"{item.test} does not assert that its injection was there: call {PROOF}()")
    return found


def counts(marked: Sequence[FaultTest]) -> dict[str, int]:
    """Return how many tests each row has."""
    return {row.id: sum(row.id in item.rows for item in marked) for row in ROWS}


def table(marked: Sequence[FaultTest]) -> Table:
    """A row for each fault, and one for all."""
    each = counts(marked)
    rows = [[row.id, row.fault, str(each[row.id])] for row in ROWS]
    return [["row", "fault", "tests"], *rows, ["all", f"{len(ROWS)} rows", str(len(marked))]]


def as_dict(marked: Sequence[FaultTest]) -> dict[str, Any]:
    """Plain values, for JSON and for the report."""
    wrong = problems(marked)
    tests = {row.id: [item.test for item in marked if row.id in item.rows] for row in ROWS}
    return {
        "schema": SCHEMA,
        "verdict": "fail" if wrong else "pass",
        "rows": len(ROWS),
        "covered": sum(bool(found) for found in tests.values()),
        "tests": len(marked),
        "problems": wrong,
        "table": [
            {
                "id": row.id,
                "fault": row.fault,
                "injection": row.injection,
                "behaviour": row.behaviour,
                "tests": tests[row.id],
            }
            for row in ROWS
        ],
    }


def section(marked: Sequence[FaultTest]) -> str:
    """The part of the page that is written by the command: the table, and every test by row."""
    each = counts(marked)
    heading = ("row", "fault", "injection", "what is right", "tests")
    drawn = tables.markdown(
        [heading, *([f"`{row.id}`", row.fault, row.injection, row.behaviour, str(each[row.id])] for row in ROWS)]
    )
    parts = [f"{len(ROWS)} rows, {len(marked)} tests.\n", drawn]
    for row in ROWS:
        listed = "\n".join(f"- `{item.test}`" for item in marked if row.id in item.rows)
        parts.append(f"### {row.id}\n\n{listed or 'No test.'}\n")
    return "\n".join(parts)


def page(text: str, marked: Sequence[FaultTest]) -> str:
    """
    The page with its table made again.

    Raises:
        UsageError: the page has no place for it.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UsageError(f"{PAGE} has no place for the table; put a line {BEGIN} and a line {END} into it")
    return f"{before}{BEGIN}\n\n{section(marked)}\n{END}{after}"


def main(*, as_json: bool = False, write: bool = False, root: Path = ROOT) -> int:
    """
    The `ci faults` command.

    Returns:
        The exit code.
    """
    marked = gather(root)
    wrong = problems(marked)
    if as_json:
        print(json.dumps(as_dict(marked), indent=1, ensure_ascii=False))
    else:
        tables.show(table(marked))
        for sentence in wrong:
            print(f"  {sentence}")
    if write:
        from ptycho.files import write_text

        write_text(root / PAGE, page((root / PAGE).read_text(encoding="utf-8"), marked))
    return int(Verdict.FAIL if wrong else Verdict.PASS)
