"""Which test files judge a mutant, and under which interpreter."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.faults.mutation import tests_trial
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import PlantedMutant
from harness.faults.mutation.setup import MutationSetup
from harness.isolation import source_overlay
from harness.isolation.source_overlay import Edit
from tests.support import planted

EDIT = Edit(
    file="ptycho/training/ranks.py",
    old="if self.world > batch_size:",
    new="if self.world >= batch_size:",
    function="Ranks.admit",
)
MUTANT = Mutant(id="a", edits=(EDIT,), guilty="core", story="s", dies_at="tests")


@pytest.fixture
def place(tmp_path: Path) -> MutationSetup:
    kept, events, interruption = planted.run_root(tmp_path)
    pythons = {"torch": "python-of-torch", "tf": "python-of-tf"}
    return MutationSetup(
        tree=tmp_path, kept=kept, events=events, interruption=interruption, pythons=pythons, scan=tmp_path, clean=()
    )


@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("harness/isolation/leaks.py", "tests/harness/isolation/test_leaks.py"),
        ("harness/faults/mutation/trial.py", "tests/harness/faults/mutation/test_trial.py"),
        ("ptycho/training/ranks.py", "tests/ptycho/training/test_ranks.py"),
        ("ptycho_torch/distributed.py", "tests/torch/test_distributed.py"),
        ("ptycho_tf/optimizer.py", "tests/tf/test_optimizer.py"),
    ],
)
def test_tests_of_a_file_have_its_name(file: str, tests: str) -> None:
    assert tests_trial.tests_of(file) == tests
    assert (planted.ROOT / tests).is_file()


def test_tests_of_a_backend_run_under_its_interpreter(place: MutationSetup) -> None:
    assert tests_trial.interpreter(("tests/ptycho/test_a.py",), place) == sys.executable
    assert tests_trial.interpreter(("tests/tf/test_a.py",), place) == "python-of-tf"
    assert tests_trial.interpreter(("tests/torch/test_a.py", "tests/ptycho/test_a.py"), place) == "python-of-torch"


def _planted(place: MutationSetup, mutant: Mutant) -> PlantedMutant:
    root = source_overlay.copy(planted.ROOT, place.kept.scratch / "a.code")
    source_overlay.apply(mutant.edits, root)
    return PlantedMutant(mutant=mutant, root=root, label="a.first")


@pytest.mark.slow
def test_a_fault_of_the_core_is_found_by_the_test_file_of_its_name(place: MutationSetup) -> None:
    found = tests_trial.run(_planted(place, MUTANT), place)
    assert (found.at, found.how) == ("tests", "tests")
    assert "test_more_ranks_than_groups_are_refused" in found.detail


@pytest.mark.slow
def test_a_fault_survives_test_files_that_do_not_look_there(place: MutationSetup) -> None:
    found = tests_trial.run(_planted(place, replace(MUTANT, tests=("tests/ptycho/test_params.py",))), place)
    assert (found.at, found.error) == (None, "")


def test_a_file_without_tests_is_undecided(place: MutationSetup) -> None:
    mutant = replace(MUTANT, edits=(replace(EDIT, file="ptycho/training/none.py"),))
    found = tests_trial.run(PlantedMutant(mutant=mutant, root=place.tree, label="a.first"), place)
    assert found.error == "there are no tests of it: tests/ptycho/training/test_none.py"
