"""The places of a trial: every kind of change is a difference, and what a run may do is none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.faults.kill import snapshot
from harness.faults.kill.snapshot import Guard


@pytest.fixture
def places(tmp_path: Path) -> Guard:
    return Guard(path=tmp_path / "places").make()


def _same_size_and_time(places: Guard) -> None:
    path = places.tmp / "memmap-of-a-neighbour.bin"
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _relinked(places: Guard) -> None:
    link = places.cwd / "to-the-neighbour"
    link.unlink()
    link.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda at: (at.home / ".telemetry").write_text(""), ["new: home/.telemetry"]),
        (lambda at: (at.tmp / "new").mkdir(), ["new: tmp/new"]),
        (lambda at: (at.home / ".config" / "settings.toml").unlink(), ["gone: home/.config/settings.toml"]),
        (
            lambda at: (at.cwd / "mlruns" / "0" / "meta.yaml").write_text("x"),
            ["changed: workspace/cwd/mlruns/0/meta.yaml"],
        ),
        (lambda at: (at.cwd / "notes with spaces.txt").chmod(0o600), ["changed: workspace/cwd/notes with spaces.txt"]),
        (_same_size_and_time, ["changed: tmp/memmap-of-a-neighbour.bin"]),
        (_relinked, ["changed: workspace/cwd/to-the-neighbour"]),
        (
            lambda at: (at.cwd / "second-name.npz").write_bytes(b"through a hard link"),
            ["changed: workspace/cwd/second-name.npz", "changed: workspace/sibling.npz"],
        ),
        (lambda at: (at.tmp / ".harness").mkdir(), ["new: tmp/.harness"]),
    ],
)
def test_every_change_is_a_difference(places: Guard, change: Callable[[Guard], object], found: list[str]) -> None:
    before = snapshot.state(places)
    change(places)
    assert snapshot.differences(before, snapshot.state(places)) == found


def test_runs_and_what_was_made_and_removed_again_are_no_difference(places: Guard) -> None:
    before = snapshot.state(places)
    (places.root / "runs" / "one").mkdir(parents=True)
    (places.tmp / "gone").mkdir()
    (places.tmp / "gone").rmdir()
    assert snapshot.differences(before, snapshot.state(places)) == []
    assert len(before) > 10


def test_shared_memory_is_the_runs_if_it_carries_its_token_or_a_pid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "SHARED_MEMORY", tmp_path)
    for name in ("torch_4711_9", "sem.loky-47110", "psm_c0ffee"):
        (tmp_path / name).touch()
    assert snapshot.shared_memory(frozenset({"4711"})) == [f"new: {tmp_path / 'torch_4711_9'}"]
    assert snapshot.shared_memory(frozenset({"c0ffee", "x"})) == [f"new: {tmp_path / 'psm_c0ffee'}"]
    monkeypatch.setattr(snapshot, "SHARED_MEMORY", tmp_path / "none")
    assert snapshot.shared_memory(frozenset({"4711"})) == []
