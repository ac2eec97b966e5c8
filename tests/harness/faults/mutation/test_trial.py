"""What a gate's verdict means for a mutant, and which gate a mutant is led to."""

import pytest

from harness.faults.mutation import ladder_trial, lane_trial, self_check_trial
from harness.faults.mutation import trial as mutation_trial
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.trial import Found, Outcome
from harness.faults.mutation.user_path import trial
from harness.isolation.source_overlay import Edit
from ptycho.parity.request import QUANTITIES
from tests.support import planted


@pytest.mark.parametrize(
    ("dies_at", "found", "outcome"),
    [
        ("R4", Found(at="R4", how="rung"), Outcome.KILLED),
        ("R4", Found(at="R0", how="rung"), Outcome.KILLED),
        ("R4", Found(at="R6", how="rung"), Outcome.LATE),
        ("R4", Found(at="R4", how="crash"), Outcome.KILLED),
        ("R0", Found(at="R1", how="refused"), Outcome.KILLED),
        ("R4", Found(), Outcome.SURVIVED),
        ("R4", Found(at="R4", how="rung", error="killed"), Outcome.ERROR),
        ("lane", Found(at="lane", how="lane"), Outcome.KILLED),
        ("R10", Found(at="R10", how="self-check"), Outcome.KILLED),
        (None, Found(at="R8", how="rung"), Outcome.KILLED),
        (None, Found(), Outcome.SURVIVED),
    ],
)
def test_a_verdict_is_held_against_the_promise(dies_at: str | None, found: Found, outcome: Outcome) -> None:
    assert mutation_trial.judged(planted.mutant("torch", dies_at=dies_at), found) is outcome


@pytest.mark.parametrize(
    ("dies_at", "outcome", "right"),
    [
        ("R4", Outcome.KILLED, True),
        ("R4", Outcome.LATE, False),
        ("R4", Outcome.SURVIVED, False),
        (None, Outcome.SURVIVED, True),
        (None, Outcome.KILLED, False),
        (None, Outcome.ERROR, False),
    ],
)
def test_a_mutant_must_die_and_an_equivalent_must_live(dies_at: str | None, outcome: Outcome, right: bool) -> None:
    assert planted.trial(planted.mutant("tf", dies_at=dies_at), outcome).is_right is right


@pytest.mark.parametrize(
    ("guilty", "named", "right"),
    [
        ("torch", ("torch",), True),
        ("torch", ("tf",), False),
        ("torch", ("tf", "torch"), False),
        ("core", ("tf", "torch"), True),
        ("core", ("torch",), False),
        ("core", (), None),
    ],
)
def test_who_is_named_is_held_against_who_is_guilty(guilty: str, named: tuple[str, ...], right: bool | None) -> None:
    assert planted.trial(planted.mutant(guilty), at="R4", guilty=named).names_guilty is right


def test_rungs_above_the_declared_one_are_not_asked_for() -> None:
    assert mutation_trial.up_to("R4") == QUANTITIES[: QUANTITIES.index("R4") + 1]
    assert mutation_trial.up_to("R10") == QUANTITIES


def of(file: str, dies_at: str | None = "R4") -> Mutant:
    return Mutant(id="a", edits=(Edit(file=file, old="a", new="b"),), guilty="core", story="s", dies_at=dies_at)


@pytest.mark.parametrize(
    ("mutant", "gate"),
    [
        (of("ptycho_torch/a.py"), trial.run),
        (of("ptycho_tf/a.py", None), trial.run),
        (of("ptycho/a.py"), trial.run),
        (of("harness/parity/judge/oracle.py"), trial.run),
        (of("harness/parity/a.py", "R10"), self_check_trial.run),
        (of("harness/parity/a.py", None), self_check_trial.run),
        (of("ptycho_tf/a.py", "lane"), lane_trial.run),
    ],
)
def test_whose_code_is_changed_decides_how_it_is_tried(mutant: Mutant, gate: mutation_trial.Gate) -> None:
    assert mutation_trial.gate_of(mutant, as_user=True) is gate


def test_a_canary_takes_the_shorter_way() -> None:
    assert mutation_trial.gate_of(of("ptycho_torch/a.py")) is ladder_trial.one_side
