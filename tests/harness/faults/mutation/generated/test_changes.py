"""Changes out of a syntax tree: each kind at its exact place, none in types and docstrings, and what is equivalent."""

import pytest

from harness.faults.mutation.generated import changes

TEXT = '''"""Limits: 1 < 2."""
import numpy as np
LIMIT = 0.5


def judge(values: "list[int]", *, strict: bool = False) -> bool:
    """Return whether 3 > 2 – ümlaut."""
    if strict and len(values) <= LIMIT:
        raise ValueError(values[0])
    total = np.sum(values, axis=-1, dtype=np.float64) - 2
    values.append(total)
    return not total


class Ward:
    limit: int = 3

    def inner(self, a, b):
        return divmod(a, b)
'''


def found(function: str) -> dict[str, set[tuple[str, str]]]:
    """Old and new text of a function's changes, by kind."""
    listed: dict[str, set[tuple[str, str]]] = {}
    for change in changes.of_module("a.py", TEXT)[function]:
        listed.setdefault(change.kind, set()).add((change.old, change.new))
    return listed


def test_every_kind_is_there_at_its_place() -> None:
    assert found("judge") == {
        "operator": {("and", "or"), ("-", "+")},
        "comparison limit": {("<=", "<")},
        "constant": {("False", "True"), ("0", "1"), ("1", "2"), ("2", "3")},
        "branch dropped": {("strict and len(values) <= LIMIT", "False")},
        "statement dropped": {("raise ValueError(values[0])", "pass"), ("values.append(total)", "pass")},
        "axis": {("-1", "(-1 - 1)")},
        "operator dropped": {("-1", "(1)"), ("not total", "(total)")},
        "type": {("float64", "float32")},
        "argument dropped": {("axis=-1", "**{}"), ("dtype=np.float64", "**{}")},
        "result dropped": {("not total", "None")},
    }
    assert found("Ward.inner") == {
        "arguments swapped": {("a, b", "b, a")},
        "result dropped": {("divmod(a, b)", "None")},
    }


def test_what_lies_in_no_function_has_changes_too() -> None:
    assert found(changes.TOP) == {"constant": {("0.5", "(0.5 * 2)")}}
    assert found("Ward") == {"constant": {("3", "4")}}


@pytest.mark.parametrize("change", [c for listed in changes.of_module("a.py", TEXT).values() for c in listed], ids=str)
def test_a_change_replaces_exactly_its_own_text(change: changes.GeneratedChange) -> None:
    made = change.applied(TEXT)
    assert changes.compiles(made)
    assert made == TEXT[: change.start] + change.new + TEXT[change.start + len(change.old) :]
    assert TEXT.splitlines()[change.line - 1].find(change.old.splitlines()[0]) >= 0


def test_a_text_that_has_moved_is_refused() -> None:
    (change, *_) = changes.of_module("a.py", TEXT)["judge"]
    with pytest.raises(ValueError, match=r"a\.py:\d+: .* is not there; the code has changed"):
        change.applied(f"# {TEXT}")


def test_names_differ_and_stay() -> None:
    every = [c for listed in changes.of_module("a.py", TEXT).values() for c in listed]
    assert len({change.id for change in every}) == len(every)
    assert [c.id for listed in changes.of_module("a.py", TEXT).values() for c in listed] == [c.id for c in every]


def test_places_are_counted_in_characters_where_the_tree_counts_bytes() -> None:
    text = 'x = "ü" + "é" * 2 < 3\n'
    listed = {(c.old, c.new, c.start) for c in changes.of_module("a.py", text)[changes.TOP]}
    assert ("<", "<=", text.index("<")) in listed
    assert ("*", "/", text.index("*")) in listed


def test_imports_for_types_alone_are_never_executed() -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\n"
    assert changes.of_module("a.py", text) == {changes.TOP: []}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 2 * 3", "x = 6", True),
        ("x = 1", "x = 1.0", False),
        ("x = 1", "x = True", False),
        ("def f():\n    return 0\n", "def f():\n    return -0\n", True),
        ("def f():\n    return 0.0\n", "def f():\n    return -0.0\n", False),
        ("x = a < b", "x = a <= b", False),
        ("def f(a):\n    return g(a)\n", "def f(a):\n    return g(b)\n", False),
        ("def f():\n    def g(): return 1\n    return g\n", "def f():\n    def g(): return 2\n    return g\n", False),
    ],
)
def test_equal_instructions_are_equivalent(one: str, other: str, same: bool) -> None:
    assert changes.is_equivalent(one, other) is same
