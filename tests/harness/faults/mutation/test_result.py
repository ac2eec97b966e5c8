"""What a gate said is held against what a mutant's entry promises."""

import pytest

from harness.faults.mutation import result
from harness.faults.mutation.result import Found, Outcome
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
    assert result.judged(planted.mutant("torch", dies_at=dies_at), found) is outcome


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
