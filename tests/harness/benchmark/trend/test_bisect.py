"""A whole search with fake blocks in a repository of its own: commit, range and ends, and nothing left behind."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.benchmark.trend import bisect, commits
from harness.benchmark.trend.bisect import BisectOptions
from harness.fixtures import locate
from harness.isolation import revision
from harness.system.signals import Interruption
from ptycho.errors import UsageError
from ptycho.verdict import Verdict
from tests.support.fakes import fake_lane


def git(root: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def options(tmp_path: Path, costs: Sequence[str], good: str = "", bad: str = "HEAD") -> BisectOptions:
    """A checkout with one commit for each cost."""
    root = tmp_path / "checkout"
    for package in revision.PACKAGES:
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").write_text("")
    git(root.parent, "init", "-q", str(root))
    for number, cost in enumerate(costs):
        (root / "ptycho" / "cost.txt").write_text(cost)
        (root / "note.txt").write_text(str(number))
        git(root, "add", ".")
        git(root, "commit", "-q", "-m", f"change {number}")
    (scan,) = locate.locate(["small"]).values()
    return BisectOptions(
        side="torch",
        python=str(fake_lane.write(tmp_path / "python")),
        scan=scan,
        root=tmp_path / "harness",
        good=good or f"HEAD~{len(costs) - 1}",
        bad=bad,
        checkout=root,
        looks=(8,),
        slices=4,
    )


def before(root: Path) -> tuple[str, str, str]:
    return git(root, "status", "--porcelain"), git(root, "worktree", "list"), git(root, "branch", "--list")


@pytest.mark.deep
def test_the_slower_commit_is_named_and_nothing_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = options(tmp_path, ["1.0", "1.001", "1.0", "1.08", "1.081"])
    clean = before(asked.checkout)
    made, path = bisect.run(asked, Interruption())
    wanted = git(asked.checkout, "rev-parse", "HEAD~1")
    assert (made.verdict, made.outcome.result) == (Verdict.PASS, "found")
    assert made.sentence.startswith(f"{wanted[:12]} made torch slower (cpu +8.0 %")
    assert json.loads(path.read_text())["bad"] == wanted
    assert [row[3] for row in made.table()[1:]] == ["good", "not measured", "good", "bad", "bad"]
    assert before(asked.checkout) == clean
    assert not (path.parent / "scratch").exists()
    assert json.loads((path.parent / "verdict.json").read_text())["verdict"] == "pass"
    assert f"{wanted[:12]}: bad: +8.0 %" in capsys.readouterr().out


@pytest.mark.slow
def test_ends_that_do_not_differ_are_said_and_pass(tmp_path: Path) -> None:
    made, _ = bisect.run(options(tmp_path, ["1.0", "1.5", "1.0001"]), Interruption())
    assert (made.verdict, made.outcome.result) == (Verdict.PASS, "no difference")
    assert "is not slower than" in made.sentence
    assert "by 2% or more" in made.sentence


@pytest.mark.slow
def test_an_interruption_leaves_no_tree_and_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = options(tmp_path, ["1.0", "1.08"])
    clean = before(asked.checkout)
    stop = Interruption()

    def interrupted(_commit: str, _root: Path, tree: Path) -> Path:
        tree.mkdir(parents=True)
        stop.signals.append(2)
        return tree

    monkeypatch.setattr(revision, "export", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bisect.run(asked, stop)
    (run,) = (tmp_path / "harness" / "runs").glob("2*")
    assert not (run / "scratch").exists()
    assert json.loads((run / "verdict.json").read_text())["verdict"] == "interrupted"
    assert before(asked.checkout) == clean


@pytest.mark.deep
def test_an_end_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an end of the range"):
        bisect.run(options(tmp_path, ["1.0", "not a number"]), Interruption())
    assert not list((tmp_path / "harness" / "runs").glob("2*/scratch"))


def test_commits_that_change_nothing_measured_are_left_out(tmp_path: Path) -> None:
    asked = options(tmp_path, ["1.0", "1.0", "1.1", "1.1", "1.2"])
    found = commits.between("HEAD~4", "HEAD", asked.checkout, ["ptycho", "ptycho_torch"])
    assert [one.subject for one in found] == ["change 0", "change 2", "change 4"]


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("HEAD", "HEAD~1", "is not before BAD"),
        ("HEAD", "HEAD", "is not before BAD"),
        ("nowhere", "HEAD", "'nowhere' is not a commit"),
        ("HEAD~1", "HEAD", "none of the 1 commits between 'HEAD~1' and 'HEAD' changes ptycho"),
    ],
)
def test_a_range_with_nothing_to_search_is_refused(tmp_path: Path, good: str, bad: str, message: str) -> None:
    asked = options(tmp_path, ["1.0", "1.0"])
    with pytest.raises(UsageError, match=message):
        commits.between(good, bad, asked.checkout, ["ptycho"])
