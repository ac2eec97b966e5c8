"""What a campaign shows away from a terminal: a line a mutant, or nothing."""

from dataclasses import replace

import pytest

from harness.faults.mutation.progress import MutationProgress
from harness.faults.mutation.result import MutantOutcome
from tests.support import planted


def test_a_line_a_mutant(capsys: pytest.CaptureFixture[str]) -> None:
    mutants = [planted.mutant("torch", id="dies"), planted.mutant("tf", id="lives")]
    with MutationProgress(mutants, quiet=False) as shown:
        shown.tried(planted.trial(mutants[0], at="R4", how="crash"))
        shown.tried(planted.trial(mutants[1], MutantOutcome.SURVIVED, at=None))
    lines = [line.partition(" s  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["1/2  dies: killed at R4 (crash), 2 s; about 2 s left", "2/2  lives: survived, 2 s"]


def test_what_is_left_follows_from_what_this_campaign_took(capsys: pytest.CaptureFixture[str]) -> None:
    mutants = [planted.mutant("torch", id=f"m{number}") for number in range(10)]
    with MutationProgress(mutants, quiet=False, before=5) as shown:
        shown.tried(replace(planted.trial(mutants[5]), seconds=600.0))
        # Two at a time: the second ended with the first.
        shown.tried(replace(planted.trial(mutants[6]), seconds=600.0))
    lines = [line.rpartition("; ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["about 40 min left", "about 15 min left"]


def test_nothing_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with MutationProgress([planted.mutant("torch")], quiet=True) as shown:
        shown.tried(planted.trial(planted.mutant("torch")))
        shown.say("anything")
    assert capsys.readouterr().out == ""
