"""What becomes of a change by what its checks say; the checks here are made up, the copy is real."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.faults.mutation import tests_trial
from harness.faults.mutation.generated import trial
from harness.faults.mutation.generated.changes import GeneratedChange, of_module
from harness.faults.mutation.generated.trial import ALIVE, EQUIVALENT, ERROR, KILLED, ChangeJudges, ChangeTrial
from harness.faults.mutation.result import GateAnswer
from harness.faults.mutation.setup import MutationSetup
from ptycho import git
from tests.support import planted

TEXT = "def judge(a):\n    return a < 1\n"


def change(file: str = "ptycho/a.py", kind: str = "comparison limit") -> GeneratedChange:
    return next(item for item in of_module(file, TEXT)["judge"] if item.kind == kind)


@pytest.fixture
def stage(tmp_path: Path) -> MutationSetup:
    kept, events, interruption = planted.run_root(tmp_path)
    tree = tmp_path / "tree"
    for package in ("ptycho", "ptycho_tf", "harness"):
        (tree / package).mkdir(parents=True)
        (tree / package / "a.py").write_text(TEXT)
    return MutationSetup(
        tree=tree, kept=kept, events=events, interruption=interruption, pythons={}, scan=tmp_path, clean=()
    )


class Asked:
    """Checks that keep what they are asked."""

    def __init__(self, tests: GateAnswer = GateAnswer(), ladder: GateAnswer = GateAnswer()) -> None:  # noqa: B008  # frozen
        self.tests, self.ladder = tests, ladder
        self.seen: list[tuple[str, str]] = []
        self.walked: list[str] = []

    def checks(self, files: Sequence[str], *, ladder: bool = True) -> ChangeJudges:
        def run_tests(root: Path, label: str, group: Sequence[str]) -> GateAnswer:
            self.seen.append((label.rpartition(".")[2], ",".join(group)))
            assert (root / "ptycho" / "a.py").is_file()
            return self.tests

        def walk(root: Path, label: str, made: GeneratedChange) -> GateAnswer:
            self.walked.append((root / made.file).read_text())
            assert label == f"{made.id}.ladder"
            return self.ladder

        return ChangeJudges(tests_of=lambda _: files, run_tests=run_tests, walk=walk if ladder else None)


FILES = ("tests/harness/test_z.py", "tests/torch/test_b.py", "tests/ptycho/test_c.py", "tests/ptycho/test_a.py")


@pytest.mark.parametrize(
    ("tests", "ladder", "outcome", "at"),
    [
        (GateAnswer(at="tests", how="tests", detail="FAILED x"), GateAnswer(), KILLED, "tests"),
        (GateAnswer(), GateAnswer(at="R4", how="rung", guilty=("tf", "torch")), KILLED, "R4"),
        (GateAnswer(), GateAnswer(), ALIVE, ""),
        (GateAnswer(error="no memory"), GateAnswer(at="R4"), ERROR, ""),
        (GateAnswer(), GateAnswer(error="no memory"), ERROR, ""),
    ],
)
def test_the_outcome_is_what_the_checks_say(
    stage: MutationSetup, tests: GateAnswer, ladder: GateAnswer, outcome: str, at: str
) -> None:
    asked = Asked(tests, ladder)
    made = trial.run(change(), stage, asked.checks(FILES))
    assert (made.outcome, made.at, made.tests) == (outcome, at, 4)
    assert (asked.walked == []) is bool(tests.at or tests.error)
    assert list(stage.kept.scratch.glob(f"{change().id}*")) == []


def test_the_copy_has_the_change_and_the_tree_has_not(stage: MutationSetup) -> None:
    asked = Asked()
    trial.run(change(), stage, asked.checks(FILES))
    assert asked.walked == [TEXT.replace("<", "<=")]
    assert (stage.tree / "ptycho" / "a.py").read_text() == TEXT


def test_tests_run_by_interpreter_and_the_nearest_first(stage: MutationSetup) -> None:
    asked = Asked()
    trial.run(change(), stage, asked.checks(FILES))
    assert asked.seen == [
        ("tests0", "tests/ptycho/test_a.py,tests/ptycho/test_c.py,tests/harness/test_z.py"),
        ("tests1", "tests/torch/test_b.py"),
    ]


def test_the_ladder_is_not_asked_about_the_harness(stage: MutationSetup) -> None:
    asked = Asked()
    made = trial.run(change("harness/a.py"), stage, asked.checks(()))
    assert (made.outcome, asked.walked, made.detail) == (ALIVE, [], "no test imports it")
    alone = Asked()
    assert trial.run(change(), stage, alone.checks(FILES, ladder=False)).outcome == ALIVE
    assert alone.walked == []


def test_equal_instructions_are_not_tried(stage: MutationSetup) -> None:
    same = replace(change(), old="1", new="(1)", start=TEXT.index("1"))
    asked = Asked()
    made = trial.run(same, stage, asked.checks(FILES))
    assert (made.outcome, asked.seen) == (EQUIVALENT, [])


@pytest.mark.parametrize(
    ("file", "named", "right"),
    [
        ("ptycho_tf/a.py", ("tf",), True),
        ("ptycho_tf/a.py", ("torch",), False),
        ("ptycho_tf/a.py", ("tf", "torch"), False),
        ("ptycho/a.py", ("tf", "torch"), True),
        ("ptycho/a.py", ("tf",), False),
        ("ptycho/a.py", (), None),
    ],
)
def test_the_right_side_is_that_of_the_package(file: str, named: tuple[str, ...], right: bool | None) -> None:
    assert ChangeTrial(change=change(file), outcome=KILLED, at="R4", named=named).named_rightly is right


def test_a_test_that_fails_without_the_change_proves_nothing(
    stage: MutationSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([GateAnswer(at="tests", detail="FAILED a/tests/ptycho/test_a.py::test_b - x")] * 2)
    roots: list[str] = []

    def run(given: Any, *_: Any, **__: Any) -> GateAnswer:
        roots.append((given.root / "ptycho" / "a.py").read_text())
        return next(answers)

    monkeypatch.setattr(tests_trial, "run", run)
    checks = trial.checks_of(stage, lambda _: ("tests/ptycho/test_a.py",), ladder=False)
    made = trial.run(change(), stage, checks)
    assert (made.outcome, made.detail[:35]) == (ERROR, "it fails without the change, too: F")
    assert roots == [TEXT.replace("<", "<="), TEXT]


def test_a_copy_of_a_checkout_is_a_repository_of_its_own(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "docs").mkdir(parents=True)
    for name in ("docs/page.md", "a.py", "ignored.log"):
        (checkout / name).write_text(name)
    (checkout / ".gitignore").write_text("*.log\n")
    git.ask(checkout, "init", "-q")
    git.ask(checkout, "add", "a.py")
    copy = trial.whole(checkout, tmp_path / "copy")
    assert git.ask(copy, "ls-files").decode().split() == [".gitignore", "a.py", "docs/page.md"]
    assert git.ask(copy, "status", "--porcelain") == b""
    assert git.ask(copy, "rev-parse", "--show-toplevel").decode().strip() == str(copy)


def test_of_a_folder_that_git_does_not_know_the_packages_are_copied(tmp_path: Path) -> None:
    (tmp_path / "checkout" / "ptycho").mkdir(parents=True)
    (tmp_path / "checkout" / "ptycho" / "a.py").write_text(TEXT)
    (tmp_path / "checkout" / "other").mkdir()
    copy = trial.whole(tmp_path / "checkout", tmp_path / "copy")
    assert [path.name for path in copy.iterdir()] == ["ptycho"]
