"""
Series of the history: one figure of one thing on one machine, night after night, through upgrades and new methods.

Entries of one state (machine, locks, versions, method) form a strand. A strand that begins after another one has ended
continues its series: where machines or methods take over from each other, a change is to be seen, and given its cause.
Strands that go on side by side, as two runners do, are series of their own and are never compared.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.files import untrusted
from harness.record.history import Record

HARDWARE = ("cpu", "cores", "gpu", "driver", "device")
"""Parts of a fingerprint that a commit cannot change."""

DIRTY = "-dirty"
LONGEST = 120
"""Characters of a part of a fingerprint that are kept: it is shown."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """
    A figure of the history.

    Attributes:
        words: what it is, for a reader.
        unit: of its values.
        rises: whether more of it is better.
        matters: the smallest step that is called by another word than noise, as a share of the level before.
    """

    words: str
    unit: str
    rises: bool
    matters: float


MEASURES: Mapping[str, Measure] = {
    "seconds": Measure(words="wall time", unit="s", rises=False, matters=0.01),
    "cpu_s": Measure(words="processor time", unit="s", rises=False, matters=0.01),
    "peak_mib": Measure(words="memory", unit="MiB", rises=False, matters=0.01),
    "cost": Measure(words="cost over calibration", unit="", rises=False, matters=0.01),
    "noise_units": Measure(words="noise units", unit="units", rises=False, matters=0.10),
    "phase_correlation": Measure(words="phase correlation", unit="", rises=True, matters=0.01),
    "fourier_error": Measure(words="Fourier error", unit="", rises=False, matters=0.01),
}


@dataclass(frozen=True, kw_only=True)
class SeriesPoint:
    """
    One value of a series.

    Attributes:
        utc: when it was measured.
        commit: of the checkout, or None.
        value: the figure.
        hardware: the machine, as text by part.
        environment: digests of locks and versions of frameworks, by name.
        method: how it was measured, by part.
    """

    utc: datetime
    commit: str | None
    value: float
    hardware: Mapping[str, str]
    environment: Mapping[str, str]
    method: Mapping[str, str]

    @property
    def state(self) -> str:
        """A name of everything but the time, the commit and the value."""
        return json.dumps([dict(self.hardware), dict(self.environment), dict(self.method)], sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class FigureSeries:
    """
    Values of one figure, oldest first.

    Attributes:
        subject: name of the benchmark, the rung with its conditions, or the lane with its fixture.
        measure: of `MEASURES`.
        device: where it was computed.
        points: the values.
    """

    subject: str
    measure: str
    device: str
    points: tuple[SeriesPoint, ...]

    @property
    def name(self) -> str:
        """Subject and figure."""
        return f"{self.subject}, {MEASURES[self.measure].words}" + (f" ({self.device})" if self.device != "cpu" else "")

    @property
    def values(self) -> list[float]:
        """The figures alone."""
        return [point.value for point in self.points]


def of(records: Iterable[Record]) -> list[FigureSeries]:
    """
    The series of a history.

    Entries of uncommitted changes are left out: nobody has that state, and no range of commits leads to it.

    Args:
        records: in any order.
    """
    strands: dict[tuple[str, str, str], dict[str, list[SeriesPoint]]] = {}
    for record in records:
        entry = record.entry
        if entry.commit is not None and entry.commit.endswith(DIRTY):
            continue
        locks = record.fingerprint.get("locks")
        environment = {**_texts(locks if isinstance(locks, Mapping) else {}), **entry.versions}
        hardware = {name: _text(record.fingerprint.get(name)) for name in HARDWARE}
        for measure, value in entry.values.items():
            point = SeriesPoint(
                utc=datetime.fromisoformat(entry.utc).astimezone(UTC),
                commit=entry.commit,
                value=value,
                hardware=hardware,
                environment=environment,
                method=entry.method,
            )
            key = entry.subject, measure, _text(record.fingerprint.get("device"))
            strands.setdefault(key, {}).setdefault(point.state, []).append(point)
    return [
        FigureSeries(subject=subject, measure=measure, device=device, points=tuple(points))
        for (subject, measure, device), found in strands.items()
        for points in _joined(list(found.values()))
    ]


def _joined(strands: Sequence[list[SeriesPoint]]) -> list[list[SeriesPoint]]:
    """Strands that take over from each other, end to end."""
    ordered = [sorted(points, key=lambda point: point.utc) for points in strands]
    ordered.sort(key=lambda points: points[0].utc)
    joined: list[list[SeriesPoint]] = []
    for points in ordered:
        ended = [line for line in joined if line[-1].utc < points[0].utc]
        if ended:
            max(ended, key=lambda line: line[-1].utc).extend(points)
        else:
            joined.append(points)
    return joined


def _texts(given: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): _text(value) for name, value in given.items()}


def _text(value: Any) -> str:
    return untrusted.plain(value if isinstance(value, str) else json.dumps(value, sort_keys=True))[:LONGEST]
