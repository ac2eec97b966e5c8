"""Nights of a history, one record each: the state of machine, locks, versions and method as the test says it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from harness.record.history import MEASURES, MeasuredFigures, Record

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def night(day: int, value: float, *, measure: str = "cost", subject: str = "s", **state: Any) -> Record:
    """A night; its commit is its number unless the state says otherwise."""
    entry = MeasuredFigures(
        utc=(BEGAN + timedelta(days=day)).isoformat(timespec="seconds"),
        commit=state.pop("commit", f"{day:040x}"),
        kind=next(kind for kind, names in MEASURES.items() if measure in names),
        subject=subject,
        values={measure: value},
        method=state.pop("method", {}),
        versions=state.pop("versions", {}),
    )
    fingerprint = {"cpu": "a", "cores": 2, "device": "cpu", "locks": {"torch-cpu.txt": "1"}}
    return Record(fingerprint=fingerprint | state, entry=entry)
