"""The event log survives a kill at any byte, a full disk, odd text and several writers; damage is kept and named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.record.log import Damage, EventLog, parse, read
from ptycho.errors import InfrastructureError

ROOT = Path(__file__).resolve().parents[3]


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
    assert {row["pid"] for row in rows} == {os.getpid()}


def test_two_processes_that_write_at_once_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    code = (
        "import sys; from pathlib import Path; from harness.record.log import EventLog\n"
        "log = EventLog(Path(sys.argv[1]))\n"
        "for number in range(300): log.write('tick', number=number, name=sys.argv[2], filling='x' * 5000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=ROOT) for name in "ab"]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    log = parse(path.read_bytes())
    assert log.damage == ()
    for name in "ab":
        assert [row["number"] for row in log.rows if row["name"] == name] == list(range(300))


def test_a_kill_at_any_byte_costs_at_most_the_last_line(tmp_path: Path) -> None:
    whole = _log(tmp_path / "events.ndjson").read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(len(whole)):
        log = parse(whole[:size])
        assert [row["event"] for row in log.rows] == ["run.start"] * (size >= first)
        assert [found.torn for found in log.damage] == [True] * (size not in (0, first))


def test_damage_before_the_last_line_is_no_kill(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"event": "a"\n{"event": "b"}\n')
    with pytest.raises(ValueError, match="line 1: not an event"):
        list(read(path))


def test_an_event_behind_a_torn_one_on_the_same_line_is_found_again() -> None:
    log = parse(b'{"event": "a", "te{"event": "b"}\n{"event": "c"}\n')
    assert [row["event"] for row in log.rows] == ["b", "c"]
    assert log.damage == (Damage(line=1, text='{"event": "a", "te', torn=False),)


@pytest.mark.parametrize("line", [b"", b"7", b"[]", b"{}", b'{"event": 7}', b"\xff\xfe", b'{"event": "a"'])
def test_what_is_no_event_is_damage(line: bytes) -> None:
    log = parse(line + b'\n{"event": "b"}\n')
    assert [row["event"] for row in log.rows] == ["b"]
    assert [(found.line, found.torn) for found in log.damage] == [(1, False)]


@pytest.mark.parametrize(
    ("given", "read_back"),
    [
        ("line\u2028separator\x85 and \x1c", "line\u2028separator\x85 and \x1c"),
        ("half a pair \udc80", "half a pair \udc80"),
        (float("nan"), "nan"),
        ([float("inf"), {"deep": float("-inf")}, (1.5, None)], ["inf", {"deep": "-inf"}, [1.5, None]]),
        (Path("/somewhere"), "/somewhere"),
    ],
)
def test_odd_values_stay_on_one_line_of_strict_json(tmp_path: Path, given: object, read_back: object) -> None:
    log = EventLog(tmp_path / "events.ndjson")
    log.write("odd", value=given)
    log.close()
    content = log.path.read_bytes()
    assert content.count(b"\n") == 1
    (row,) = parse(content).rows
    assert row["value"] == read_back

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not a JSON")

    json.loads(content, parse_constant=refuse)


def test_a_log_that_cannot_be_written_is_an_error_and_not_a_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "events.ndjson")
    plain = os.write

    def full(descriptor: int, data: bytes) -> int:
        return plain(descriptor, data[:10])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InfrastructureError, match=r"10 of the \d+ bytes of event 'run.start'.*is the disk full"):
        log.write("run.start")
    monkeypatch.undo()
    log.write("run.end")
    log.close()
    found = parse(log.path.read_bytes())
    assert [row["event"] for row in found.rows] == ["run.end"]
    assert [damage.text for damage in found.damage] == ['{"event": ']
