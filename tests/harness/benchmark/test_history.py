"""History by fingerprint: a planted line of another machine is never a baseline."""

import json
from pathlib import Path

import pytest

from harness.benchmark import history, machine
from harness.benchmark.history import Entry
from ptycho.errors import InfrastructureError

HERE = {"cpu": "a", "cores": 2, "locks": {"torch-cpu.txt": "c0ffee"}}


def entry(seconds: float) -> Entry:
    return Entry(utc="2026-01-02T03:04:05+00:00", commit="c0ffee", benchmark="e", seconds=seconds, cpu_s=1, peak_mib=2)


def test_entries_are_appended_and_read_back(tmp_path: Path) -> None:
    for seconds in (1.0, 2.0):
        history.append(tmp_path, HERE, [entry(seconds)])
    found = history.read(tmp_path, HERE)
    assert [one.seconds for one in found.of("e")] == [1.0, 2.0]
    assert (found.of("another"), found.foreign, found.damaged) == ([], 0, 0)


@pytest.mark.parametrize("changed", [{"cpu": "b"}, {"cores": 4}, {"locks": {"torch-cpu.txt": "beef"}}])
def test_a_line_of_another_machine_or_lock_is_left_out(tmp_path: Path, changed: dict[str, object]) -> None:
    history.append(tmp_path, HERE, [entry(1.0)])
    history.append(tmp_path, HERE | changed, [entry(9.0)])
    assert [one.seconds for one in history.read(tmp_path, HERE).entries] == [1.0]
    own, foreign = history.path_of(tmp_path, HERE), history.path_of(tmp_path, HERE | changed)
    own.write_text(own.read_text() + foreign.read_text())
    found = history.read(tmp_path, HERE)
    assert ([one.seconds for one in found.entries], found.foreign) == ([1.0], 1)


def test_damage_is_counted_and_hides_nothing(tmp_path: Path) -> None:
    path = history.append(tmp_path, HERE, [entry(1.0)])
    path.write_text(path.read_text() + "{half a li\n[]\n" + json.dumps({"schema": "x", "fingerprint": HERE}) + "\n")
    found = history.read(tmp_path, HERE)
    assert (len(found.entries), found.damaged) == (1, 3)


def test_a_folder_that_cannot_be_made_is_infrastructure(tmp_path: Path) -> None:
    (tmp_path / history.FOLDER).write_text("in the way")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        history.append(tmp_path, HERE, [entry(1.0)])


def test_the_fingerprint_names_processor_gpu_driver_and_locks(tmp_path: Path) -> None:
    lock, nvidia = tmp_path / "torch-cpu.txt", tmp_path / "nvidia"
    lock.write_text("torch==2.13.0\n")
    (nvidia / "gpus" / "0").mkdir(parents=True)
    (nvidia / "version").write_text("NVRM version: 600.1\nGCC\n")
    (nvidia / "gpus" / "0" / "information").write_text("IRQ: 3\nModel: \t A card\n")
    found = machine.describe([lock], device="cuda", nvidia=nvidia)
    assert (found["gpu"], found["driver"], found["device"]) == (["A card"], "NVRM version: 600.1", "cuda")
    assert found["cores"] >= 1
    before = machine.key(found)
    lock.write_text("torch==2.14.0\n")
    assert machine.key(machine.describe([lock], device="cuda", nvidia=nvidia)) != before
    assert machine.describe([], device="cpu", nvidia=tmp_path / "none")["gpu"] is None
