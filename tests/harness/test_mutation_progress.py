"""What a campaign shows away from a terminal: a line a mutant, or nothing."""

import planted
import pytest

from harness.mutation.progress import Progress
from harness.mutation.trial import Outcome


def test_a_line_a_mutant(capsys: pytest.CaptureFixture[str]) -> None:
    mutants = [planted.mutant("torch", id="dies"), planted.mutant("tf", id="lives")]
    with Progress(mutants, quiet=False) as shown:
        shown.tried(planted.trial(mutants[0], at="R4", how="crash"))
        shown.tried(planted.trial(mutants[1], Outcome.SURVIVED, at=None))
    lines = [line.partition(" s  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["1/2  dies: killed at R4 (crash), 2 s", "2/2  lives: survived, 2 s"]


def test_nothing_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress([planted.mutant("torch")], quiet=True) as shown:
        shown.tried(planted.trial(planted.mutant("torch")))
        shown.say("anything")
    assert capsys.readouterr().out == ""
