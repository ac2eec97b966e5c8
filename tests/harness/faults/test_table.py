"""The table of faults is complete, its tests exist and prove their injections; and what is not so is found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.faults import table
from harness.faults.rows import ROWS
from harness.faults.table import ROOT, FaultTest
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

FINE = """
import pytest
from injected import bites

@pytest.mark.fault("hang")
def test_one() -> None:
    bites(1 == 1, "one is one")
"""

OF_A_CLASS = """
import pytest

@pytest.mark.fault("leaks")
class TestA:
    def test_one(self) -> None:
        bites(1, "x")
"""
OF_A_PARAMETER = """
import pytest

@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.fault("leaks"))])
def test_one(n: int) -> None:
    bites(n, "x")
"""


def _tree(folder: Path, source: str) -> Path:
    (folder / "tests").mkdir()
    (folder / "tests" / "test_a.py").write_text(source)
    return folder


def test_every_row_has_a_test_and_every_test_proves_its_injection() -> None:
    assert table.problems(table.gather()) == []


@pytest.mark.deep
def test_every_test_of_the_table_is_one_that_pytest_collects() -> None:
    marked = [item.test for item in table.gather() if item.test.startswith(("tests/harness", "tests/ptycho"))]
    argv = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", "fault", "-p", "no:cacheprovider"]
    listed = subprocess.check_output([*argv, "tests/harness", "tests/ptycho"], cwd=ROOT, text=True)
    collected = {line.partition("[")[0] for line in listed.splitlines() if "::" in line}
    assert sorted(collected) == sorted(marked)


def test_the_page_is_what_the_tests_say() -> None:
    text = (ROOT / table.PAGE).read_text(encoding="utf-8")
    assert table.page(text, table.gather()) == text, "run: python -m harness ci faults --write"


def test_ids_are_unique_and_no_cell_is_empty() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert [row.id for row in ROWS if not (row.id and row.fault and row.injection and row.behaviour)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (FINE, [FaultTest(test="tests/test_a.py::test_one", rows=("hang",), proves=True)]),
        (
            FINE.replace("bites(1 == 1", "print(1 == 1"),
            [FaultTest(test="tests/test_a.py::test_one", rows=("hang",), proves=False)],
        ),
        (FINE.replace('@pytest.mark.fault("hang")\n', ""), []),
        (FINE.replace("def test_one", "def helper"), []),
        (
            FINE.replace("    bites(", "    helper()\n\ndef helper() -> None:\n    bites("),
            [FaultTest(test="tests/test_a.py::test_one", rows=("hang",), proves=True)],
        ),
        (
            FINE.replace("test_one()", "test_one(full: int)").replace(
                "    bites(", "    pass\n\ndef full() -> None:\n    bites("
            ),
            [FaultTest(test="tests/test_a.py::test_one", rows=("hang",), proves=True)],
        ),
        (
            FINE.replace("@pytest.mark.fault", '@pytest.mark.fault("clock")\n@pytest.mark.fault'),
            [FaultTest(test="tests/test_a.py::test_one", rows=("clock", "hang"), proves=True)],
        ),
        (
            OF_A_CLASS,
            [FaultTest(test="tests/test_a.py::TestA::test_one", rows=("leaks",), proves=True)],
        ),
        (
            OF_A_PARAMETER,
            [FaultTest(test="tests/test_a.py::test_one", rows=("leaks",), proves=True)],
        ),
    ],
)
def test_marks_and_proofs_are_read_from_the_sources(tmp_path: Path, source: str, found: list[FaultTest]) -> None:
    assert table.gather(_tree(tmp_path, source)) == found


def test_a_row_without_a_test_and_a_test_without_a_row_or_a_proof_are_red(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _tree(tmp_path, FINE.replace('"hang"', '"flood"').replace("bites(1", "print(1"))
    assert table.main(root=root) == Verdict.FAIL
    said = capsys.readouterr().out
    assert "  row hang: no test injects it\n" in said
    assert "  tests/test_a.py::test_one: there is no row 'flood'\n" in said
    assert "  tests/test_a.py::test_one does not assert that its injection was there: call bites()\n" in said
    full = "".join(FINE.replace('"hang"', f'"{row.id}"').replace("test_one", f"test_{n}") for n, row in enumerate(ROWS))
    (root / "tests" / "test_a.py").write_text(full)
    assert table.main(root=root) == Verdict.PASS


def test_json_is_one_document_with_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.main(as_json=True, root=_tree(tmp_path, FINE)) == Verdict.FAIL
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["rows"], told["covered"], told["tests"]) == ("fail", len(ROWS), 1, 1)
    assert {row["id"]: row["tests"] for row in told["table"]}["hang"] == ["tests/test_a.py::test_one"]


def test_the_page_is_written_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    root = _tree(tmp_path, FINE)
    page = root / table.PAGE
    page.parent.mkdir()
    page.write_text(f"before\n{table.BEGIN}\nOUTDATED\n{table.END}\nafter\n")
    table.main(write=True, root=root)
    text = page.read_text()
    assert (text.startswith("before\n"), text.endswith("\nafter\n"), "OUTDATED" in text) == (True, True, False)
    assert "- `tests/test_a.py::test_one`" in text
    page.write_text("no place")
    with pytest.raises(UsageError, match="has no place for the table"):
        table.main(write=True, root=root)


def test_without_a_checkout_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run this in a checkout"):
        table.gather(tmp_path)
