"""History by fingerprint: a line of another machine is no baseline, and a damaged one takes no other along."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.record import history, machine
from harness.record.history import MeasuredFigures
from ptycho.errors import InfrastructureError

HERE = {"cpu": "a", "cores": 2, "locks": {"torch-cpu.txt": "c0ffee"}}
UTC = "2026-01-02T03:04:05+00:00"


def entry(seconds: float) -> MeasuredFigures:
    values = {"seconds": seconds, "cpu_s": 1.0, "peak_mib": 2.0}
    return MeasuredFigures(
        utc=UTC, commit="c0ffee", kind="benchmark", subject="e", values=values, method={"threads": "1"}
    )


def line(**changes: Any) -> str:
    row = json.loads(history.line_of(HERE, entry(1.0)))
    return json.dumps({key: value for key, value in (row | changes).items() if value is not ...})


def test_entries_are_appended_and_read_back(tmp_path: Path) -> None:
    written = [entry(seconds) for seconds in (1.0, 2.0)]
    for one in written:
        history.append(tmp_path, HERE, [one])
    found = history.read(tmp_path, HERE)
    assert found.of("e") == written
    assert (found.of("another"), found.foreign, found.refused) == ([], 0, ())
    assert history.read_all(tmp_path).entries == tuple(written)


@pytest.mark.parametrize("changed", [{"cpu": "b"}, {"cores": 4}, {"locks": {"torch-cpu.txt": "beef"}}])
def test_a_line_of_another_machine_or_lock_is_left_out(tmp_path: Path, changed: dict[str, object]) -> None:
    history.append(tmp_path, HERE, [entry(1.0)])
    history.append(tmp_path, HERE | changed, [entry(9.0)])
    assert [one.values["seconds"] for one in history.read(tmp_path, HERE).entries] == [1.0]
    own, foreign = history.path_of(tmp_path, HERE), history.path_of(tmp_path, HERE | changed)
    own.write_text(own.read_text() + foreign.read_text())
    found = history.read(tmp_path, HERE)
    assert ([one.values["seconds"] for one in found.entries], found.foreign) == ([1.0], 1)


def test_lines_of_the_first_form_are_read_as_benchmarks(tmp_path: Path) -> None:
    old = {"utc": UTC, "commit": None, "benchmark": "e", "seconds": 3.5, "cpu_s": None, "peak_mib": 7}
    path = history.append(tmp_path, HERE, [entry(1.0)])
    path.write_text(json.dumps({"schema": "ptycho-history/1", "fingerprint": HERE, **old}) + "\n" + path.read_text())
    found = history.read(tmp_path, HERE)
    assert found.of("e")[0].values == {"seconds": 3.5, "peak_mib": 7.0}
    assert len(found.entries) == 2
    assert found.refused == ()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{half a li", "it is not JSON"),
        ("[]", "it is list, not an object"),
        ("[" * 60_000, ""),
        ('"' + "x" * 70_000 + '"', "it has 70002 bytes; allowed: 65536"),
        (line(schema="ptycho-history/3"), "its schema is 'ptycho-history/3'; allowed: ptycho-history/2"),
        (line(fingerprint=[]), "it has no fingerprint"),
        (line(kind="mood"), "its kind is 'mood'; allowed: benchmark, ladder, lane"),
        (line(commit="main; rm -rf"), "its commit is 'main; rm -rf'; allowed: a hash, or null"),
        (line(utc="yesterday"), "yesterday"),
        (line(utc="2026-01-02T03:04:05"), "allowed: a date and time with its zone"),
        (line(subject="\x1b[2J"), "its subject holds"),
        (line(subject=...), "its subject holds 'None'"),
        (line(values={"seconds": float("inf")}), "seconds is inf; allowed: a finite number"),
        (line(values={"seconds": True}), "seconds is True; allowed: a finite number"),
        (line(values={"noise_units": 1.0}), "unknown figure 'noise_units'; allowed: seconds"),
        (line(values=[]), "its values are list, not an object"),
        (line(method={"a": 1}), "its method holds '1'"),
        (line(mood="good"), "unknown key 'mood'"),
    ],
)
def test_a_damaged_line_is_named_and_hides_no_other(tmp_path: Path, bad: str, why: str) -> None:
    path = history.append(tmp_path, HERE, [entry(1.0)])
    before = f"{path.read_text()}{bad}\n{path.read_text()}"
    path.write_text(before)
    found = history.read(tmp_path, HERE)
    assert len(found.entries) == 2
    (sentence,) = found.refused
    assert sentence.startswith(f"{path.name} line 2: ")
    assert why in sentence
    assert sentence.isprintable()
    assert path.read_text() == before  # it stays: somebody may want to repair it


def test_a_line_that_a_kill_cut_takes_none_of_the_next_run_along(tmp_path: Path) -> None:
    path = history.append(tmp_path, HERE, [entry(1.0), entry(2.0)])
    os.truncate(path, path.stat().st_size - 20)
    history.append(tmp_path, HERE, [entry(3.0)])
    found = history.read(tmp_path, HERE)
    assert [one.values["seconds"] for one in found.entries] == [1.0, 3.0]
    assert [sentence.split(":")[0] for sentence in found.refused] == [f"{path.name} line 2"]


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path) -> None:
    path = history.path_of(tmp_path, HERE)
    path.parent.mkdir()
    os.mkfifo(path)
    found = history.read_all(tmp_path)
    assert found.entries == ()
    assert "it is not a regular file, but a named pipe" in found.refused[0]
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        history.append(tmp_path, HERE, [entry(1.0)])
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_infrastructure(tmp_path: Path) -> None:
    (tmp_path / history.FOLDER).write_text("in the way")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        history.append(tmp_path, HERE, [entry(1.0)])


def test_a_figure_that_is_not_finite_is_not_written() -> None:
    assert json.loads(history.line_of(HERE, entry(float("nan"))))["values"] == {"cpu_s": 1.0, "peak_mib": 2.0}


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
