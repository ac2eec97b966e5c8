"""Canaries: which mutants are cheap enough, how they are drawn, and that a survivor is reported."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.faults.mutation import campaign, canaries
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import MutantOutcome, MutantTrial
from harness.faults.mutation.setup import MutationSetup
from tests.support import planted

KNOWN = tuple(planted.mutant(side, id=f"{side}-{number}") for side in ("torch", "tf") for number in range(10))


def test_a_draw_follows_from_its_seed_and_takes_both_backends() -> None:
    drawn = canaries.draw(3, 4, KNOWN)
    assert drawn == canaries.draw(3, 4, KNOWN)
    assert sorted(mutant.guilty for mutant in drawn) == ["tf", "tf", "torch", "torch"]
    assert len({canaries.draw(seed, 4, KNOWN) for seed in range(10)}) > 5


def test_a_draw_is_no_larger_than_what_there_is() -> None:
    assert len(canaries.draw(3, 99, KNOWN)) == len(KNOWN)
    assert canaries.draw(3, 0, KNOWN) == ()


@pytest.mark.parametrize(
    ("mutant", "cheap"),
    [
        (planted.mutant("torch"), True),
        (planted.mutant("tf", dies_at="R0"), True),
        (planted.mutant("tf", dies_at="R8"), False),
        (planted.mutant("tf", dies_at="lane"), False),
        (planted.mutant("tf", dies_at=None), False),
        (planted.mutant("tf", precision="f32"), False),
        (planted.mutant("core"), False),
    ],
)
def test_what_needs_more_than_an_adapter_is_left_out(mutant: Mutant, cheap: bool) -> None:
    assert canaries.cheap(mutant) is cheap


def test_a_canary_that_lives_or_names_the_wrong_side_is_reported() -> None:
    trials = [
        planted.trial(planted.mutant("torch", id="dies")),
        planted.trial(planted.mutant("torch", id="lives"), MutantOutcome.SURVIVED, at=None),
        planted.trial(planted.mutant("tf", id="misnames"), at="R4", how="rung", guilty=("torch",)),
    ]
    assert canaries.complaints(trials) == [
        "canary lives survived; it must be killed at R4: it means: Too large.",
        "canary misnames names ('torch',); it is tf",
    ]


def test_canaries_are_tried_on_the_runs_own_figures_in_the_gates_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, events, interruption = planted.run_root(tmp_path)
    heard: Any = [SimpleNamespace(question=SimpleNamespace(precision=name), name=name) for name in ("f64", "f32")]
    given: list[MutationSetup] = []

    def run(drawn: Sequence[Mutant], place: MutationSetup, *, jobs: int) -> list[MutantTrial]:
        given.append(place)
        return [planted.trial(mutant) for mutant in drawn]

    monkeypatch.setattr(campaign, "run", run)
    monkeypatch.setattr(canaries, "merged", lambda items: [item.name for item in items])
    pythons = {"torch": "a", "tf": "b"}
    drawn = canaries.draw(1, 2, KNOWN)
    trials = canaries.run(drawn, heard, kept, events, interruption, pythons=pythons, scan=tmp_path)
    events.close()
    assert [item.mutant for item in trials] == list(drawn)
    (place,) = given
    assert list(map(str, place.clean)) == ["f64"]
    assert place.pythons == pythons
    assert {path.name for path in place.tree.iterdir()} == {"harness", "ptycho", "ptycho_tf", "ptycho_torch"}
