"""An outcome of another commit, other changes, another lock, data set or device is stale, and it is said how."""

import subprocess
from pathlib import Path

import pytest

from harness import origin


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit, a lock and a data set."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "code.py").write_text("x = 1\n")
    (root / "lock.txt").write_text("a==1\n")
    (root / "scan.npz").write_bytes(b"data")
    _git(root, "init", "-q")
    _git(root, "add", "code.py")
    _git(root, "commit", "-q", "-m", "one")
    return root


def _git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def _describe(root: Path, device: str = "cpu") -> origin.Origin:
    return origin.describe(root=root, locks=[root / "lock.txt"], fixtures={"scan": root / "scan.npz"}, device=device)


def test_the_same_state_is_not_stale(checkout: Path) -> None:
    found = _describe(checkout)
    assert found["commit"] is not None
    assert found["changes_sha256"] is None
    assert [len(digest) for digest in found["locks"].values()] == [64]
    assert origin.stale(found, origin.again(found)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("commit", "commit: the outcome is of "),
        ("code.py", "uncommitted changes: the outcome is of None, wanted is "),
        ("lock.txt", "lock.txt: the outcome is of sha256 "),
        ("scan.npz", "data set scan: the outcome is of sha256 3a6eb0790f39ac87…, wanted is "),
    ],
)
def test_every_change_makes_an_outcome_stale(checkout: Path, change: str, said: str) -> None:
    found = _describe(checkout)
    if change == "commit":
        _git(checkout, "commit", "-q", "--allow-empty", "-m", "two")
    else:
        (checkout / change).write_text("y = 2\n")
    assert said in "\n".join(origin.stale(found, origin.again(found)))


def test_two_states_of_uncommitted_changes_are_told_apart(checkout: Path) -> None:
    (checkout / "code.py").write_text("x = 2\n")
    found = _describe(checkout)
    assert origin.stale(found, origin.again(found)) == []
    (checkout / "code.py").write_text("x = 3\n")
    (sentence,) = origin.stale(found, origin.again(found))
    assert sentence.startswith("uncommitted changes: the outcome is of ")


def test_a_file_that_is_gone_and_another_device_are_said(checkout: Path) -> None:
    found = _describe(checkout)
    (checkout / "scan.npz").unlink()
    assert origin.stale(found, origin.again(found)) == [
        "data set scan: the outcome is of sha256 3a6eb0790f39ac87…, wanted is no file"
    ]
    (checkout / "scan.npz").write_bytes(b"data")
    assert origin.stale(found, _describe(checkout, "cuda")) == ["device: the outcome is of cpu, wanted is cuda"]


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    found = origin.describe(root=tmp_path, locks=[], fixtures={}, device="cpu")
    assert (found["commit"], found["changes_sha256"]) == (None, None)
    assert origin.stale(found, origin.again(found)) == []
