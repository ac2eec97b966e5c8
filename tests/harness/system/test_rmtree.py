"""Removal never leaves the tree: links, swapped folders and mounts are planted, and what they point to survives."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings

from harness.system import rmtree
from harness.system.rmtree import remove_tree
from tests.support import odd_trees
from tests.support.injected import bites
from tests.support.odd_trees import Node

OWN = Path(rmtree.__file__).parents[2]


def _tree(path: Path) -> Path:
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "file").write_text("x")
    (path / "a" / "b" / "deep with spaces\n%ü").write_text("x")
    return path


def test_a_tree_goes_and_its_absence_is_fine(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "tree")
    (tree / "a" / "b").chmod(0)
    assert remove_tree(tree) == []
    assert not tree.exists()
    assert remove_tree(tree) == []
    assert remove_tree(tmp_path / "no parent" / "tree") == []


@contextmanager
def _place() -> Iterator[tuple[Path, Path]]:
    """A folder for one generated tree, and an outside that must not change."""
    with tempfile.TemporaryDirectory(prefix="removal-") as folder:
        yield Path(folder), odd_trees.make_outside(Path(folder) / "outside")


@pytest.mark.slow
@pytest.mark.fault("planted-links")
@settings(max_examples=100)
@given(tree=odd_trees.trees())
def test_any_tree_goes_whole_and_nothing_outside_changes(tree: Node) -> None:
    with _place() as (folder, outside):
        odd_trees.plant(tree, os.fsencode(folder / "tree"), os.fsencode(outside))
        bites((folder / "tree").is_dir(), "the tree was planted")
        before = odd_trees.snapshot(outside)
        assert remove_tree(folder / "tree") == []
        assert odd_trees.snapshot(outside) == before
        assert sorted(path.name for path in folder.iterdir()) == ["outside"]


_AS_NOBODY = """
import ctypes, os, sys
from pathlib import Path
from harness.system.rmtree import remove_tree
if os.getuid() == 0:
    os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
try:
    list(Path("tree/closed").iterdir())
except PermissionError:
    print("bites")
print(remove_tree(Path("tree")))
"""


def test_folders_that_may_not_be_read_go_for_their_owner(tmp_path: Path) -> None:
    """Root reads everything, so the walk is done by somebody else, and it is asked whether the lock holds for them."""
    for name, mode in (("closed", 0o000), ("blind", 0o300), ("still", 0o500), ("shut", 0o600)):
        folder = tmp_path / "tree" / name
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
        folder.chmod(mode)
    if os.getuid() == 0:
        for path in (tmp_path, *tmp_path.rglob("*")):
            os.chown(path, 65534, 65534)
    argv = [sys.executable, "-c", _AS_NOBODY]
    env = {**os.environ, "PYTHONPATH": str(OWN)}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["bites", "[]"]
    assert not (tmp_path / "tree").exists()


@pytest.mark.slow
@pytest.mark.parametrize("levels", [rmtree.LEVELS - 1, rmtree.LEVELS + 1, 1_200])
def test_no_depth_is_too_much(tmp_path: Path, levels: int) -> None:
    """1200 levels: more than a process may open, deeper than Python's stack, a path longer than any call takes."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("level with a name", dir_fd=here)
        below = os.open("level with a name", os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(here)
        here = below
    os.close(here)
    try:
        assert remove_tree(tmp_path / "level with a name") == []
        assert list(tmp_path.iterdir()) == []
    finally:
        # Left behind by a failure, it would be too deep for the clean-up of later test sessions.
        subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


def test_a_link_in_the_place_of_the_tree_is_refused(tmp_path: Path) -> None:
    outside = _tree(tmp_path / "outside")
    (tmp_path / "tree").symlink_to(outside)
    assert remove_tree(tmp_path / "tree") == [f"{tmp_path / 'tree'}: not a directory of ours: it is a link"]
    assert (outside / "a" / "file").exists()


@pytest.mark.slow
@pytest.mark.fault("planted-links")
def test_a_folder_that_is_swapped_for_a_link_while_the_tree_is_walked(tmp_path: Path) -> None:
    """A second thread renames a folder of the tree away and puts a link to the outside into its place, all along."""
    outside = odd_trees.make_outside(tmp_path / "outside")
    before = odd_trees.snapshot(outside)
    tree, swaps, stop = tmp_path / "tree", [0], threading.Event()

    def swap() -> None:
        victim, hidden = tree / "victim", tree / "hidden"
        while not stop.is_set():
            with contextlib.suppress(OSError):
                victim.rename(hidden)
                victim.symlink_to(outside)
                swaps[0] += 1
                victim.unlink()
                hidden.rename(victim)

    racer = threading.Thread(target=swap)
    racer.start()
    try:
        for number in range(150):
            fresh = tmp_path / f"fresh {number}"
            _tree(fresh / "victim")
            fresh.rename(tree)
            until = time.monotonic() + 20
            while tree.exists() and time.monotonic() < until:
                remove_tree(tree)
            assert not tree.exists()
    finally:
        stop.set()
        racer.join()
    bites(swaps[0] > 10, "the folder was swapped while the tree was walked")
    assert odd_trees.snapshot(outside) == before


@pytest.mark.fault("planted-links")
@pytest.mark.parametrize("moment", ["scan", "look", "unlock"])
def test_a_swap_at_the_worst_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """The swap happens exactly between two looks at the folder, which a race hits only now and then."""
    outside = odd_trees.make_outside(tmp_path / "outside")
    before = odd_trees.snapshot(outside)
    tree, swapped = _tree(tmp_path / "tree"), list[str]()

    def swap() -> None:
        if not swapped:
            (tree / "a").rename(tree / "hidden")
            (tree / "a").symlink_to(outside)
            swapped.append(moment)

    if moment == "scan":
        plain_scan = os.scandir

        class Scan:
            def __init__(self, handle: int) -> None:
                self.entries = list(plain_scan(handle))

            def __enter__(self) -> list[os.DirEntry[str]]:
                return self.entries

            def __exit__(self, *_: object) -> None:
                swap()

        monkeypatch.setattr(os, "scandir", Scan)
    else:
        name = "_mount" if moment == "look" else "_unlock"
        inode, plain = (tree / "a").stat().st_ino, getattr(rmtree, name)

        def looked(handle: int) -> object:
            if os.fstat(handle).st_ino == inode:
                swap()
            return plain(handle)

        monkeypatch.setattr(rmtree, name, looked)
    said = remove_tree(tree)
    monkeypatch.undo()
    bites(swapped == [moment], "the folder was swapped at that moment")
    assert odd_trees.snapshot(outside) == before
    assert (said, tree.exists()) == ([], False), "and another pass removed what was swapped in"


@pytest.mark.slow
def test_two_that_remove_the_same_do_not_blame_each_other(tmp_path: Path) -> None:
    for _ in range(20):
        for number in range(20):
            _tree(tmp_path / "tree" / str(number))
        with ThreadPoolExecutor(2) as both:
            assert list(both.map(remove_tree, [tmp_path / "tree"] * 2)) == [[], []]
        assert not (tmp_path / "tree").exists()


def test_what_cannot_be_removed_is_reported_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, plain = _tree(tmp_path / "tree"), os.unlink

    def unlink(name: str, *, dir_fd: int | None = None) -> None:
        if name == "file":
            raise PermissionError(1, "Operation not permitted")
        plain(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    said = remove_tree(tree)
    monkeypatch.undo()
    assert said == [f"{tree / 'a' / 'file'}: Operation not permitted"]
    assert sorted(path.name for path in tree.rglob("*")) == ["a", "file"]


def test_what_is_mounted_inside_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = _tree(tmp_path / "tree")
    mounted = tree / "a" / "b"
    mounted.chmod(0o500)
    inode = mounted.stat().st_ino
    plain = rmtree._mount
    monkeypatch.setattr(rmtree, "_mount", lambda handle: "other" if os.fstat(handle).st_ino == inode else plain(handle))
    assert remove_tree(tree) == [f"{mounted}: another file system is mounted here"]
    assert (mounted / "deep with spaces\n%ü").exists()
    assert mounted.stat().st_mode & 0o777 == 0o500, "its permissions are not ours to change"


@pytest.mark.fault("planted-links")
def test_real_mounts_are_left_alone_with_what_is_in_them(tmp_path: Path) -> None:
    """Bind mounts of a folder and of a file (same device), and a file system, at random depths of 12 trees."""
    argv = ["unshare", "--mount", "--map-root-user", sys.executable, odd_trees.__file__, str(tmp_path), "7", "12"]
    env = {**os.environ, "PYTHONPATH": str(OWN)}
    done = subprocess.run(["env", *argv], env=env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        bites(done.stdout == "12 trees\n", "twelve trees were made, mounts in them")
    else:
        # The machine allows no mount: nothing may be concluded; the test above is the only one for this row.
        assert "unshare" in done.stderr or done.returncode == 77, done.stderr
        print(f"NO MOUNT NAMESPACE HERE: {done.stderr or 'mount is refused'}", file=sys.stderr)
