"""
Changes of a series: where, by how much, since which commits, and which of four words says why.

The word follows from evidence and never from the size alone. Another machine or another method at the place of the
change is the cause of it, whatever the commit did besides: the two cannot be separated afterwards.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.benchmark.trend import energy
from harness.benchmark.trend.series import MEASURES, FigureSeries, SeriesPoint

WINDOW = 120
"""The last values of a series that are searched: a change of last spring is known, and each look stays fast."""

NEAR = 2
"""Values between a change of the figures and one of the state, up to which they are the same event."""

SURE = 7.0
"""
Twice the logarithm of a ratio of likelihoods, up to which a place is possible. Simulated years say how often the range
of commits then holds the right one.
"""

Word = Literal["regression", "changed method", "other hardware", "noise"]


@dataclass(frozen=True, kw_only=True)
class ChangePoint:
    """
    A change point.

    Attributes:
        series: name of the series.
        subject: of the series.
        measure: of the series.
        since: the last commit that is before it for certain, or None where that is not known.
        until: the first commit that is after it for certain, or None.
        first: time of the last value before it.
        last: time of the first value after it.
        before: median before, back to the change before this one.
        after: median after, up to the next change.
        share: (after − before) / before; None where before is 0.
        word: one of the four.
        better: whether the figure improved.
        evidence: why this word, in a sentence.
        p: share of permutations that have as large a change.
        place: number of the first value after it, in the whole series.
    """

    series: str
    subject: str
    measure: str
    since: str | None
    until: str | None
    first: str
    last: str
    before: float
    after: float
    share: float | None
    word: Word
    better: bool
    evidence: str
    p: float
    place: int

    @property
    def says(self) -> str:
        """The word as it is shown: what became better is not called a regression."""
        return "improvement" if self.word == "regression" and self.better else self.word

    @property
    def step(self) -> str:
        """The size of the step, for a reader."""
        return f"{self.before:.4g} → {self.after:.4g}" if self.share is None else f"{100 * self.share:+.1f} %"

    @property
    def commits(self) -> str:
        """The range of commits, for a reader."""
        if self.since is None or self.until is None:
            return "not known"
        return self.since[:12] if self.since == self.until else f"{self.since[:12]}..{self.until[:12]}"


@dataclass(frozen=True, kw_only=True)
class SeriesChanges:
    """
    A series with its changes.

    Attributes:
        series: the series.
        changes: of it, oldest first; what is not significant is not among them.
        candidate: p of the best place that was not significant; None where the series is too short or constant.
    """

    series: FigureSeries
    changes: tuple[ChangePoint, ...]
    candidate: float | None


def search(series: FigureSeries, *, seed: int = energy.SEED) -> SeriesChanges:
    """
    Find the changes of a series.

    Args:
        series: the series.
        seed: of the permutations.
    """
    start = max(0, len(series.points) - WINDOW)
    points = series.points[start:]
    found = energy.divide([point.value for point in points], seed=seed)
    edges = [0, *(split.at for split in found.changes), len(points)]
    changes = tuple(
        _change(series, points, edges[number : number + 3], split.p, start)
        for number, split in enumerate(found.changes)
    )
    return SeriesChanges(
        series=series, changes=changes, candidate=None if found.candidate is None else found.candidate.p
    )


def _change(
    series: FigureSeries, points: Sequence[SeriesPoint], edges: Sequence[int], p: float, start: int
) -> ChangePoint:
    first, place, last = edges
    # The state changed close by: that is where the figures changed, and a disturbed night hides it.
    turns = [at for at in range(max(first + 1, place - NEAR), min(last, place + NEAR + 1)) if _turned(points, at)]
    place = min(turns, key=lambda at: abs(at - place)) if turns else _settled(points, (first, place, last))
    before = statistics.median(point.value for point in points[first:place])
    after = statistics.median(point.value for point in points[place:last])
    low, high = _range(points, (first, place, last), before, after)
    share = (after - before) / before if before else None
    measure = MEASURES[series.measure]
    word, evidence = _word(points[low : high + 1], share, measure.matters)
    return ChangePoint(
        series=series.name,
        subject=series.subject,
        measure=series.measure,
        since=points[low].commit,
        until=points[high].commit,
        first=points[low].utc.isoformat(timespec="minutes"),
        last=points[high].utc.isoformat(timespec="minutes"),
        before=before,
        after=after,
        share=share,
        word=word,
        better=(after > before) == measure.rises,
        evidence=evidence,
        p=p,
        place=start + place,
    )


def _settled(points: Sequence[SeriesPoint], edges: Sequence[int]) -> int:
    """Return the place close to a split at which the values fit both levels best."""
    first, place, last = edges
    before = statistics.median(point.value for point in points[first:place])
    after = statistics.median(point.value for point in points[place:last])

    def misfit(at: int) -> tuple[float, int]:
        near = range(max(first, place - NEAR), min(last, place + NEAR))
        return sum(abs(points[one].value - (before if one < at else after)) for one in near), abs(at - place)

    return min(range(max(first + 1, place - NEAR), min(last - 1, place + NEAR) + 1), key=misfit)


def _turned(points: Sequence[SeriesPoint], at: int) -> bool:
    return points[at].state != points[at - 1].state


def _range(points: Sequence[SeriesPoint], edges: tuple[int, int, int], before: float, after: float) -> tuple[int, int]:
    """
    Return the numbers of the last value that is before a change for certain, and the first that is after it.

    A place is possible as long as its squares of residuals are not larger than those of the best one by `SURE`
    variances: twice the logarithm of the ratio of their likelihoods.
    """
    first, place, last = edges
    values = [point.value for point in points]

    def squares(at: int) -> float:
        return sum((values[one] - (before if one < at else after)) ** 2 for one in range(first, last))

    best = squares(place)
    variance = best / max(1, last - first - 2)
    possible = [at for at in range(first + 1, last) if squares(at) <= best + SURE * variance]
    return min(possible) - 1, max(possible)


def _word(between: Sequence[SeriesPoint], share: float | None, matters: float) -> tuple[Word, str]:
    """The word for a change, and the evidence, from the points around it."""
    first, last = between[0], between[-1]
    if machine := _differences(first.hardware, last.hardware):
        return "other hardware", f"changed with it: {machine}"
    if how := _differences(first.method, last.method):
        return "changed method", f"changed with it: {how}"
    if share is not None and abs(share) < matters:
        return "noise", f"a step of less than {matters:.0%} is too small to matter here"
    if first.commit is not None and len({point.commit for point in between}) == 1:
        return "noise", f"the code is the same before and after: {first.commit[:12]}"
    if upgraded := _differences(first.environment, last.environment):
        return "regression", f"same machine and method; upgraded with it: {upgraded}"
    return "regression", "same machine, versions and method"


def _differences(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Names of what differs; of a short value also the two texts."""
    found = []
    for name in sorted({*one, *other}):
        before, after = one.get(name), other.get(name)
        if before != after:
            short = max(len(before or ""), len(after or "")) <= 48 and not _is_digest(before or after or "")
            found.append(f"{name} ({before} → {after})" if short else name)
    return ", ".join(found)


def _is_digest(text: str) -> bool:
    return len(text) >= 16 and set(text) <= set("0123456789abcdef")


def search_all(found: Sequence[FigureSeries]) -> list[SeriesChanges]:
    """Return the series of a history with their changes, those with the newest change first."""
    courses = [search(series) for series in found if len(series.points) >= 2]
    return sorted(courses, key=lambda course: (_newest(course), course.series.name), reverse=True)


def _newest(course: SeriesChanges) -> str:
    return max((change.last for change in course.changes), default="")


def as_dict(change: ChangePoint) -> dict[str, Any]:
    """Plain values, for JSON."""
    from dataclasses import asdict

    return {**asdict(change), "says": change.says, "commits": change.commits}
