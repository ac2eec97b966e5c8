"""The score of a campaign: when it is a pass, what it counts, and which mutants a sample takes."""

from types import SimpleNamespace
from typing import Any

import pytest

from harness.faults.mutation import campaign, trial
from harness.faults.mutation.campaign import MutationScore
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.result import MutantOutcome, MutantTrial
from harness.system.signals import Interruption
from ptycho.verdict import Verdict
from tests.support import planted

KILLED = planted.trial(planted.mutant("torch"))
LATE = planted.trial(planted.mutant("tf"), MutantOutcome.LATE, at="R6", how="rung", guilty=("tf",))
ALIVE = planted.trial(planted.mutant("tf"), MutantOutcome.SURVIVED, at=None)
WRONG = planted.trial(planted.mutant("tf"), at="R4", how="rung", guilty=("torch",))
SILENT = planted.trial(planted.mutant("tf"), at="lane", how="lane")
UNDECIDED = planted.trial(planted.mutant("tf"), MutantOutcome.ERROR, at=None, error="ended with -9")
EQUIVALENT = planted.trial(planted.mutant("core", dies_at=None), MutantOutcome.SURVIVED, at=None)
BROKEN = planted.trial(planted.mutant("core", dies_at=None), at="R4", how="rung")


@pytest.mark.parametrize(
    ("trials", "verdict"),
    [
        ([KILLED, EQUIVALENT], Verdict.PASS),
        ([KILLED, SILENT], Verdict.PASS),
        ([], Verdict.FAIL),
        ([KILLED, LATE], Verdict.FAIL),
        ([KILLED, ALIVE], Verdict.FAIL),
        ([KILLED, BROKEN], Verdict.FAIL),
        ([KILLED, UNDECIDED], Verdict.INFRA),
        ([ALIVE, UNDECIDED], Verdict.FAIL),
        ([KILLED] * 19 + [WRONG], Verdict.PASS),
        ([KILLED] * 18 + [WRONG], Verdict.FAIL),
    ],
)
def test_only_what_was_promised_is_a_pass(trials: list[MutantTrial], verdict: Verdict) -> None:
    assert MutationScore(trials=trials).verdict is verdict


def test_the_counts() -> None:
    score = MutationScore(trials=[KILLED, LATE, ALIVE, WRONG, SILENT, EQUIVALENT])
    assert (len(score.faults), score.killed, len(score.equivalents)) == (5, 3, 1)
    assert (len(score.named), score.rightly) == (2, 1)


def test_a_plain_comparator_is_counted_over_what_it_was_shown() -> None:
    shown = [
        planted.trial(planted.mutant("tf"), at="R4", how="rung", allclose={"plain": plain, "loss": loss, "other": True})
        for plain, loss in ((True, False), (True, True), (False, False))
    ]
    assert MutationScore(trials=[*shown, KILLED]).found_plainly(["plain", "loss"]) == (2, 3)


def mutants(count: int) -> tuple[Mutant, ...]:
    return tuple(planted.mutant("torch", id=f"m{number}") for number in range(count))


def test_a_sample_follows_from_its_seed_and_keeps_the_order() -> None:
    known = mutants(30)
    drawn = campaign.sample(known, 5, seed=1)
    assert (len(drawn), drawn) == (5, campaign.sample(known, 5, seed=1))
    assert list(drawn) == [mutant for mutant in known if mutant in drawn]
    assert drawn != campaign.sample(known, 5, seed=2)
    assert campaign.sample(known, 99, seed=1) == known


def place(interruption: Interruption) -> Any:
    return SimpleNamespace(interruption=interruption)


def test_a_trial_that_says_nothing_is_repeated_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def run(mutant: Mutant, _stage: Any) -> MutantTrial:
        tried.append(mutant.id)
        undecided = mutant.id == "m1" and tried.count("m1") == 1
        return planted.trial(mutant, MutantOutcome.ERROR if undecided else MutantOutcome.KILLED, at="R4", how="rung")

    monkeypatch.setattr(trial, "run", run)
    told: list[str] = []
    trials = campaign.run(mutants(3), place(Interruption()), jobs=2, on_trial=lambda made: told.append(made.mutant.id))
    assert [item.mutant.id for item in trials] == ["m0", "m1", "m2"]
    assert tried[-1] == told[-1] == "m1"
    assert {item.outcome for item in trials} == {MutantOutcome.KILLED}


def test_an_interrupted_campaign_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    interruption = Interruption()

    def run(mutant: Mutant, _stage: Any) -> MutantTrial:
        interruption.signals.append(2)
        return planted.trial(mutant)

    monkeypatch.setattr(trial, "run", run)
    with pytest.raises(KeyboardInterrupt, match="SIGINT"):
        campaign.run(mutants(40), place(interruption), jobs=1)
