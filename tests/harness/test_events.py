"""The event log survives a kill at any byte, and nothing else."""

from pathlib import Path

import pytest

from harness.events import EventLog, read


def _log(path: Path) -> Path:
    log = EventLog(path)
    log.write("run.start", target="å")
    log.write("run.end", verdict="PASS", path=path)
    log.close()
    log.close()
    return path


def test_events_come_back_in_order_with_their_fields(tmp_path: Path) -> None:
    rows = list(read(_log(tmp_path / "events.ndjson")))
    assert [row["event"] for row in rows] == ["run.start", "run.end"]
    assert rows[0]["target"] == "å"
    assert rows[1]["path"] == str(tmp_path / "events.ndjson")
    assert rows[0]["monotonic_s"] <= rows[1]["monotonic_s"]


def test_two_writers_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    first, second = EventLog(path), EventLog(path)
    for number in range(20):
        (first, second)[number % 2].write("tick", number=number)
    first.close()
    second.close()
    assert [row["number"] for row in read(path)] == list(range(20))


def test_a_kill_at_any_byte_costs_at_most_the_last_line(tmp_path: Path) -> None:
    whole = _log(tmp_path / "events.ndjson").read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(first, len(whole)):
        cut = tmp_path / "cut.ndjson"
        cut.write_bytes(whole[:size])
        assert [row["event"] for row in read(cut)][:1] == ["run.start"]


def test_damage_before_the_last_line_is_no_kill(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"event": "a"\n{"event": "b"}\n')
    with pytest.raises(ValueError, match="line 1: not an event"):
        list(read(path))
