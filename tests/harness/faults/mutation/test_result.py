"""What a gate said is held against what a mutant's entry promises."""

import pytest

from harness.faults.mutation import result
from harness.faults.mutation.result import GateAnswer, MutantOutcome
from tests.support import planted


@pytest.mark.parametrize(
    ("dies_at", "found", "outcome"),
    [
        ("R4", GateAnswer(at="R4", how="rung"), MutantOutcome.KILLED),
        ("R4", GateAnswer(at="R0", how="rung"), MutantOutcome.KILLED),
        ("R4", GateAnswer(at="R6", how="rung"), MutantOutcome.LATE),
        ("R4", GateAnswer(at="R4", how="crash"), MutantOutcome.KILLED),
        ("R0", GateAnswer(at="R1", how="refused"), MutantOutcome.KILLED),
        ("R4", GateAnswer(), MutantOutcome.SURVIVED),
        ("R4", GateAnswer(at="R4", how="rung", error="killed"), MutantOutcome.ERROR),
        ("lane", GateAnswer(at="lane", how="lane"), MutantOutcome.KILLED),
        ("R10", GateAnswer(at="R10", how="self-check"), MutantOutcome.KILLED),
        (None, GateAnswer(at="R8", how="rung"), MutantOutcome.KILLED),
        (None, GateAnswer(), MutantOutcome.SURVIVED),
    ],
)
def test_a_verdict_is_held_against_the_promise(dies_at: str | None, found: GateAnswer, outcome: MutantOutcome) -> None:
    assert result.judged(planted.mutant("torch", dies_at=dies_at), found) is outcome


@pytest.mark.parametrize(
    ("dies_at", "outcome", "right"),
    [
        ("R4", MutantOutcome.KILLED, True),
        ("R4", MutantOutcome.LATE, False),
        ("R4", MutantOutcome.SURVIVED, False),
        (None, MutantOutcome.SURVIVED, True),
        (None, MutantOutcome.KILLED, False),
        (None, MutantOutcome.ERROR, False),
    ],
)
def test_a_mutant_must_die_and_an_equivalent_must_live(
    dies_at: str | None, outcome: MutantOutcome, right: bool
) -> None:
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
