"""An outcome of another commit, other changes, another lock, data set or device is stale, and it is said how."""

import importlib
import importlib.machinery
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import provenance
from ptycho import fingerprint
from tests.support.injected import bites


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


def _describe(root: Path, device: str = "cpu") -> provenance.Origin:
    return provenance.describe(
        root=root, locks=[root / "lock.txt"], fixtures={"scan": root / "scan.npz"}, device=device
    )


def test_the_same_state_is_not_stale(checkout: Path) -> None:
    found = _describe(checkout)
    assert found["commit"] is not None
    assert found["changes_sha256"] is None
    assert [len(digest) for digest in found["locks"].values()] == [64]
    assert provenance.stale(found, provenance.again(found)) == []


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
    assert said in "\n".join(provenance.stale(found, provenance.again(found)))


def test_two_states_of_uncommitted_changes_are_told_apart(checkout: Path) -> None:
    (checkout / "code.py").write_text("x = 2\n")
    found = _describe(checkout)
    assert provenance.stale(found, provenance.again(found)) == []
    (checkout / "code.py").write_text("x = 3\n")
    (sentence,) = provenance.stale(found, provenance.again(found))
    assert sentence.startswith("uncommitted changes: the outcome is of ")


def test_a_file_that_is_gone_and_another_device_are_said(checkout: Path) -> None:
    found = _describe(checkout)
    (checkout / "scan.npz").unlink()
    assert provenance.stale(found, provenance.again(found)) == [
        "data set scan: the outcome is of sha256 3a6eb0790f39ac87…, wanted is missing"
    ]
    (checkout / "scan.npz").write_bytes(b"data")
    assert provenance.stale(found, _describe(checkout, "cuda")) == ["device: the outcome is of cpu, wanted is cuda"]


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    found = provenance.describe(root=tmp_path, locks=[], fixtures={}, device="cpu")
    assert (found["commit"], found["changes_sha256"]) == (None, None)
    assert provenance.stale(found, provenance.again(found)) == []


@pytest.mark.fault("code-unknown")
def test_code_outside_git_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("one\n")
    found = provenance.describe(root=tmp_path, locks=[], fixtures={}, device="cpu")
    assert (found["commit"], provenance.stale(found, provenance.again(found)), provenance.unknown(found)) == (
        None,
        [],
        [],
    )
    (tmp_path / "train.py").write_text("two\n")
    bites(provenance.describe(root=tmp_path, locks=[], fixtures={}, device="cpu")["commit"] is None, "git says nothing")
    (sentence,) = provenance.stale(found, provenance.again(found))
    assert sentence.startswith(f"code below {tmp_path}: the outcome is of sha256 ")


@pytest.mark.parametrize("hide", ["skip-worktree", "assume-unchanged"])
@pytest.mark.fault("code-unknown")
def test_a_change_that_the_index_hides_is_seen(checkout: Path, hide: str) -> None:
    found = _describe(checkout)
    _git(checkout, "update-index", f"--{hide}", "code.py")
    (checkout / "code.py").write_text("x = 2\n")
    bites(found["commit"] == _describe(checkout)["commit"], "git does not see the change")
    (sentence,) = provenance.stale(found, provenance.again(found))
    assert sentence.startswith("code below ")


def test_a_package_that_git_ignores_is_seen(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("built/\n")
    _git(checkout, "add", ".gitignore")
    _git(checkout, "commit", "-q", "-m", "ignore")
    (checkout / "built").mkdir()
    (checkout / "built" / "kernel.so").write_bytes(b"one")
    found = _describe(checkout)
    (checkout / "built" / "kernel.so").write_bytes(b"two")
    assert len(provenance.stale(found, provenance.again(found))) == 1


@pytest.mark.fault("code-unknown")
def test_another_repository_of_the_environment_is_not_asked(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _describe(checkout)
    other = tmp_path / "other"
    other.mkdir()
    _git(other, "init", "-q")
    _git(other, "commit", "-q", "--allow-empty", "-m", "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    argv = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    asked = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    bites(asked != found["commit"], "git is pointed at another repository")
    assert found == provenance.again(found)


def test_environments_and_caches_are_no_code(checkout: Path) -> None:
    found = _describe(checkout)
    for folder in (".nox/x", "venv/bin", "__pycache__", ".git/hooks"):
        (checkout / folder).mkdir(parents=True, exist_ok=True)
        (checkout / folder / "a.py").write_text("x")
    (checkout / "venv" / "pyvenv.cfg").write_text("")
    (checkout / "venv" / "bin" / "python").symlink_to("/usr/bin/python3")
    assert found["code_sha256"] == _describe(checkout)["code_sha256"]


def test_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    found = provenance.describe(root=tmp_path / "absent", locks=[], fixtures={}, device="cpu")
    assert found["code_sha256"] is None
    assert len(provenance.unknown(found)) == 1


def test_a_file_that_decides_what_is_judged_belongs_to_the_outcome(checkout: Path, tmp_path: Path) -> None:
    target = tmp_path / "t.toml"
    target.write_text("min = 0.5")
    found = provenance.describe(root=checkout, locks=[], fixtures={}, device="cpu", files=[target])
    target.write_text("min = -1")
    (sentence,) = provenance.stale(found, provenance.again(found))
    assert sentence.startswith(f"file {target}: the outcome is of sha256 ")


FOLDERS = ["", "pkg", "pkg/inner", ".deps", "node_modules", "venv", "linked", "a b", "Ü"]
ENDINGS = [*importlib.machinery.all_suffixes(), ".pyw", ".zip"]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(["a", "b", "__init__"]), st.sampled_from(ENDINGS))),
    st.data(),
)
@pytest.mark.fault("code-unknown")
def test_no_byte_of_what_python_imports_changes_unseen(files: list[tuple[str, str, str]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, outside = Path(place, "root"), Path(place, "outside")
        for folder in FOLDERS:
            (outside if folder == "linked" else root / folder).mkdir(parents=True, exist_ok=True)
        (root / "linked").symlink_to(outside)
        (root / "venv" / "pyvenv.cfg").write_text("it is no environment")
        (root / "pkg" / "loop").symlink_to(root)
        for folder, name, ending in files:
            (root / folder / f"{name}{ending}").write_bytes(b"0123456789abcdef")
        importlib.invalidate_caches()
        importable = {
            Path(found.origin)
            for folder in FOLDERS
            for name in ("a", "b", "__init__")
            if (found := importlib.machinery.PathFinder.find_spec(name, [str(root / folder)])) is not None
            and found.origin is not None
        }
        importable |= {root / folder / f"{name}{ending}" for folder, name, ending in files if ending == ".zip"}
        before = provenance.code_digest(root)
        assert before is not None
        assert before == provenance.code_digest(root)
        if importable:
            changed = data.draw(st.sampled_from(sorted(importable)))
            content = bytearray(changed.read_bytes())
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
            changed.write_bytes(content)
            bites(fingerprint.commit(root) is None, "git says nothing about it")
            assert provenance.code_digest(root) != before, changed


def test_a_compiled_file_that_is_taken_without_its_source_is_code(tmp_path: Path) -> None:
    import py_compile

    (tmp_path / "a.py").write_text("x = 1\n")
    mode = py_compile.PycInvalidationMode
    py_compile.compile(str(tmp_path / "a.py"), invalidation_mode=mode.TIMESTAMP)
    before = provenance.code_digest(tmp_path)
    checked = py_compile.compile(str(tmp_path / "a.py"), invalidation_mode=mode.CHECKED_HASH)
    assert checked is not None
    assert provenance.code_digest(tmp_path) == before
    py_compile.compile(str(tmp_path / "a.py"), invalidation_mode=mode.UNCHECKED_HASH)
    taken = provenance.code_digest(tmp_path)
    content = bytearray(Path(checked).read_bytes())
    content[-1] ^= 1
    Path(checked).write_bytes(content)
    assert len({before, taken, provenance.code_digest(tmp_path)}) == 3


def test_a_program_without_an_ending_is_code(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("#!/usr/bin/env python3\n")
    before = provenance.code_digest(tmp_path)
    (tmp_path / "train").chmod(0o755)
    assert provenance.code_digest(tmp_path) != before


def test_a_link_to_too_much_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_LINKED", 3)
    (tmp_path / "root").mkdir()
    (tmp_path / "far").mkdir()
    (tmp_path / "root" / "far").symlink_to(tmp_path / "far")
    for number in range(3):
        (tmp_path / "far" / f"{number}.bin").write_bytes(b"")
    assert provenance.code_digest(tmp_path / "root") is not None
    (tmp_path / "far" / "3.bin").write_bytes(b"")
    assert provenance.code_digest(tmp_path / "root") is None
