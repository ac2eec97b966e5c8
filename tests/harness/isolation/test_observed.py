"""What another run was seen to write is that run's, while it lives and after it; older runs claim nothing."""

import os
from dataclasses import replace
from pathlib import Path

from harness.isolation import leaks as leak_ledger
from harness.isolation import observed
from harness.isolation.leaks import PathState, WatchedFolder
from harness.isolation.observed import ObservedWrites
from harness.record import directory
from harness.record.directory import RunRoot


def _runs(root: Path) -> tuple[RunRoot, RunRoot, ObservedWrites]:
    """A run of ours and another one, and what our children were seen to do: nothing."""
    own, other = directory.create(root), directory.create(root)
    (own.scratch / "train").mkdir()
    seen = observed.observed_writes([own.scratch / "train" / "writes.log"])
    seen.run = own
    return own, other, seen


def _compare(place: WatchedFolder, seen: ObservedWrites) -> list[tuple[str, str]]:
    before: dict[str, dict[str, PathState]] = {place.name: {}}
    found = leak_ledger.compare([place], before, leak_ledger.listing([place]), token="t0ken", writes=seen, pids=())
    return [(Path(leak.path).name, leak.blame) for leak in found]


def test_the_run_of_a_log_is_found(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    log = run.scratch / "train" / "writes.log"
    log.parent.mkdir()
    log.write_bytes(b"7\t/a\x00")
    assert observed.observed_writes([log]).run == run
    assert observed.observed_writes([tmp_path / "writes.log"]).run is None


def test_what_a_living_run_was_seen_to_write_is_its_own(tmp_path: Path) -> None:
    _, other, seen = _runs(tmp_path / "root")
    place = WatchedFolder(name="cwd", path=tmp_path / "cwd", depth=2, strict=True)
    for name in ("theirs", "nobodys", "ours"):
        (place.path / name).mkdir(parents=True)
    (other.scratch / "train").mkdir()
    (other.scratch / "train" / "writes.log").write_bytes(f"9\t{place.path / 'theirs' / 'file'}\0".encode())
    seen[str(place.path / "ours")] = 7
    expected = [("nobodys", ""), ("ours", "written by process 7 of the run")]
    assert _compare(place, seen) == expected, "with another run about, nothing is attributed without evidence"


def test_what_a_run_left_that_has_ended_is_in_its_log(tmp_path: Path) -> None:
    own, other, seen = _runs(tmp_path / "root")
    place = WatchedFolder(name="cwd", path=tmp_path / "cwd", depth=1, strict=True)
    (place.path / "theirs").mkdir(parents=True)
    with_log = other.open_events()
    with_log.write("leak", path=str(place.path / "theirs"), place="cwd")
    with_log.close()
    other.remove_scratch()
    assert _compare(place, seen) == []
    began = (own.path / directory.MARKER).stat().st_mtime_ns
    dead = replace(other, owner=replace(other.owner, started="1"))
    record = (other.path / directory.MARKER).read_text().replace(other.owner.started, "1")
    (other.path / directory.MARKER).write_text(record)
    assert (dead.alive, _compare(place, seen)) == (False, [])
    os.utime(other.events, ns=(began - 1, began - 1))
    assert observed.neighbours(own) == []
    assert _compare(place, seen) == [("theirs", "nobody else is expected to write here")]


def test_what_is_held_is_read_from_the_runs_log_and_damage_is_left_out(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    (run.scratch / "train").mkdir()
    with_log = run.open_events()
    with_log.write("process.held", kind="thread", name="feeder", owner="at a.py:3", cell="train")
    with_log.write("process.held", kind="thread")
    with_log.close()
    seen = observed.observed_writes([run.scratch / "train" / "writes.log"])
    assert [str(item) for item in seen.held] == [f"process {os.getpid()} of train, at a.py:3"]
    (leak,) = leak_ledger.compare([], {}, {}, token="t0ken", writes=seen, pids=())
    assert str(leak) == f"left in threads: feeder (process {os.getpid()} of train, at a.py:3)"


def test_shared_memory_of_a_helper_counts_only_if_it_is_still_there(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    (run.scratch / "train").mkdir()
    (tmp_path / "kept").touch()
    with_log = run.open_events()
    for name in ("kept", "gone"):
        path = str(tmp_path / name)
        with_log.write("process.held", kind="shared memory", name=path, owner="a POSIX segment", cell="train")
    with_log.close()
    seen = observed.observed_writes([run.scratch / "train" / "writes.log"])
    for pids, expected in (((), ["kept"]), ((os.getpid(),), ["kept", "gone"])):
        leaks = leak_ledger.compare([], {}, {}, token="t0ken", writes=seen, pids=pids)
        assert [Path(leak.path).name for leak in leaks] == expected
