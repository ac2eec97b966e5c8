"""A mutant on the user's path, for real: the command line of the noxfile, from a copy, and everything it leaves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.faults.mutation import result, setup
from harness.faults.mutation import trial as mutation_trial
from harness.faults.mutation.result import MutantOutcome
from harness.faults.mutation.setup import MutationSetup
from harness.faults.mutation.user_path import ladder_run, trial
from ptycho.errors import InfrastructureError
from tests.support import planted

NOXFILE = Path(planted.ROOT, "noxfile.py")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MutationSetup]:
    """A campaign on a checkout of few rungs, without clean answers: nobody here needs them."""
    monkeypatch.setattr(ladder_run, "OPTIONS", planted.SHORT)
    interpreter = str(planted.python(tmp_path / "python"))
    kept, events, interruption = planted.run_root(tmp_path / "runs")
    yield setup.set_up(
        kept,
        events,
        interruption,
        pythons={"torch": interpreter, "tf": interpreter},
        scan=Path(planted.ROOT, "tests", "fixtures", "pytorch_integration", "small.npz"),
        root=planted.checkout(tmp_path / "checkout"),
        as_user=True,
        compared=False,
        asked=False,
    )
    events.close()


@pytest.mark.deep
def test_a_fault_is_killed_only_by_what_a_user_sees(place: MutationSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ladder_run.LadderRun] = []

    def kept(root: Path, label: str, where: MutationSetup) -> ladder_run.LadderRun:
        seen.append(walk_itself(root, label, where))
        return seen[-1]

    walk_itself = ladder_run.walk
    monkeypatch.setattr(ladder_run, "walk", kept)
    made = mutation_trial.run(planted.mutant("tf"), place)
    assert (made.outcome, made.found.disagreements) == (MutantOutcome.KILLED, ())
    assert (made.found.exit_code, made.found.at, made.found.guilty) == (1, "R4", ("tf",))
    (walked,) = seen
    # What is above would also hold for a ladder that was asked for one rung.
    assert {row["rung"].split()[0] for row in walked.events if row["event"] == "rung.end"} == {
        "R0",
        "R3",
        "R4",
        "R5",
        "R6",
    }
    assert not list(place.kept.scratch.glob("factor-*"))
    # One place that says otherwise is enough.
    for lie in (replace(walked, page_exit_code=0), replace(walked, exit_code=0), replace(walked, parity=None)):
        found = trial.judge(lie, planted.mutant("tf"))
        assert result.judged(planted.mutant("tf"), found) is MutantOutcome.CONTRADICTED


@pytest.mark.deep
def test_what_both_share_is_laid_at_both_doors(place: MutationSetup) -> None:
    made = mutation_trial.run(planted.mutant("core"), place)
    assert (made.outcome, made.found.at, made.found.guilty) == (MutantOutcome.KILLED, "R4", ("tf", "torch"))
    assert made.found.disagreements == ()


@pytest.mark.deep
def test_the_clean_copy_must_pass(place: MutationSetup) -> None:
    ladder_run.stands(place)
    (place.tree / planted.FILES["torch"]).write_text("FACTOR = 1.1\n")
    again = replace(place, kept=planted.run_root(place.kept.path / "again")[0])
    with pytest.raises(InfrastructureError, match="does not pass without a mutant: it ends with 1, its report with 1"):
        ladder_run.stands(again)


def test_the_command_line_is_that_of_the_session(place: MutationSetup) -> None:
    argv = ladder_run.command("python", {"torch": "A", "tf": "B"}, Path("R"))
    assert argv[:4] == ["python", "-m", "harness", "parity"]
    assert argv[4:6] == ["--python=torch=A", "--python=tf=B"]
    text = NOXFILE.read_text(encoding="utf-8")
    assert 'f"--python={side}={path}" for side, path in zip(sides, environments(session, *sides), strict=True)' in text
    assert (
        'run(session, environment(session, "tests"), "-m", "harness", *command, *pythons, *FOLLOW, *session.posargs)'
        in text
    )
