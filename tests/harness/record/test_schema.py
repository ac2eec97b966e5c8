"""Each rule of the grammar has a log that breaks it; a sound log breaks none, wherever it stops."""

from pathlib import Path
from typing import Any

import pytest

from harness.record import schema
from harness.record.schema import RULES, Span
from tests.support import sample_log

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "events.md"

Row = dict[str, Any]


def _said(rows: list[Row]) -> str:
    return "\n".join(schema.check(rows).violations)


def test_a_sound_log_breaks_no_rule_and_closes_everything() -> None:
    checked = schema.check(sample_log.whole())
    assert (checked.violations, dict(checked.unknown), checked.open) == ((), {}, ())


def test_a_log_may_stop_after_any_event() -> None:
    rows = sample_log.whole()
    for size in range(len(rows)):
        assert schema.check(rows[:size]).violations == ()
    assert schema.check(rows[:4]).open == (Span(name="run", key=()), Span(name="command", key=("scan-train",)))


@pytest.mark.parametrize(("event", "field"), [(rule.event, name) for rule in RULES for name in rule.fields])
def test_every_required_field_must_be_there_with_its_type(event: str, field: str) -> None:
    rule = next(rule for rule in RULES if rule.event == event)
    values = {str: "text", dict: {}, list: [], bool: True, int: 1, (int, float): 0.5}
    row = sample_log.parent(event, **{name: values[types] for name, types in rule.fields.items()})
    assert f"field {field!r}" not in _said([row])
    assert f"{event}: field {field!r} is missing" in _said([{key: row[key] for key in row if key != field}])
    assert f"{event}: field {field!r} has the wrong type: None" in _said([row | {field: None}])
    wrong = 1 if rule.fields[field] is bool else True
    assert f"{event}: field {field!r} has the wrong type: {wrong}" in _said([row | {field: wrong}])


@pytest.mark.parametrize("pid", [None, "100", True])
def test_every_event_says_who_wrote_it(pid: object) -> None:
    rows = sample_log.whole()
    rows[2] = rows[2] | {"pid": pid}
    assert _said(rows) == "event 3, device.chosen: field 'pid' is missing or no number"


def test_a_log_begins_with_its_beginning_and_ends_with_its_end() -> None:
    rows = sample_log.whole()
    assert "event 1, run.expect: a log begins with run.start" in _said(rows[1:])
    assert "note: nothing may follow run.end" in _said([*rows, sample_log.parent("note", message="late")])
    assert "run.start: a second one" in _said([rows[0], *rows])


def test_the_suite_begins_after_the_device_is_settled_and_tests_are_within_it() -> None:
    start, end = sample_log.one_test("tests/test_a.py::test_one")
    early = [*sample_log.beginning()[:2], sample_log.suite("suite.start")]
    assert "suite.start: device.chosen must come before" in _said(early)
    assert "test.start: there is no suite of process 200" in _said([*sample_log.beginning(), start, end])
    other = [*sample_log.beginning(), sample_log.suite("suite.start"), start | {"pid": 201}]
    assert "test.start: there is no suite of process 201" in _said(other)


def test_two_processes_may_be_in_the_same_phase() -> None:
    phase = sample_log.training("phase.start", phase="train")
    rows = [*sample_log.beginning(), phase, phase | {"pid": 301}]
    assert _said(rows) == ""
    assert "phase.start: phase train had already begun" in _said([*rows, phase])


def test_a_run_that_passes_has_closed_everything_but_phases_of_killed_trainings() -> None:
    rows = sample_log.whole()
    end = next(number for number, row in enumerate(rows) if row["event"] == "phase.end")
    assert _said(rows[:end] + rows[end + 1 :]) == ""
    end = next(number for number, row in enumerate(rows) if row["event"] == "suite.end")
    open_suite = rows[:end] + rows[end + 1 :]
    assert _said(open_suite) == "the run says that it passed, but these had not ended: suite"
    assert _said([*open_suite[:-1], sample_log.end("INTERRUPTED")]) == ""


def test_an_unknown_event_is_counted_and_breaks_nothing() -> None:
    rows = sample_log.whole()
    rows[3:3] = [sample_log.parent("own.event"), sample_log.training("own.event")]
    checked = schema.check(rows)
    assert (checked.violations, dict(checked.unknown)) == ((), {"own.event": 2})


def test_the_documentation_shows_the_table() -> None:
    assert schema.table() in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize(("event", "field"), [(rule.event, name) for rule in RULES for name in rule.optional])
def test_an_optional_field_may_be_absent_or_null_and_else_has_its_type(event: str, field: str) -> None:
    rule = next(rule for rule in RULES if rule.event == event)
    row = sample_log.parent(event, **dict.fromkeys(rule.fields, "text"))
    assert f"field {field!r}" not in _said([row])
    assert f"field {field!r}" not in _said([row | {field: None}])
    types = rule.optional[field]
    wrong = "text" if isinstance(types, tuple) and int in types else 3
    assert f"{event}: field {field!r} has the wrong type: {wrong!r}" in _said([row | {field: wrong}])
