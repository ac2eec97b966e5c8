"""
Trees that a clean-up must survive: generated with hypothesis, planted on disk, compared byte by byte afterwards.

Run as a program, in a mount namespace of its own, it removes generated trees into which outside folders and file
systems are mounted: `unshare --mount python odd_trees.py FOLDER SEED COUNT`.
"""

import os
import random
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

NAMES = (
    b"plain",
    b"with spaces ",
    b"new\nline",
    b"100%s%n",
    b"-rf",
    b"--",
    b"\xff\xfe not utf-8",
    "größe \u2028 \U0001f52c".encode(),
    b"*",
    b"...",
    b"~",
    b"$HOME `id`",
    b"\\",
    b"\x01\x1b[31m",
    b"n" * 250,
    b"\xc3\xa4" * 127,
)
"""Names that are legal on any POSIX file system, and that programs trip over."""

LINKS = (
    "../outside",
    "../outside/kept",
    "{outside}",
    "{outside}/folder",
    "..",
    ".",
    "loop",
    "/",
    "nowhere",
    "/dev/null",
)
"""What planted links point to."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """
    An entry of a tree.

    Attributes:
        kind: `folder`, `file`, `link`, `hard` (a hard link to an outside file) or `fifo`.
        mode: permissions of a folder or a file.
        text: content of a file, target of a link.
        below: entries of a folder.
    """

    kind: str
    mode: int = 0o700
    text: str = ""
    below: tuple[tuple[bytes, "Node"], ...] = ()


def _folders(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    entries = st.dictionaries(st.sampled_from(NAMES), children, max_size=4).map(lambda found: tuple(found.items()))
    modes = st.sampled_from((0o700, 0o755, 0o500, 0o300, 0o100, 0o000))
    return st.builds(Node, kind=st.just("folder"), mode=modes, below=entries)


def trees() -> st.SearchStrategy[Node]:
    """Folders with up to two dozen entries of every kind."""
    leaves = st.one_of(
        st.builds(Node, kind=st.just("file"), mode=st.sampled_from((0o600, 0o000, 0o444)), text=st.text(max_size=5)),
        st.builds(Node, kind=st.just("link"), text=st.sampled_from(LINKS)),
        st.just(Node(kind="hard")),
        st.just(Node(kind="fifo")),
    )
    return _folders(st.recursive(leaves, _folders, max_leaves=24))


def plant(node: Node, path: bytes, outside: bytes) -> None:
    """Make a tree on disk; permissions last, so that they do not hinder the planting."""
    if node.kind == "link":
        Path(os.fsdecode(path)).symlink_to(node.text.replace("{outside}", os.fsdecode(outside)))
    elif node.kind == "hard":
        os.link(outside + b"/kept", path)
    elif node.kind == "fifo":
        os.mkfifo(path)
    else:
        if node.kind == "file":
            Path(os.fsdecode(path)).write_text(node.text, encoding="utf-8")
        else:
            Path(os.fsdecode(path)).mkdir()
            for name, child in node.below:
                plant(child, path + b"/" + name, outside)
        Path(os.fsdecode(path)).chmod(node.mode)


def make_outside(path: Path) -> Path:
    """A folder that must not change: a file, a folder with one, a link, one that nobody may enter."""
    (path / "folder" / "deeper").mkdir(parents=True)
    (path / "kept").write_text("kept")
    (path / "folder" / "kept too").write_text("kept too")
    (path / "link").symlink_to("kept")
    (path / "closed").mkdir(mode=0o000)
    (path / "folder").chmod(0o500)
    return path


def snapshot(path: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder and itself: inode, mode, owner, times, content. A file's number of links may change."""
    found: dict[str, tuple[object, ...]] = {}
    for item in (path, *sorted(path.rglob("*"))):
        status = item.lstat()
        content: object = os.readlink(item) if item.is_symlink() else None  # noqa: PTH115 - bytes as they are
        if stat.S_ISREG(status.st_mode):
            content = item.read_bytes()
        found[str(item)] = (status.st_ino, status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns, content)
    return found


def _mounted(folder: Path, outside: Path, draw: random.Random) -> list[Path]:
    """Mount the outside, one of its files and an empty file system somewhere below a folder; returns where."""
    points = []
    for number, source in enumerate((outside, outside / "kept", None)):
        where = folder / f"mount {number}"
        for _ in range(draw.randrange(3)):
            where.parent.mkdir(exist_ok=True)
            where = where.parent / f"level {draw.randrange(2)}" / where.name
        where.parent.mkdir(parents=True, exist_ok=True)
        if source is not None and source.is_file():
            where.touch()
        else:
            where.mkdir()
        kind = ["-t", "tmpfs", "tmpfs"] if source is None else ["--bind", str(source)]
        subprocess.run(["mount", *kind, str(where)], check=True)
        points.append(where)
    (points[2] / "on the other file system").write_text("kept")
    return points


def main(folder: Path, seed: int, count: int) -> int:
    """Remove trees with mounts in them; prints what went wrong, and how many trees were tried. 77: no mount here."""
    from harness.system.rmtree import remove_tree

    draw, outside = random.Random(seed), make_outside(folder / "outside")
    before = snapshot(outside)
    for number in range(count):
        tree = folder / f"tree {number}"
        tree.mkdir()
        (tree / "level 0").mkdir()
        (tree / "level 0" / "file").write_text("goes")
        try:
            points = _mounted(tree, outside, draw)
        except subprocess.CalledProcessError:
            return 77
        said = remove_tree(tree)
        left = {path for path in tree.rglob("*") if not any(point in path.parents for point in points)}
        expected = {path for point in points for path in (point, *point.parents) if tree in path.parents}
        silent = [str(point) for point in points if not any(str(point) in sentence for sentence in said)]
        if left != expected or silent or len(said) != len(points) or snapshot(outside) != before:
            print(f"tree {number}: left {left ^ expected}, silent {silent}, said {said}")
        if (points[2] / "on the other file system").read_text() != "kept":
            print(f"tree {number}: a file on another file system is gone")
    print(f"{count} trees")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
