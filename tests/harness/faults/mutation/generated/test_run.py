"""The whole command with made-up checks: what is drawn, written down, resumed, and proved equivalent."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.faults.mutation.generated import run as generated_run
from harness.faults.mutation.generated.changes import GeneratedChange
from harness.faults.mutation.generated.run import FILE, PROOFS, GeneratedOptions
from harness.faults.mutation.generated.trial import ALIVE, EQUIVALENT, KILLED, ChangeJudges
from harness.faults.mutation.result import GateAnswer
from harness.system.signals import Interruption
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

TEXT = "def one(a):\n    return a < 1\n\n\ndef two(a):\n    return a + 2\n"


@pytest.fixture
def options(tmp_path: Path) -> GeneratedOptions:
    checkout = tmp_path / "checkout"
    for package in ("ptycho", "ptycho_torch", "ptycho_tf", "harness"):
        (checkout / package).mkdir(parents=True)
    (checkout / "ptycho" / "a.py").write_text(TEXT)
    return GeneratedOptions(
        count=6,
        seed=3,
        jobs=1,
        pythons={},
        scan=tmp_path / "scan.npz",
        root=tmp_path / "harness",
        tests_of=lambda _: ("tests/ptycho/test_a.py",),
        json=True,
        resume=tmp_path / "results",
        places=("ptycho/",),
        checkout=checkout,
    )


class Judge:
    """Finds whatever is not in function `blind`."""

    def __init__(self, blind: str = "") -> None:
        self.blind, self.tried = blind, 0

    def checks(self, stage: Any, tests_of: Any) -> ChangeJudges:
        def run_tests(root: Path, label: str, files: Sequence[str]) -> GateAnswer:
            del label, files
            self.tried += 1
            changed = (root / "ptycho" / "a.py").read_text()
            seen = self.blind == "" or TEXT.partition("\n\n\n")[0] not in changed
            return GateAnswer(at="tests", how="tests", detail="FAILED a") if seen else GateAnswer()

        del stage
        return ChangeJudges(tests_of=tests_of, run_tests=run_tests, walk=None)


def tried(options: GeneratedOptions, judge: Judge) -> Any:
    return generated_run.run(options, Interruption(), judge.checks)


def test_everything_is_killed_and_written_down(options: GeneratedOptions) -> None:
    judge = Judge()
    score, path = tried(options, judge)
    assert score.verdict is Verdict.PASS
    assert (score.functions, len(score.tried), judge.tried) == (2, 6, 6)
    assert {item.change.function for item in score.tried} == {"one", "two"}
    assert json.loads(path.read_text())["outcomes"] == {KILLED: 6}
    assert len((options.resume or Path()).joinpath(FILE).read_text().splitlines()) == 6
    assert list(path.parent.joinpath("scratch").glob("*")) == []


def test_a_survivor_fails_the_run_and_has_its_line(options: GeneratedOptions) -> None:
    score, path = tried(options, Judge("two"))
    alive = [item.change for item in score.tried if item.outcome == ALIVE]
    assert {change.function for change in alive} == {"two"}
    assert score.verdict is Verdict.FAIL
    problems = (path.parent / "events.ndjson").read_text()
    assert all(f"ptycho/a.py:{change.line}" in problems for change in alive)


def test_results_are_read_again_for_the_same_code_only(options: GeneratedOptions) -> None:
    tried(options, Judge())
    folder = options.resume or Path()
    torn = (folder / FILE).read_text().splitlines(keepends=True)
    (folder / FILE).write_text("".join(torn[:-1]) + torn[-1][:20])
    judge = Judge()
    score, _ = tried(options, judge)
    assert (judge.tried, len(score.tried)) == (1, 6)
    (options.checkout / "ptycho" / "b.py").write_text("x = 1\n")
    other = Judge()
    tried(options, other)
    assert other.tried == 6


def survivor(options: GeneratedOptions) -> GeneratedChange:
    score, _ = tried(options, Judge("two"))
    found: GeneratedChange = next(item.change for item in score.tried if item.outcome == ALIVE)
    return found


def test_a_survivor_with_a_proof_is_equivalent(options: GeneratedOptions) -> None:
    change = survivor(options)
    (options.resume or Path()).joinpath(PROOFS).write_text(json.dumps({change.id: "a is never that large"}))
    score, _ = tried(options, Judge("two"))
    (found,) = (item for item in score.tried if item.change == change)
    assert (found.outcome, found.detail) == (EQUIVALENT, "a is never that large")


@pytest.mark.parametrize("text", ["[]", "{", '{"a": ""}', '{"a": 1}'])
def test_a_proof_that_says_nothing_is_refused(options: GeneratedOptions, text: str) -> None:
    (options.resume or Path()).mkdir()
    (options.resume or Path()).joinpath(PROOFS).write_text(text)
    with pytest.raises(UsageError, match=r"equivalents\.json"):
        tried(options, Judge())


def test_a_proof_of_what_was_killed_is_refused(options: GeneratedOptions) -> None:
    score, _ = tried(options, Judge())
    killed = score.tried[0].change
    (options.resume or Path()).joinpath(PROOFS).write_text(json.dumps({killed.id: "of course"}))
    with pytest.raises(UsageError, match=f"{killed.id} was killed"):
        tried(replace(options), Judge())
