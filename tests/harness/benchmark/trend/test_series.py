"""Series of the history: what takes over continues, what runs side by side does not."""

from typing import Any

from harness.benchmark.trend import series
from harness.record.history import MeasuredFigures, Record


def record(day: int, value: float, *, subject: str = "s", **changes: Any) -> Record:
    fingerprint = {"cpu": "a", "cores": 2, "device": "cpu", "locks": {"torch-cpu.txt": "1"}}
    entry = MeasuredFigures(
        utc=f"2026-01-{day:02d}T00:00:00+00:00",
        commit=changes.pop("commit", f"{day:040x}"),
        kind="benchmark",
        subject=subject,
        values={"cost": value},
        method=changes.pop("method", {}),
        versions=changes.pop("versions", {}),
    )
    return Record(fingerprint=fingerprint | changes, entry=entry)


def test_entries_are_in_the_order_of_time_whatever_file_they_come_from() -> None:
    (found,) = series.of([record(3, 3.0), record(1, 1.0), record(2, 2.0)])
    assert (found.values, found.name) == ([1.0, 2.0, 3.0], "s, cost over calibration")


def test_another_machine_or_method_that_takes_over_continues_the_series() -> None:
    later = [record(3, 3.0, cpu="b"), record(4, 4.0, cpu="b", method={"m": "2"}), record(5, 5.0, locks={})]
    (found,) = series.of([record(1, 1.0), record(2, 2.0), *later])
    assert found.values == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_machines_side_by_side_are_series_of_their_own() -> None:
    one, other = [record(day, 1.0) for day in (1, 3, 5)], [record(day, 2.0, cpu="b") for day in (2, 4, 6)]
    assert [found.values for found in series.of([*one, *other])] == [[1.0] * 3, [2.0] * 3]


def test_subjects_and_devices_are_apart_and_uncommitted_changes_are_left_out() -> None:
    rows = [
        record(1, 1.0),
        record(2, 2.0, subject="t"),
        record(3, 3.0, device="cuda"),
        record(4, 4.0, commit="abcd-dirty"),
    ]
    found = series.of(rows)
    assert [(one.name, one.values) for one in found] == [
        ("s, cost over calibration", [1.0]),
        ("t, cost over calibration", [2.0]),
        ("s, cost over calibration (cuda)", [3.0]),
    ]


def test_a_fingerprint_cannot_command_a_terminal() -> None:
    (found,) = series.of([record(1, 1.0, cpu="\x1b[2J" + "x" * 500)])
    assert found.points[0].hardware["cpu"].isprintable()
    assert len(found.points[0].hardware["cpu"]) == series.LONGEST
