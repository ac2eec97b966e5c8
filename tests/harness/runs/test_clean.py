"""Dead runs are swept, living ones are not touched, and checking changes nothing."""

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.cli import main
from harness.record import directory
from harness.runs import artifacts, clean
from harness.system import filelock
from harness.system import identity as process_identity
from ptycho.verdict import Verdict
from tests.support import sample_log
from tests.support.injected import bites


def _dead(root: Path) -> directory.RunRoot:
    """A run whose record names a process of another boot under a pid that is very much alive: ours."""
    run = directory.create(root)
    record = json.loads((run.path / directory.MARKER).read_text())
    record["owner"]["started"] = "1"
    (run.path / directory.MARKER).write_text(json.dumps(record))
    (run.scratch / "store").mkdir()
    (run.scratch / "store" / "patches.bin").write_bytes(bytes(100))
    (run.logs / "train.log").write_text("kept")
    directory.release(run)
    return run


def test_a_dead_run_loses_scratch_and_processes_and_keeps_its_logs(tmp_path: Path) -> None:
    run = _dead(tmp_path)
    env = {**os.environ, process_identity.TOKEN_VARIABLE: run.token}
    argv = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout is not None
        orphan.stdout.readline()
        assert [len(remains.processes) for remains in clean.survey(tmp_path)] == [1]
        swept, refused = clean.sweep(tmp_path)
        assert orphan.wait(timeout=10) == -15
    assert ([remains.run.path for remains in swept], refused) == ([run.path], [])
    assert not run.scratch.exists()
    assert (run.logs / "train.log").read_text() == "kept"
    assert clean.survey(tmp_path) == []


def test_scratch_that_somebody_asked_to_keep_stays_until_all_is_removed(tmp_path: Path) -> None:
    run = _dead(tmp_path)
    run.keep_scratch()
    assert [] == clean.survey(tmp_path)
    assert Verdict.PASS == clean.main(tmp_path, check=False, dry_run=False, everything=False)
    assert (run.scratch / "store" / "patches.bin").is_file()
    assert Verdict.PASS == clean.main(tmp_path, check=False, dry_run=False, everything=True)
    assert not run.path.exists()


def test_a_living_run_is_not_touched(tmp_path: Path) -> None:
    run = directory.create(tmp_path)
    (run.scratch / "store").write_text("x")
    assert clean.sweep(tmp_path) == ([], [])
    assert clean.main(tmp_path, check=False, dry_run=False, everything=True) == Verdict.PASS
    assert (run.scratch / "store").read_text() == "x"


@pytest.mark.parametrize(("option", "code"), [("check", Verdict.FAIL), ("dry_run", Verdict.PASS)])
def test_looking_changes_nothing(
    tmp_path: Path, option: str, code: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _dead(tmp_path)
    assert clean.main(tmp_path, check=option == "check", dry_run=option == "dry_run", everything=True) == code
    assert str(run.path) in capsys.readouterr().out
    assert (run.scratch / "store" / "patches.bin").exists()


def test_all_removes_what_dead_runs_keep(tmp_path: Path) -> None:
    run = _dead(tmp_path)
    assert clean.main(tmp_path, check=False, dry_run=False, everything=False) == Verdict.PASS
    assert run.path.exists()
    assert clean.main(tmp_path, check=False, dry_run=False, everything=True) == Verdict.PASS
    assert not run.path.exists()
    assert clean.main(tmp_path, check=True, dry_run=False, everything=False) == Verdict.PASS


def test_scratch_that_is_a_link_is_refused_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = _dead(tmp_path)
    outside = tmp_path / "outside"
    run.scratch.rename(outside)
    run.scratch.symlink_to(outside)
    assert clean.main(tmp_path, check=False, dry_run=False, everything=False) == Verdict.FAIL
    assert "left in place" in capsys.readouterr().out
    assert (outside / "store" / "patches.bin").exists()


@contextmanager
def _stranger(**env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A living process that belongs to no run, unless its environment says so."""
    argv = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with subprocess.Popen(argv, env={**os.environ, **env}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.fault("pid-reuse")
@pytest.mark.parametrize("changed", [{"started": "1"}, {"boot": "an earlier one"}])
def test_a_stranger_under_a_dead_runs_pid_is_not_signalled(tmp_path: Path, changed: dict[str, str]) -> None:
    """The record names a pid that is alive and somebody else's; its start time or its boot tells that it was reused."""
    run = _dead(tmp_path)
    with _stranger(**{process_identity.TOKEN_VARIABLE: f"x{run.token}:{run.token[:-1]}"}) as stranger:
        identity = process_identity.identify(stranger.pid)
        record = json.loads((run.path / directory.MARKER).read_text())
        record["owner"] = {"pid": identity.pid, "started": identity.started, "boot": identity.boot} | changed
        (run.path / directory.MARKER).write_text(json.dumps(record))
        bites(process_identity.start_time(record["owner"]["pid"]) is not None, "the pid is alive")
        assert clean.main(tmp_path, check=False, dry_run=False, everything=False) == Verdict.PASS
        assert not run.scratch.exists()
        time.sleep(0.2)
        assert stranger.poll() is None
        assert process_identity.is_alive(identity)


def test_a_record_of_a_living_stranger_is_a_living_run(tmp_path: Path) -> None:
    """The other way round: if pid, start time and boot are right, it lives, whoever asks."""
    run = _dead(tmp_path)
    with _stranger() as owner:
        identity = process_identity.identify(owner.pid)
        record = json.loads((run.path / directory.MARKER).read_text())
        record["owner"] = {"pid": identity.pid, "started": identity.started, "boot": identity.boot}
        (run.path / directory.MARKER).write_text(json.dumps(record))
        assert clean.sweep(tmp_path) == ([], [])
        assert run.scratch.exists()
    assert [remains.run.path for remains in clean.sweep(tmp_path)[0]] == [run.path]


def test_a_dead_run_gets_its_reports_and_they_are_partial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = _dead(tmp_path)
    whole = sample_log.content(sample_log.whole())
    run.events.write_bytes(whole[: len(whole) // 2])
    assert clean.main(tmp_path, check=True, dry_run=False, everything=False) == Verdict.FAIL
    assert f"{run.path}: dead run, left scratch, a log without reports" in capsys.readouterr().out
    assert clean.main(tmp_path, check=False, dry_run=False, everything=False) == Verdict.PASS
    said = capsys.readouterr().out
    assert f"{run.path}: partial reports made from its log: fail; see summary.txt there" in said
    told = json.loads((run.path / "verdict.json").read_text())
    assert (told["partial"], told["verdict"]) == (True, "fail")
    assert "PARTIAL" in (run.path / "summary.txt").read_text()
    assert clean.main(tmp_path, check=True, dry_run=False, everything=False) == Verdict.PASS


def test_reports_that_cannot_be_written_are_said_and_the_scratch_goes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ptycho.errors import InfrastructureError

    def full(folder: Path) -> None:
        raise InfrastructureError(f"no space left in {folder.name}")

    run = _dead(tmp_path)
    run.events.write_bytes(sample_log.content(sample_log.beginning()))
    monkeypatch.setattr(artifacts, "write", full)
    assert clean.sweep(tmp_path)[1] == [f"{run.path}: no reports: no space left in {run.path.name}"]
    assert not run.scratch.exists()


@pytest.mark.parametrize("log", [None, b"", b'{"event": "run.sta'])
def test_a_run_that_was_killed_before_its_first_event_is_said_and_goes_as_a_whole(
    tmp_path: Path, log: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _dead(tmp_path)
    (run.logs / "train.log").unlink()
    if log is not None:
        run.events.write_bytes(log)
    bites(not run.has_begun, "nothing says what the run was to judge")
    assert clean.main(tmp_path, check=True, dry_run=False, everything=False) == Verdict.FAIL
    assert f"{run.path}: a run that was killed before its first event, left scratch\n" == capsys.readouterr().out
    assert clean.main(tmp_path, check=False, dry_run=False, everything=False) == Verdict.PASS
    assert not run.path.exists()
    assert "unknown" not in capsys.readouterr().out
    assert clean.main(tmp_path, check=True, dry_run=False, everything=False) == Verdict.PASS


def test_a_run_of_nothing_that_an_earlier_sweep_reported_goes_too(tmp_path: Path) -> None:
    run = _dead(tmp_path)
    run.remove_scratch()
    run.events.write_bytes(b"")
    (run.logs / "train.log").unlink()  # before the first event nothing is started
    artifacts.write(run.path)
    clean.sweep(tmp_path)
    assert not run.path.exists()


def test_one_that_has_an_event_is_reported_and_stays(tmp_path: Path) -> None:
    run = _dead(tmp_path)
    run.events.write_bytes(sample_log.content(sample_log.beginning()[:1]))
    clean.sweep(tmp_path)
    assert (run.path / "verdict.json").exists()


def test_a_folder_in_the_place_of_a_run_is_not_touched(tmp_path: Path) -> None:
    """Between the look and the removal, the run's folder is swapped for a link, and for a stranger's folder."""
    run = _dead(tmp_path)
    theirs = tmp_path / "theirs"
    (theirs / "scratch").mkdir(parents=True)
    (theirs / "scratch" / "work").write_text("theirs")
    run.path.rename(tmp_path / "elsewhere")
    run.path.symlink_to(theirs)
    assert run.remove_scratch() != []
    run.path.unlink()
    theirs.rename(run.path)
    assert run.remove_scratch() == [f"{run.path}: its record is gone or another run's: not touched"]
    assert run.remove() == [f"{run.path}: its record is gone or another run's: not touched"]
    assert (run.path / "scratch" / "work").read_text() == "theirs"


def test_a_run_that_was_killed_before_it_had_a_record(tmp_path: Path) -> None:
    living = process_identity.identify(os.getpid())
    runs = tmp_path / "runs"
    names = {f".nascent-aa-{living.pid}-1", ".nascent-bb", f".nascent-cc-{living.pid}-{living.started}"}
    for name in names:
        (runs / name).mkdir(parents=True)
        (runs / name / directory.MARKER).write_text("{")
    assert clean.main(tmp_path, check=True, dry_run=False, everything=False) == Verdict.FAIL
    assert {path.name for path in runs.iterdir()} == names
    assert clean.main(tmp_path, check=False, dry_run=False, everything=False) == Verdict.PASS
    assert [path.name for path in runs.iterdir()] == [f".nascent-cc-{living.pid}-{living.started}"], "its maker lives"
    assert clean.main(tmp_path, check=True, dry_run=False, everything=False) == Verdict.PASS


def _environment(root: Path, name: str) -> Path:
    folder = root / "environments" / name
    (folder / "bin").mkdir(parents=True)
    folder.with_name(f"{name}.lock").touch()
    folder.with_name(f"{name}.0.log").write_text("installed")
    return folder


def test_all_removes_environments_and_keeps_one_that_is_being_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, making = _environment(tmp_path, "torch-1234"), _environment(tmp_path, "tf-5678")
    assert clean.main(tmp_path, check=False, dry_run=True, everything=True) == Verdict.PASS
    assert f"{made}: environment of a target" in capsys.readouterr().out
    with making.with_name("tf-5678.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert clean.main(tmp_path, check=False, dry_run=False, everything=True) == Verdict.FAIL
        assert f"left in place: {making}: cannot remove tf-5678" in capsys.readouterr().out
    assert (made.exists(), making.exists()) == (False, True)
    assert clean.main(tmp_path, check=False, dry_run=False, everything=True) == Verdict.PASS
    assert sorted(path.name for path in (tmp_path / "environments").iterdir()) == ["tf-5678.lock", "torch-1234.lock"]


def test_all_keeps_environments_while_a_run_is_alive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, run = _environment(tmp_path, "torch-1234"), directory.create(tmp_path)
    assert clean.main(tmp_path, check=False, dry_run=False, everything=True) == Verdict.FAIL
    assert f"{made}: a living run may use it" in capsys.readouterr().out
    assert (made.is_dir(), run.scratch.is_dir()) == (True, True)


def test_the_command_keeps_what_it_is_told_to_keep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [_dead(tmp_path) for _ in range(3)]
    for number, run in enumerate(runs):
        run.path.rename(run.path.with_name(f"20260101T00000{number}Z"))
    command = ["clean", "--root", str(tmp_path)]
    assert main.main([*command, "--keep-runs", "2", "--dry-run"]) == Verdict.PASS
    capsys.readouterr()
    assert main.main([*command, "--keep-runs", "2"]) == Verdict.PASS
    assert "removed run 20260101T000000Z (passed, 0.0 MiB)" in capsys.readouterr().out
    assert main.main([*command, "--keep-mib", "0"]) == Verdict.PASS
    assert [run.path.name for run in directory.find(tmp_path)] == ["20260101T000002Z"]
    with pytest.raises(SystemExit) as ended:
        main.main([*command, "--keep-runs", "0"])
    assert ended.value.code == Verdict.USAGE


def test_two_sweeps_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _dead(tmp_path)
    said: list[tuple[list[str], list[str]]] = []
    monkeypatch.setattr(clean, "_living", lambda _: {})

    def sweep() -> None:
        swept, refused = clean.sweep(tmp_path)
        said.append(([remains.run.path.name for remains in swept], refused))

    with filelock.held(tmp_path / clean.LOCK, "hold it"):
        sweeps = [threading.Thread(target=sweep) for _ in range(3)]
        for thread in sweeps:
            thread.start()
        time.sleep(0.3)
        assert (said, run.scratch.exists()) == ([], True)
    for thread in sweeps:
        thread.join()
    assert sorted(said) == [([], []), ([], []), ([run.path.name], [])]


def test_a_name_that_is_no_utf_8_can_be_said(tmp_path: Path) -> None:
    """Said by a process of its own, whose standard output is as strict as it is by default."""
    run = _dead(tmp_path)
    outside = tmp_path / "outside"
    run.scratch.rename(outside)
    root = tmp_path / os.fsdecode(b"\xff odd")
    (tmp_path / "runs").rename(root.with_name("runs"))
    root.mkdir()
    (tmp_path / "runs").rename(root / "runs")
    (root / "runs" / run.path.name / "scratch").symlink_to(outside)
    argv = [sys.executable, "-m", "harness", "clean", "--root", str(root)]
    done = subprocess.run(argv, capture_output=True, check=False, cwd=Path(clean.__file__).parents[2])
    assert (done.returncode, done.stderr) == (Verdict.FAIL, b"")
    assert b"left in place: " in done.stdout
    assert b"\\udcff odd" in done.stdout
