"""Mutants of a checkout without frameworks, from text to verdict: killed, late, alive, dead, shared."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.faults.mutation import allclose, campaign, canaries, ladder_trial, setup, trial
from harness.faults.mutation.result import MutantOutcome, PlantedMutant
from harness.faults.mutation.setup import MutationSetup
from harness.isolation import source_overlay
from harness.parity.exchange import plan
from tests.support import planted


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MutationSetup]:
    """A stage at gridsize 1, with the rungs that cost little."""
    folder = tmp_path_factory.mktemp("stage")
    interpreter = str(planted.python(folder / "python"))
    kept, events, interruption = planted.run_root(folder / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "GRIDSIZES", (1,))
        patch.setattr(plan, "LOW", ("R0", "R1"))
        patch.setattr(plan, "HIGH", ("R3", "R4", "R5", "R6"))
        yield setup.set_up(
            kept,
            events,
            interruption,
            pythons={"torch": interpreter, "tf": interpreter},
            scan=Path(planted.ROOT, "tests", "fixtures", "pytorch_integration", "small.npz"),
            judged=("f64",),
            root=planted.checkout(folder / "checkout"),
        )
    events.close()


@pytest.mark.slow
def test_one_backends_fault_is_found_at_its_rung_and_laid_at_its_door(place: MutationSetup) -> None:
    made = trial.run(planted.mutant("tf"), place)
    assert (made.outcome, made.found.at, made.found.how, made.found.gridsize) == (MutantOutcome.KILLED, "R4", "rung", 1)
    assert made.found.guilty == ("tf",)
    assert made.found.detail.startswith("R4/phase; tf is ")


@pytest.mark.deep
def test_a_fault_below_the_tolerance_lives(place: MutationSetup) -> None:
    made = trial.run(planted.mutant("torch", "FACTOR = 1.0 + 1e-13\n", dies_at="R8"), place)
    assert (made.outcome, made.found.at) == (MutantOutcome.SURVIVED, None)


@pytest.mark.deep
def test_a_fault_that_shows_above_its_rung_is_late(place: MutationSetup) -> None:
    made = trial.run(planted.mutant("torch", dies_at="R3"), place)
    assert (made.outcome, made.found.at, made.is_right) == (MutantOutcome.LATE, "R4", False)


def test_code_that_cannot_be_imported_falls_at_the_first_rung(place: MutationSetup) -> None:
    made = trial.run(planted.mutant("torch", "import no_such_module\n"), place)
    assert (made.outcome, made.found.how, made.found.guilty) == (MutantOutcome.KILLED, "rung", ("torch",))
    assert made.found.detail.endswith("ModuleNotFoundError: No module named 'no_such_module'")


@pytest.mark.slow
def test_code_that_kills_its_own_process_is_killed(place: MutationSetup) -> None:
    made = trial.run(planted.mutant("torch", "import os\nos.kill(os.getpid(), 9)\n"), place)
    assert (made.outcome, made.found.guilty) == (MutantOutcome.KILLED, ("torch",))


def test_a_machine_without_memory_says_nothing(place: MutationSetup) -> None:
    made = trial.run(planted.mutant("torch", "raise MemoryError\n"), place)
    assert made.outcome is MutantOutcome.ERROR
    assert made.found.error.startswith("torch raised MemoryError")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guilty", "new", "asked", "found"),
    [
        ("tf", "FACTOR = 1.0 + 1e-16\n", {"tf"}, set()),
        ("core", "FACTOR = 1.0 + 1e-16\n", {"tf", "torch"}, set()),
        ("torch", "import no_such_module\n", {"torch"}, set(allclose.KEYS)),
    ],
)
def test_outputs_of_the_changed_sides_are_compared_plainly(
    place: MutationSetup, tmp_path: Path, guilty: str, new: str, asked: set[str], found: set[str]
) -> None:
    mutant = planted.mutant(guilty, new)
    root = source_overlay.copy(place.tree, tmp_path / "code", sorted(path.name for path in place.tree.iterdir()))
    source_overlay.apply(mutant.edits, root)
    label = f"plain-{guilty}"
    kills = ladder_trial.plainly(PlantedMutant(mutant=mutant, root=root, label=label), place)
    (item,) = place.wanted(1, allclose.PRECISION)
    # A comparator that rejects the clean pair finds everything.
    rejected = {name for name, kill in allclose.kills(item.answers).items() if kill}
    assert kills is not None
    assert {name for name, kill in kills.items() if kill} == rejected | found
    folders = {path.name for path in place.kept.scratch.glob(f"{label}.plain.*")}
    assert folders == {f"{label}.plain.{side}" for side in asked}


@pytest.mark.slow
def test_an_equivalent_lives_and_nothing_is_left(place: MutationSetup) -> None:
    made = trial.run(planted.mutant("tf", "FACTOR = 2.0 - 1.0\n", dies_at=None), place)
    assert (made.outcome, made.is_right, made.found.allclose) == (MutantOutcome.SURVIVED, True, None)
    assert [path.name for path in place.kept.scratch.glob("factor-*")] == []


@pytest.mark.deep
def test_a_campaign_tells_of_each_and_keeps_the_order(place: MutationSetup) -> None:
    mutants = [planted.mutant("torch"), planted.mutant("tf", dies_at="R3")]
    told: list[str] = []
    trials = campaign.run(mutants, place, jobs=2, on_trial=lambda made: told.append(made.mutant.id))
    assert [item.mutant.id for item in trials] == ["factor-torch", "factor-tf"]
    assert sorted(told) == ["factor-tf", "factor-torch"]
    assert canaries.complaints(trials) == ["canary factor-tf late; it must be killed at R3: it means: Too large."]


def test_the_clean_pair_must_stand(place: MutationSetup) -> None:
    (item, *_) = place.wanted(1, "f64")
    wrong = {**item.answers["tf"].arrays, "R4/phase": -item.answers["tf"].arrays["R4/phase"]}
    spoilt = replace(item, answers={**item.answers, "tf": replace(item.answers["tf"], arrays=wrong)})
    assert setup.standing(item) == []
    assert setup.standing(spoilt) == ["f64, gridsize 1: R4 is fail at R4/phase"]


def test_questions_in_parts_are_one_again(place: MutationSetup) -> None:
    assert [(item.gridsize, item.precision) for item in place.clean] == [(1, "f64"), (1, "f32"), (1, "bf16")]
    (item, *_) = place.clean
    assert item.request.quantities == ("R0", "R1", "R3", "R4", "R5", "R6")
    assert {"R0", "R1"} <= set(item.answers["torch"].exact)
    assert {name.partition("/")[0] for name in item.answers["torch"].arrays} == {"R3", "R4", "R5", "R6"}
