"""The catalogue that ships: it fits the code, and every class of fault has mutants on each side that can have it."""

from collections import Counter
from pathlib import Path

import pytest

from harness.faults.mutation import catalogue, entry
from harness.faults.mutation.catalogue import FOLDER, Mutant
from harness.faults.mutation.entry import LADDER, LANE, SELF_CHECK, TESTS
from ptycho.errors import UsageError
from ptycho.fingerprint import ROOT

MORE = FOLDER / catalogue.MORE
CLASSES = (
    *(
        "bfloat16",
        "configuration-and-artifacts",
        "coordinates-and-stitching",
        "data-and-store",
        "equivalent",
        "files-and-options",
    ),
    *("framework-pitfalls", "harness", "intensity-and-loss", "limits", "masks", "optimiser-and-schedule", "physics"),
    *("raises", "reporting-and-horizon", "several-processes"),
)
LEAST = 80
"""Mutants that a score must rest on."""

ENDING, EDITS = 16, 42
"""Faults of each backend that keep it from answering, at least; one-line edits."""


@pytest.fixture(scope="module")
def shipped() -> tuple[Mutant, ...]:
    return catalogue.load()


def test_the_catalogue_fits_the_code(shipped: tuple[Mutant, ...]) -> None:
    # Loading refuses a text that does not occur exactly once, a change that does not compile, an id that is taken.
    assert len([mutant for mutant in shipped if mutant.dies_at]) >= LEAST


def test_the_near_relations_fit_the_code_too(shipped: tuple[Mutant, ...]) -> None:
    further = catalogue.load(MORE)
    assert set() == {mutant.id for mutant in further} & {mutant.id for mutant in shipped}


def test_every_class_has_a_file() -> None:
    assert set(CLASSES) == {path.stem for path in FOLDER.glob("*.toml")}
    assert {path.stem for path in MORE.glob("*.toml")} <= set(CLASSES)


def test_enough_faults_keep_each_backend_from_answering(shipped: tuple[Mutant, ...]) -> None:
    counted = Counter(mutant.guilty for mutant in shipped if mutant.ends)
    assert set(counted) == {"torch", "tf"}
    assert min(counted.values()) >= ENDING
    assert all(mutant.spot is not None and mutant.dies_at in LADDER for mutant in shipped if mutant.ends)


def test_the_edits_are_of_every_kind_on_both_sides() -> None:
    edits = catalogue.load(FOLDER / catalogue.EDITS)
    assert len(edits) == EDITS
    assert {(mutant.guilty, mutant.kind) for mutant in edits} == {
        (side, kind) for side in ("torch", "tf") for kind in entry.KINDS
    }
    assert all(mutant.spot is not None and mutant.dies_at in LADDER for mutant in edits)


def test_every_gate_has_mutants(shipped: tuple[Mutant, ...]) -> None:
    gates = Counter(mutant.dies_at for mutant in shipped if mutant.dies_at)
    assert {*LADDER, SELF_CHECK, LANE, TESTS} == {*gates}


def test_every_side_has_mutants_at_every_rung_that_judges_a_backend(shipped: tuple[Mutant, ...]) -> None:
    found = {(mutant.guilty, mutant.dies_at) for mutant in shipped}
    judging = ("R0", "R1", "R2", "R2b", "R3", "R4", "R5", "R6", "R7", "R8")
    assert set() == {(side, rung) for side in ("torch", "tf") for rung in judging} - found
    assert set() == {("core", rung) for rung in ("R0", "R1", "R2c", "R3", "R5", "R7", "R8", LANE)} - found


def test_the_guilty_side_is_whose_code_is_changed(shipped: tuple[Mutant, ...]) -> None:
    for mutant in (*shipped, *catalogue.load(MORE)):
        assert {mutant.guilty} == mutant.owners, mutant.id


def test_every_module_that_is_written_twice_has_mutants_on_both_sides(shipped: tuple[Mutant, ...]) -> None:
    files = {edit.file for mutant in shipped for edit in mutant.edits}
    twice = ("physics", "network", "assembly", "loss", "optimizer", "engine")
    assert set() == {f"ptycho_{side}/{name}.py" for side in ("torch", "tf") for name in twice} - files


def test_stories_are_sentences_and_proofs_are_arguments(shipped: tuple[Mutant, ...]) -> None:
    for mutant in (*shipped, *catalogue.load(MORE)):
        assert mutant.story.endswith((".", ")")), mutant.id
        assert bool(mutant.proof) != bool(mutant.dies_at), mutant.id
        assert not mutant.proof or len(mutant.proof.split()) > 10, mutant.id


def test_a_catalogue_that_the_code_has_outgrown_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "physics.toml").read_text(encoding="utf-8")
    (tmp_path / "physics.toml").write_text(text.replace("objects[:, :, None] * probe", "objects * probe", 1))
    with pytest.raises(UsageError, match="does not fit"):
        catalogue.load(tmp_path, ROOT)
