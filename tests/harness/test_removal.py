"""Removal never leaves the tree: links, swapped folders and mounts are planted, and what they point to survives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import removal
from harness.removal import remove_tree


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


def test_links_go_and_what_they_point_to_stays(tmp_path: Path) -> None:
    outside = _tree(tmp_path / "outside")
    tree = _tree(tmp_path / "tree")
    (tree / "to folder").symlink_to(outside)
    (tree / "to file").symlink_to(outside / "a" / "file")
    os.link(outside / "a" / "file", tree / "hard link")
    assert remove_tree(tree) == []
    assert not tree.exists()
    assert (outside / "a" / "file").read_text() == "x"


def test_a_link_in_the_place_of_the_tree_is_refused(tmp_path: Path) -> None:
    outside = _tree(tmp_path / "outside")
    (tmp_path / "tree").symlink_to(outside)
    assert remove_tree(tmp_path / "tree")[0].startswith(f"{tmp_path / 'tree'}: not a directory of ours")
    assert (outside / "a" / "file").exists()


def test_what_is_mounted_inside_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = _tree(tmp_path / "tree")
    mounted = tree / "a" / "b"
    inode = mounted.stat().st_ino
    plain = removal._mount
    monkeypatch.setattr(
        removal, "_mount", lambda handle: "other" if os.fstat(handle).st_ino == inode else plain(handle)
    )
    assert remove_tree(tree)[0] == f"{mounted}: another file system is mounted here"
    assert (mounted / "deep with spaces\n%ü").exists()


_BIND = """
import subprocess, sys
from pathlib import Path
from harness.removal import remove_tree
tree, outside = map(Path, sys.argv[1:])
if subprocess.run(["mount", "--bind", outside, tree / "a" / "b"], capture_output=True).returncode:
    raise SystemExit(77)
print(*remove_tree(tree), sep="|")
"""


def test_a_bind_mount_is_told_apart_although_its_device_is_the_same(tmp_path: Path) -> None:
    tree, outside = _tree(tmp_path / "tree"), _tree(tmp_path / "outside")
    (tree / "a" / "b" / "deep with spaces\n%ü").unlink()
    argv = ["env", "unshare", "--mount", "--map-root-user", sys.executable, "-c", _BIND, str(tree), str(outside)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=Path(removal.__file__).parents[1], check=False)
    if done.returncode == 0:
        assert f"{tree / 'a' / 'b'}: another file system is mounted here" in done.stdout
    else:
        # The machine allows no mount: the injection did not bite, and nothing may be concluded from it.
        assert "unshare" in done.stderr or done.returncode == 77, done.stderr
    assert (outside / "a" / "file").exists()
