"""A run's folder is known by its record, and nothing without one is taken for a run."""

import fcntl
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.record import directory
from harness.runs import clean
from harness.system import identity
from tests.support.injected import bites


def test_a_new_run_is_alive_found_and_empty(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    assert run.alive
    assert list(directory.find(tmp_path)) == [run]
    assert run.owner == identity.identify(os.getpid())
    assert run.path.parent == tmp_path / "runs"
    assert run.path.name.endswith(f"Z-{run.token}")
    assert sorted(path.name for path in run.path.iterdir()) == ["logs", "pictures", "run.json", "run.lock", "scratch"]
    assert run.remove_scratch() == []
    assert not run.scratch.exists()


def test_tokens_differ(tmp_path: Path) -> None:
    assert len({directory.create(tmp_path).token for _ in range(5)}) == 5


def test_a_run_of_another_boot_or_start_is_dead(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    assert not replace(run, owner=replace(run.owner, boot="earlier")).alive
    assert not replace(run, owner=replace(run.owner, started="0")).alive


@pytest.mark.parametrize(
    "record", [None, "", "[]", "{}", '{"schema": "another"}', '{"schema": "ptycho-harness-run/1"}']
)
def test_a_folder_without_a_whole_record_is_not_ours(tmp_path: Path, record: str | None) -> None:
    folder = tmp_path / "runs" / "stray"
    folder.mkdir(parents=True)
    if record is not None:
        (folder / "run.json").write_text(record)
    assert directory.load(folder) is None
    assert list(directory.find(tmp_path)) == []


def test_a_link_to_a_run_is_not_a_run(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    (run.path.parent / "link").symlink_to(run.path)
    assert [found.path.name for found in directory.find(tmp_path)] == [run.path.name]
    assert json.loads((run.path / "run.json").read_text())["token"] == run.token


def test_no_runs_where_there_is_no_folder(tmp_path: Path) -> None:
    assert list(directory.find(tmp_path / "absent")) == []


def test_the_run_that_a_path_lies_in(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    assert directory.enclosing(run.scratch / "train" / "writes.log") == run
    assert directory.enclosing(tmp_path / "runs" / "file") is None


def test_a_folder_is_abandoned_when_its_maker_is_gone(tmp_path: Path) -> None:
    own = identity.identify(os.getpid())
    for name in (f"a-{own.pid}-{own.started}", f"b-{own.pid}-1", "c", "d-x-y"):
        (tmp_path / "runs" / f".nascent-{name}").mkdir(parents=True)
    # The maker of this one is in another pid namespace: it is left alone for a minute.
    far = tmp_path / "runs" / ".nascent-e-1-1-elsewhere"
    far.mkdir()
    found = [path.name for path in directory.abandoned(tmp_path)]
    assert found == [f".nascent-b-{own.pid}-1", ".nascent-c", ".nascent-d-x-y"]
    os.utime(far, (0, 0))
    assert far in directory.abandoned(tmp_path)
    assert directory.abandoned(tmp_path / "absent") == []
    assert list(directory.find(tmp_path)) == []


def test_making_a_run_leaves_nothing_unfinished(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [run.path.name]


def test_the_whole_folder_of_a_run_goes(tmp_path: Path) -> None:
    run, other = directory.create(tmp_path), directory.create(tmp_path)
    assert run.remove() == []
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [other.path.name]
    assert run.remove() == []


ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys
from pathlib import Path
from harness.record import directory
print(directory.create(Path(sys.argv[1])).path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """Another process that runs a run, as long as its standard input is open."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def _begun(holder: "subprocess.Popen[str]") -> Path:
    assert holder.stdout is not None
    return Path(holder.stdout.readline().strip())


def _rewrite(path: Path, **changes: object) -> directory.RunRoot:
    """The run with another record."""
    record = json.loads((path / directory.MARKER).read_text())
    record["owner"] |= changes.pop("owner", {})
    (path / directory.MARKER).write_text(json.dumps(record | changes))
    found = directory.load(path)
    assert found is not None
    return found


@pytest.mark.parametrize("owner", [{"pid": 1, "started": "0"}, {"boot": "another"}])
@pytest.mark.fault("elsewhere")
def test_a_lock_that_is_held_is_a_living_run_whatever_the_record_says(
    holder: "subprocess.Popen[str]", owner: dict[str, object]
) -> None:
    # Another pid namespace sees other pids; another host sees another boot.
    run = _rewrite(_begun(holder), owner=owner)
    bites(not identity.is_alive(run.owner), "by its record alone the run is dead")
    assert run.alive


def test_the_kernel_gives_the_lock_of_a_dead_run_back(holder: "subprocess.Popen[str]") -> None:
    run = _rewrite(_begun(holder), owner={"pid": 1, "started": "0"})
    before = run.alive
    holder.kill()
    holder.wait()
    assert (before, run.alive, run.elsewhere) == (True, False, "")


@pytest.mark.parametrize(
    ("host", "machine", "elsewhere"),
    [("far", "m", "far"), ("", "", ""), ("here", "other", "here"), ("here", "", "here")],
)
@pytest.mark.fault("elsewhere")
def test_what_cannot_be_proven_dead_is_alive_and_named(
    host: str, machine: str, elsewhere: str, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _begun(holder)
    holder.kill()
    holder.wait()
    monkeypatch.setattr(platform, "node", lambda: "here")
    monkeypatch.setattr(identity, "machine_id", lambda: "" if machine == "" else "m")
    run = _rewrite(path, owner={"boot": "another"}, host=host, machine=machine)
    bites(not identity.is_alive(run.owner), "its process is not seen from here")
    assert (run.elsewhere, run.alive) == (elsewhere, bool(elsewhere))


def test_after_a_reboot_of_the_same_machine_a_run_is_dead(
    holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _begun(holder)
    holder.kill()
    holder.wait()
    monkeypatch.setattr(identity, "machine_id", lambda: "m")
    run = _rewrite(path, owner={"boot": "another"}, machine="m")
    assert (run.elsewhere, run.alive) == ("", False)


@pytest.mark.fault("clock-ahead")
def test_runs_are_numbered_and_come_in_that_order_whatever_the_clock_says(tmp_path: Path) -> None:
    first, second, third = (directory.create(tmp_path) for _ in range(3))
    ahead = first.path.with_name("29991231T235959Z-" + first.token)
    first.path.rename(ahead)
    bites(max(path.name for path in (tmp_path / "runs").iterdir()) == ahead.name, "by its name the first is the newest")
    assert [run.token for run in directory.find(tmp_path)] == [first.token, second.token, third.token]
    assert [run.number for run in directory.find(tmp_path)] == [1, 2, 3]
    # A lost or damaged count goes on from what is there.
    (tmp_path / directory.COUNT).write_text("nonsense")
    assert directory.create(tmp_path).number == 4


@pytest.mark.fault("record-removed")
def test_a_folder_whose_record_is_gone_is_named(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    (tmp_path / "runs" / "something").mkdir()
    assert directory.without_record(tmp_path) == []
    (run.path / directory.MARKER).unlink()
    # This process still holds its lock: it is under way.
    assert directory.without_record(tmp_path) == []
    (run.path / directory.LOCK).unlink()
    bites(directory.load(run.path) is None, "nothing says that it is a run")
    assert directory.without_record(tmp_path) == [run.path]


def test_links_on_the_way_to_the_root_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    run = directory.create(tmp_path / "link" / ".." / "link")
    assert run.path.parent == tmp_path / "disk" / "runs"
    assert [found.path for found in directory.find(tmp_path / "link")] == [run.path]
    assert directory.enclosing(tmp_path / "link" / "runs" / run.path.name / "logs") == run


@st.composite
def seen_runs(draw: st.DrawFn) -> dict[str, str]:
    """What a run that some process began looks like from here."""
    return {
        "process": draw(st.sampled_from(["of this run", "gone", "a stranger's"])),
        "boot": draw(st.sampled_from(["this", "another"])),
        "pids": draw(st.sampled_from(["of here", "of another container", "not said"])),
        "host": draw(st.sampled_from(["here", "far", ""])),
        "machine": draw(st.sampled_from(["m", "another", ""])),
        "lock": draw(st.sampled_from(["held", "free", "absent", "replaced", "a pipe"])),
        "lock known": draw(st.sampled_from(["yes", "no"])),
    }


def _is_proven_dead(run: dict[str, str]) -> bool:
    """The ways in which a run can be known to be over; everything else may live."""
    if run["lock"] == "held" or (run["process"] == "of this run" and run["boot"] == "this"):
        return False
    if run["host"] == "":
        return True  # an older harness, whose runs had neither
    if run["boot"] == "another":
        return (run["host"], run["machine"]) == ("here", "m")
    is_taken_for_ours = run["lock known"] == "no" and run["lock"] in ("replaced", "a pipe")
    return run["pids"] != "of another container" or run["lock"] == "free" or is_taken_for_ours


@pytest.mark.deep
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seen=seen_runs())
@pytest.mark.fault("elsewhere")
def test_only_what_is_proven_dead_is_swept(seen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "here")
    monkeypatch.setattr(identity, "machine_id", lambda: "m")
    with tempfile.TemporaryDirectory() as folder:
        run = directory.create(Path(folder))
        (run.scratch / "precious").write_text("x")
        lock = run.path / directory.LOCK
        directory.release(run)
        own = {"pid": run.owner.pid, "started": run.owner.started}
        process = {"of this run": own, "gone": {"pid": 2**30, "started": "1"}, "a stranger's": own | {"started": "1"}}
        boot = identity.boot_id() if seen["boot"] == "this" else "another"
        space = {"of here": identity.pid_space(), "of another container": "elsewhere", "not said": ""}
        about: dict[str, object] = {name: seen[name] for name in ("host", "machine")}
        about |= {"space": space[seen["pids"]]} | ({} if seen["lock known"] == "yes" else {"lock": 0})
        if seen["lock"] in ("absent", "replaced", "a pipe"):
            lock.rename(lock.with_name("kept"))  # an inode that is free may be the next one
        if seen["lock"] == "replaced":
            lock.touch()
        elif seen["lock"] == "a pipe":
            os.mkfifo(lock)
        found = _rewrite(run.path, owner=process[seen["process"]] | {"boot": boot}, **about)
        holder = lock.open("rb") if seen["lock"] == "held" else None
        if holder is not None:
            fcntl.flock(holder, fcntl.LOCK_EX)
        bites(found.token not in directory._held, "this process does not run it any more")
        swept, _ = clean.sweep(Path(folder))
        assert clean.main(Path(folder), check=False, dry_run=False, everything=True) == 0
        assert (run.scratch / "precious").exists() != _is_proven_dead(seen)
        assert bool(swept) == _is_proven_dead(seen)
        if holder is not None:
            holder.close()
