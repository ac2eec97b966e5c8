"""Results that are written down as they end: a killed campaign goes on, and never with results of other code."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.faults.mutation import records
from harness.faults.mutation.result import MutantOutcome, MutantTrial
from harness.faults.mutation.user_path.hints import Spot
from tests.support import planted

MUTANT = replace(planted.mutant("torch"), kind="raises", spot=Spot(file="a.py"))
MADE = planted.trial(
    MUTANT,
    MutantOutcome.CONTRADICTED,
    at="R4",
    how="rung",
    guilty=("torch",),
    disagreements=("a",),
    allclose={"x": True},
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    records.append(tmp_path / "new", MADE, "code")
    assert records.read(tmp_path / "new", [MUTANT], "code") == ({MUTANT.id: MADE}, 0)
    assert records.read(tmp_path / "nothing", [MUTANT], "code") == ({}, 0)


def test_an_undecided_trial_is_made_again(tmp_path: Path) -> None:
    records.append(tmp_path, planted.trial(MUTANT, MutantOutcome.ERROR, at=None, error="e"), "code")
    assert records.read(tmp_path, [MUTANT], "code") == ({}, 0)


def test_results_of_other_code_or_another_entry_do_not_count(tmp_path: Path) -> None:
    records.append(tmp_path, MADE, "code")
    assert records.read(tmp_path, [MUTANT], "other") == ({}, 1)
    assert records.read(tmp_path, [replace(MUTANT, dies_at="R5")], "code") == ({}, 1)
    assert records.read(tmp_path, [replace(MUTANT, story="In other words.")], "code")[1] == 0
    assert records.read(tmp_path, [planted.mutant("tf")], "code") == ({}, 0)
    again = replace(MADE, seconds=9.0)
    records.append(tmp_path, again, "other")
    assert records.read(tmp_path, [MUTANT], "other") == ({MUTANT.id: again}, 0)


def test_a_line_that_was_cut_off_takes_no_other_along(tmp_path: Path) -> None:
    records.append(tmp_path, MADE, "code")
    path = tmp_path / records.FILE
    path.write_text(path.read_text() + json.dumps({"id": "torn"})[:5])
    other: MutantTrial = planted.trial(planted.mutant("tf"))
    records.append(tmp_path, other, "code")
    assert set(records.read(tmp_path, [MUTANT, other.mutant], "code")[0]) == {MUTANT.id, other.mutant.id}


@pytest.mark.parametrize(
    ("file", "counts"), [("ptycho/a.py", True), ("harness/report/a.py", True), ("harness/faults/mutation/a.py", False)]
)
def test_the_code_is_the_packages_without_what_tries_mutants(tmp_path: Path, file: str, counts: bool) -> None:
    before = records.of_code(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("a = 1\n")
    assert (records.of_code(tmp_path) != before) is counts
