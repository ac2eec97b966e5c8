"""The table of what a target file may say: complete, consistent with itself, and documented."""

from pathlib import Path

import pytest

from harness import target_schema
from harness.target_schema import ALLOWED, PLACEHOLDERS, REQUIRED, SCHEMA

DOCS = Path(__file__).resolve().parents[2] / "docs" / "targets.md"


def test_every_default_is_a_value_that_would_be_accepted() -> None:
    wrong = [
        f"{name}.{key}"
        for name, table in SCHEMA.items()
        for key, row in table.keys.items()
        if row.default is not REQUIRED and not row.kind.holds(row.default)
    ]
    assert wrong == []


def test_tables_with_other_placeholders_are_tables_and_their_placeholders_known() -> None:
    assert [name for name in ALLOWED if name not in SCHEMA] == []
    assert [name for names in ALLOWED.values() for name in names if name not in PLACEHOLDERS] == []


def test_every_table_key_and_placeholder_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    keys = {f"`{key}`" for table in SCHEMA.values() for key in table.keys}
    tables = {f"`[[{name}]]`" if table.many else f"`[{name}]`" for name, table in SCHEMA.items()}
    placeholders = {f"`{{{name}}}`" for name in PLACEHOLDERS}
    assert sorted(word for word in keys | tables | placeholders if word not in text) == []


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (target_schema.WHOLE, [1, 7], [0, -1, True, 1.5, "1"]),
        (target_schema.SEED, [0, 3], [-1, False, "0"]),
        (target_schema.SECONDS, [1, 0.5], [0, -2, True, "9"]),
        (target_schema.MEBIBYTES, [0, 0.5, 512], [-1, True, "9"]),
        (target_schema.PHASES, [{}, {"data": 1.5}], [{"data": 0}, {"data": "1"}, [1], 3]),
        (target_schema.NAMES, [["a"]], [[], "a", ["a", 1]]),
        (target_schema.RANGE, [[0, 1.5]], [[1, 1], [2, 1], [0], [0, "1"], "01"]),
        (target_schema.LAYOUT, [True, False, "refused"], ["yes", 1, None]),
        (target_schema.CHANGES, ["files", "output"], ["both", 1]),
    ],
)
def test_kinds_accept_what_they_say(kind: target_schema.Kind, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not kind.holds(value)] == []
    # 1 == True, so that a set or `in` would let it through.
    assert [value for value in bad if kind.holds(value)] == []
