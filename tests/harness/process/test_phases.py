"""Phases are read from the log while it grows: those of the command, whole lines, from its start on."""

import json
from pathlib import Path

from harness.process.phases import START, Phases


def _say(log: Path, pid: int, event: str, phase: str) -> None:
    with log.open("a") as file:
        file.write(json.dumps({"event": event, "pid": pid, "phase": phase}) + "\n")


def _names(phases: Phases, *alive: int) -> list[tuple[str, float]]:
    return [(stay.phase, stay.since) for stay in phases.open(alive)]


def test_stays_begin_and_end(tmp_path: Path) -> None:
    log = tmp_path / "events.ndjson"
    _say(log, 7, "phase.start", "of an earlier command")
    phases = Phases(log, 100.0)
    assert (phases.read(101.0, [7], 0.0), _names(phases, 7)) == (0, [(START, 100.0)])
    _say(log, 7, "phase.start", "train")
    _say(log, 7, "phase.start", "validate")
    assert (phases.read(102.0, [7], 3.5), _names(phases, 7)) == (2, [("train", 102.0), ("validate", 102.0)])
    assert [stay.cpu_s for stay in phases.open([7])] == [3.5, 3.5]
    _say(log, 7, "phase.end", "train")
    phases.read(103.0, [7], 4.0)
    assert _names(phases, 7) == [("validate", 102.0)]


def test_other_commands_of_the_run_do_not_count_and_a_dead_process_is_in_no_phase(tmp_path: Path) -> None:
    log = tmp_path / "events.ndjson"
    phases = Phases(log, 0.0)
    _say(log, 8, "phase.start", "train")
    assert (phases.read(1.0, [7], 0.0), _names(phases, 7, 8)) == (0, [(START, 0.0)])
    _say(log, 7, "phase.start", "train")
    phases.read(2.0, [7], 0.0)
    assert _names(phases, 7) == [("train", 2.0)]
    assert _names(phases) == []


def test_an_event_of_a_process_that_is_not_known_yet_waits_for_one_look(tmp_path: Path) -> None:
    log = tmp_path / "events.ndjson"
    phases = Phases(log, 0.0)
    _say(log, 9, "phase.start", "train")
    assert phases.read(1.0, [7], 0.0) == 0
    assert phases.read(2.0, [7, 9], 0.0) == 1
    assert _names(phases, 9) == [("train", 2.0)]


def test_half_a_line_waits_and_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "events.ndjson"
    phases = Phases(log, 0.0)
    log.write_text('damage\n[1]\n{"event": "phase.st')
    assert phases.read(1.0, [7], 0.0) == 0
    with log.open("a") as file:
        file.write('art", "pid": 7, "phase": "data"}\n')
    assert phases.read(2.0, [7], 0.0) == 1
    assert _names(phases, 7) == [("data", 2.0)]


def test_without_a_log_there_is_only_the_start() -> None:
    phases = Phases(None, 5.0)
    assert (phases.read(6.0, [7], 0.0), _names(phases, 7)) == (0, [(START, 5.0)])
