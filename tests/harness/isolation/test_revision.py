"""Trees out of git: the right text on both sides, a clear word where there is none, and the checkout untouched."""

import subprocess
from pathlib import Path

import pytest

from harness.isolation import revision
from ptycho.errors import UsageError


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t")
    done = subprocess.run(["git", "-C", str(root), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit of the three packages, and a change in the working tree."""
    root = tmp_path / "checkout"
    for package in revision.PACKAGES:
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").write_text("old = 1\n")
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "one")
    (root / "ptycho" / "__init__.py").write_text("new = 1\n")
    (root / "ptycho" / "added.py").write_text("")
    return root


def test_the_base_is_the_commit_and_the_head_the_working_tree(checkout: Path, tmp_path: Path) -> None:
    before = git(checkout, "status", "--porcelain")
    commit = revision.resolve("HEAD", checkout)
    base, head = revision.materialise(commit, checkout, tmp_path / "trees")
    assert (base / "ptycho" / "__init__.py").read_text() == "old = 1\n"
    assert (head / "ptycho" / "__init__.py").read_text() == "new = 1\n"
    assert ((base / "ptycho" / "added.py").exists(), (head / "ptycho" / "added.py").exists()) == (False, True)
    assert len(str(base)) == len(str(head))
    assert git(checkout, "status", "--porcelain") == before


@pytest.mark.parametrize("wrong", ["nosuch", "--all", "HEAD~5", "HEAD^{tree}"])
def test_what_is_no_commit_is_refused(checkout: Path, wrong: str) -> None:
    with pytest.raises(UsageError, match="is not a commit of"):
        revision.resolve(wrong, checkout)


def test_a_dirty_state_is_refused_with_its_commit(checkout: Path) -> None:
    with pytest.raises(UsageError, match=r"uncommitted changes.*for example c0ffee"):
        revision.resolve("c0ffee-dirty", checkout)


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a git checkout"):
        revision.resolve("HEAD", tmp_path)


def test_no_git_is_said(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="needs git, which is not on PATH"):
        revision.resolve("HEAD", checkout)


def test_a_commit_without_the_packages_is_refused(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "rm", "-r", "-q", "-f", "ptycho_tf")
    git(checkout, "commit", "-q", "-m", "two")
    with pytest.raises(UsageError, match="has not all of"):
        revision.materialise(revision.resolve("HEAD", checkout), checkout, tmp_path / "trees")
