"""Faults in the harness itself: its ladder is judged by its self-check, everything else by the tests of its file."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.faults.mutation import trial
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import MutantOutcome
from harness.faults.mutation.setup import MutationSetup
from harness.isolation import source_overlay
from harness.isolation.source_overlay import Edit
from tests.support import planted


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MutationSetup]:
    """A stage without any answers: tests need none."""
    folder = tmp_path_factory.mktemp("stage")
    kept, events, interruption = planted.run_root(folder)
    tree = source_overlay.copy(planted.ROOT, kept.scratch / "clean")
    yield MutationSetup(
        tree=tree, kept=kept, events=events, interruption=interruption, pythons={}, scan=folder, clean=()
    )
    events.close()


def mutant(file: str, old: str, new: str, **changes: Any) -> Mutant:
    given = {"id": "a", "guilty": "harness", "story": "s", "dies_at": "R10", **changes}
    return Mutant(edits=(Edit(file=file, old=old, new=new),), **given)


@pytest.mark.slow
def test_a_file_outside_the_ladder_is_judged_by_its_tests(place: MutationSetup) -> None:
    made = trial.run(mutant("harness/system/signals.py", "len(self.signals) > 1", "len(self.signals) > 2"), place)
    assert (made.outcome, made.found.at, made.found.how) == (MutantOutcome.KILLED, "R10", "tests")
    assert made.found.detail.startswith("FAILED")


@pytest.mark.deep
def test_a_change_that_no_test_sees_lives(place: MutationSetup) -> None:
    file = "harness/system/signals.py"
    first = (planted.ROOT / file).read_text(encoding="utf-8").splitlines()[1]  # of its docstring
    made = trial.run(mutant(file, first, f"{first} No test reads this.", dies_at=None, proof="p"), place)
    assert (made.outcome, made.is_right) == (MutantOutcome.SURVIVED, True)


def test_a_file_without_tests_is_undecided(place: MutationSetup) -> None:
    made = trial.run(_untested(), place)
    assert (made.outcome, made.found.error) == (
        MutantOutcome.ERROR,
        "there are no tests of it: tests/harness/report/test_svg.py",
    )


def _untested() -> Mutant:
    text = (planted.ROOT / "harness" / "report" / "svg.py").read_text(encoding="utf-8")
    first = text.splitlines()[1]
    assert text.count(first) == 1
    return mutant("harness/report/svg.py", first, f"{first} ")
