"""Reports come from the log alone: from a whole one, one cut at every byte, and one in any disorder."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import report as report_commands
from harness.runs import artifacts
from ptycho.errors import UsageError
from ptycho.verdict import Verdict
from tests.support import sample_log

FILES = ["ctrf.json", "junit.xml", "summary.md", "summary.txt", "verdict.json"]


def _verdict(content: bytes) -> dict[str, Any]:
    made, _, _ = artifacts.reports(content)
    found: dict[str, Any] = json.loads(made["verdict.json"])
    return found


def test_a_whole_log_is_a_whole_report(tmp_path: Path) -> None:
    folder = sample_log.write(tmp_path / "run", sample_log.whole())
    judged = artifacts.write(folder)
    assert (judged.verdict, judged.partial, judged.problems) == (Verdict.PASS, False, ())
    assert sorted(path.name for path in folder.iterdir()) == sorted(["events.ndjson", *FILES])
    found = json.loads((folder / "verdict.json").read_text())
    assert (found["verdict"], found["exit_code"], found["partial"], found["silent"]) == ("pass", 0, False, [])
    assert found["tests"] == dict.fromkeys(sample_log.TESTS, "passed")
    assert found["notes"] == ["swept ä dead run"]
    assert found["commands"]["suite"]["repeat"] == "python -m pytest tests"


@pytest.mark.deep
def test_a_log_cut_at_every_byte_gives_valid_reports_that_say_so() -> None:
    whole = sample_log.content(sample_log.whole())
    reported: list[int] = []
    for size in range(len(whole)):
        made, told, judged = artifacts.reports(whole[:size])
        assert sorted(made) == FILES
        assert (judged.partial, judged.verdict) == (True, Verdict.FAIL), size
        root = ET.fromstring(made["junit.xml"])
        assert int(root.attrib["errors"]) >= 1, size
        found = json.loads(made["verdict.json"])
        assert (found["verdict"], found["exit_code"], found["partial"]) == ("fail", 1, True)
        assert found["problems"][0]["message"].startswith("the log is partial: it ")
        for name in ("summary.md", "summary.txt"):
            assert b"PARTIAL: the log ends before the run did" in made[name].partition(b"\n")[0], size
        assert told.checked.violations == ()
        expected = set(told.expected.tests)
        silent = {item.name.partition("[")[0] for item in judged.silent if item.kind == "test"}
        passed = {name.partition("[")[0] for name, outcome in told.reported.items() if outcome == "passed"}
        assert expected <= silent | passed, size
        reported.append(len(told.reported))
    assert reported == sorted(reported)
    assert (reported[0], reported[-1]) == (0, 3)
    made, _, judged = artifacts.reports(whole)
    assert (judged.partial, judged.verdict) == (False, Verdict.PASS)
    assert b"PARTIAL" not in made["summary.txt"]


def test_a_suite_that_was_killed_says_what_had_reported_and_what_was_running() -> None:
    rows = sample_log.whole()
    stop = next(number for number, row in enumerate(rows) if row["event"] == "test.start" and "[1]" in row["test"])
    found = _verdict(sample_log.content(rows[: stop + 1]))
    assert found["tests"] == {"tests/test_a.py::test_one": "passed", "tests/test_a.py::test_many[1]": "running"}
    assert found["under_way"] == ["command suite", "suite", "test tests/test_a.py::test_many[1]"]
    assert [item["name"] for item in found["silent"]] == list(sample_log.TESTS[1:])
    assert "running: command suite, suite, test tests/test_a.py::test_many[1]" in found["problems"][0]["message"]


@given(st.data())
def test_any_interleaving_of_parent_and_suite_is_the_same_run(data: st.DataObject) -> None:
    # While the suite runs the parent writes, too: notes here, and each writer keeps its own order.
    rows = sample_log.whole_suite()
    inner = rows[2:-1]
    for number in range(data.draw(st.integers(1, 4))):
        inner.insert(data.draw(st.integers(0, len(inner))), sample_log.parent("note", message=f"note {number}"))
    mixed = [*sample_log.beginning(), *sample_log.job(), *rows[:2], *inner, rows[-1], sample_log.end()]
    found = _verdict(sample_log.content(mixed))
    assert (found["verdict"], found["problems"]) == ("pass", [])


@given(st.binary(max_size=200), st.integers(0, 40))
def test_any_bytes_at_any_place_give_a_report_and_never_a_better_verdict(noise: bytes, place: int) -> None:
    lines = sample_log.content(sample_log.whole()).splitlines(keepends=True)
    at = min(place, len(lines) - 1)
    made, told, judged = artifacts.reports(b"".join(lines[:at]) + noise + b"\n" + b"".join(lines[at:]))
    ET.fromstring(made["junit.xml"])
    assert (judged.verdict, judged.partial) == (Verdict.FAIL, False)
    assert told.damage != ()


def test_a_line_torn_in_the_middle_costs_that_line_and_is_named() -> None:
    rows = sample_log.whole()
    lines = [sample_log.content([row]) for row in rows]
    number = next(at for at, row in enumerate(rows) if row["event"] == "test.end")
    lines[number] = lines[number][:50]  # and the next writer's line follows at once
    found = _verdict(b"".join(lines))
    assert (found["verdict"], found["partial"]) == ("fail", False)
    assert found["damage"] == [f"line {number + 1}: not an event: {lines[number].decode()!r}"]
    assert found["tests"]["tests/test_a.py::test_one"] == "running"
    assert found["tests"]["tests/test_a.py::test_many[1]"] == "passed"
    assert {item["name"] for item in found["silent"]} == {"tests/test_a.py::test_one"}


def test_an_unknown_event_is_kept_and_named_and_breaks_nothing() -> None:
    rows = sample_log.whole()
    rows.insert(5, sample_log.training("flux.capacitor", charge=1.21))
    made, _, judged = artifacts.reports(sample_log.content(rows))
    assert judged.verdict is Verdict.PASS
    assert json.loads(made["verdict.json"])["unknown_events"] == {"flux.capacitor": 1}
    assert "flux.capacitor (1), kept in the log" in made["summary.txt"].decode()


@pytest.mark.parametrize(
    ("event", "times", "said"),
    [
        ("test.end", 2, "had not begun, or had already ended"),
        ("run.end", 2, "nothing may follow run.end"),
        ("command.start", 2, "had already begun"),
        ("test.start", 0, "had not begun, or had already ended"),
        ("command.end", 0, "these had not ended: command scan-train"),
        ("suite.end", 0, "these had not ended: suite"),
        ("run.expect", 0, "run.expect must come before"),
    ],
)
def test_a_log_that_contradicts_itself_is_no_pass(event: str, times: int, said: str) -> None:
    rows = sample_log.whole()
    first = next(number for number, row in enumerate(rows) if row["event"] == event)
    rows[first : first + 1] = [rows[first]] * times
    found = _verdict(sample_log.content(rows))
    assert (found["verdict"], found["partial"]) == ("fail", False)
    assert said in "\n".join(problem["message"] for problem in found["problems"])


@pytest.mark.slow
def test_rebuilding_again_gives_the_same_bytes_and_the_logs_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sample_log.write(tmp_path / "run", sample_log.whole()[:-1])
    assert report_commands.rebuild(folder) == Verdict.FAIL
    first = {name: (folder / name).read_bytes() for name in FILES}
    assert report_commands.rebuild(folder) == Verdict.FAIL
    assert {name: (folder / name).read_bytes() for name in FILES} == first
    assert capsys.readouterr().out == 2 * first["summary.txt"].decode()


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"events\.ndjson cannot be read: No such file"):
        report_commands.rebuild(tmp_path)


@pytest.mark.slow
def test_a_manifest_is_only_taken_from_a_whole_run_that_passed(tmp_path: Path) -> None:
    manifest = tmp_path / "expected" / "fake.toml"
    report_commands.rebuild(sample_log.write(tmp_path / "whole", sample_log.whole()), manifest=manifest)
    assert '"test_many" = 2' in manifest.read_text()
    before = manifest.read_bytes()
    failed = [*sample_log.beginning(), *sample_log.job(), *sample_log.whole_suite(), sample_log.end("FAIL")]
    problem = sample_log.parent("problem", verdict="fail", message="a leak")
    for rows in (sample_log.whole()[:-1], [*failed[:-1], problem, failed[-1]]):
        with pytest.raises(UsageError, match="it must be whole, pass"):
            report_commands.rebuild(sample_log.write(tmp_path / "other", rows), manifest=manifest)
    assert manifest.read_bytes() == before
