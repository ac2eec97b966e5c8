"""The ledger names what changed, and attributes to the run only what it did."""

import os
from pathlib import Path

import pytest

from harness.isolation import leaks
from harness.isolation.leaks import Leak, WatchedFolder

SHARED = {"token": "t0ken", "writes": {}, "pids": (4242,)}


def _compare(place: WatchedFolder, before: dict[str, dict[str, leaks.PathState]], **changed: object) -> list[Leak]:
    return leaks.compare([place], before, leaks.listing([place]), **{**SHARED, **changed})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old").write_text("x")
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_nothing_changed_is_no_leak_and_every_kind_of_change_is(folder: Path) -> None:
    place = WatchedFolder(name="cwd", path=folder, depth=3, strict=True, ignored=(".git",))
    before = leaks.listing([place])
    assert _compare(place, before) == []
    (folder / ".git" / "index").write_text("x")
    assert _compare(place, before) == []
    (folder / "old").write_text("xy")
    (folder / "new" / "below").mkdir(parents=True)
    (folder / "new" / "below" / "file").write_text("x")
    (folder / "link").symlink_to("/")
    found = _compare(place, before)
    assert [(leak.what, Path(leak.path).name) for leak in found] == [
        ("new", "link"),
        ("new", "new"),
        ("changed", "old"),
    ]
    assert {leak.blame for leak in found} == {"nobody else is expected to write here"}


def test_a_replaced_file_of_the_same_size_and_time_has_changed(folder: Path) -> None:
    place = WatchedFolder(name="cwd", path=folder, depth=1, strict=True)
    before = leaks.listing([place])
    status = (folder / "old").stat()
    (folder / "fresh").write_text("y")
    (folder / "fresh").rename(folder / "old")
    os.utime(folder / "old", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [leak.what for leak in _compare(place, before)] == ["changed"]


def test_depth_limits_what_is_seen(folder: Path) -> None:
    (folder / "deep").mkdir()
    shallow, deep = (WatchedFolder(name="p", path=folder, depth=depth, strict=True) for depth in (1, 2))
    before = {depth: leaks.listing([place]) for depth, place in ((1, shallow), (2, deep))}
    (folder / "deep" / "file").write_text("x")
    assert _compare(shallow, before[1]) == []
    assert [leak.path for leak in _compare(deep, before[2])] == [str(folder / "deep" / "file")]


@pytest.mark.parametrize(
    ("name", "changed", "blame"),
    [
        ("other-program", {}, ""),
        ("map-t0ken", {}, "named after the run"),
        ("torch_4242_7", {}, "named after process 4242 of the run"),
        ("torch_42424", {}, ""),
        ("seen", {"writes": {"seen": 7}}, "written by process 7 of the run"),
        ("seen-folder", {"writes": {"seen-folder/below": 7}}, "written by process 7 of the run"),
    ],
)
def test_in_a_shared_place_only_what_can_be_attributed_is_blamed(
    folder: Path, name: str, changed: dict[str, dict[str, int]], blame: str
) -> None:
    place = WatchedFolder(name="TMPDIR", path=folder, depth=1)
    before = leaks.listing([place])
    (folder / name).write_text("x")
    writes = {str(folder / written): pid for written, pid in changed.get("writes", {}).items()}
    assert [leak.blame for leak in _compare(place, before, writes=writes)] == [blame]


def test_what_a_living_stranger_holds_open_is_not_blamed_in_a_strict_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = WatchedFolder(name="/dev/shm", path=folder, depth=1, strict=True)
    before = leaks.listing([place])
    with (folder / "held").open("w"):
        assert [leak.blame for leak in _compare(place, before)] == ["nobody else is expected to write here"]
        # Seen from any other process, this one is the stranger.
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert [leak.blame for leak in _compare(place, before)] == [""]


def test_paths_that_the_caller_declares_foreign_are_left_out(folder: Path) -> None:
    place = WatchedFolder(name="cwd", path=folder, depth=1, strict=True)
    before = leaks.listing([place])
    (folder / "editor.swp").write_text("x")
    (folder / "leak.npz").write_text("x")
    assert [Path(leak.path).name for leak in _compare(place, before, foreign=["*.swp"])] == ["leak.npz"]


def test_the_shared_places_are_the_five_that_exist(tmp_path: Path) -> None:
    for name in ("home", "tmp", "parent/cwd"):
        (tmp_path / name).mkdir(parents=True)
    places = leaks.shared_places(tmp_path / "parent" / "cwd", home=tmp_path / "home", tmp=tmp_path / "tmp")
    strict = {place.name: place.strict for place in places}
    assert strict["working directory"]
    assert not strict["HOME"]
    assert [name for name in strict if "sh" not in name] == [
        *("working directory", "parent of the working directory", "TMPDIR", "HOME")
    ]


def test_what_is_left_in_a_private_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "cwd").mkdir()
    assert leaks.left_behind("p", tmp_path, expected=["cwd"]) == []
    (tmp_path / "mlflow.db").write_text("x")
    assert [leak.path for leak in leaks.left_behind("p", tmp_path, expected=["cwd"])] == [str(tmp_path / "mlflow.db")]
    assert leaks.left_behind("p", tmp_path / "absent") == []


def test_observed_writes_are_read_back(tmp_path: Path) -> None:
    log = tmp_path / "writes.log"
    log.write_bytes(b"7\t/a b/c\nand\xff more\x008\t/d\x009\t/cut off")
    assert leaks.observed_writes([log, tmp_path / "absent"]) == {
        os.fsdecode(b"/a b/c\nand\xff more"): 7,
        "/d": 8,
    }
