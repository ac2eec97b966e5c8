"""
`benchmark history --self-test`: simulated years and bisections, made of block costs recorded on a real machine.

A night is the figure of as many blocks as `test_cost` runs, drawn in short stretches of consecutive blocks, so that
what disturbed one block and its neighbour disturbs a night, too. In years without a step every change that is reported
is a false alarm; in the others a step of 2 % is to be found within ten nights. The search is that of `benchmark
history`, night after night, and the search for a commit that of `benchmark bisect`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from harness.benchmark import blocks
from harness.benchmark.gate import Side
from harness.benchmark.trend import changes, energy, search
from harness.benchmark.trend.series import FigureSeries, SeriesPoint
from harness.system import tables
from harness.system.progress import Steps
from harness.system.tables import Table
from ptycho.verdict import Verdict

RECORDED = Path(__file__).with_name("recorded_blocks.json")
NIGHTS = 365
STEP = 0.02
WITHIN = 10
"""Nights after a step in which it must be found."""

MOST_FALSE = 1
"""Reported changes of a year in which nothing changed."""

LEAST_FOUND = 0.95
STRETCH = 4
"""Consecutive recorded blocks that are drawn together."""

COMMITS = 16
PLANTS = (0.0, 0.05, 0.08)
PLANTED = 0.08
LEAST_RIGHT = 0.95
"""Searches that find a planted commit of `PLANTED`."""

FIRST, LAST = 40, 300
"""Nights between which the step is planted."""

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Years:
    """
    Simulated years of one backend.

    Attributes:
        side: whose recorded blocks they are made of.
        block: standard deviation of a recorded block, as a share.
        night: of a night's figure, as a share.
        false: false alarms of each year without a step.
        delays: nights from the step to the night on which it was found; None where that was not within `WITHIN`.
        ranges: years in which the reported range of commits holds the planted one, of those in which it was found.
    """

    side: str
    block: float
    night: float
    false: tuple[int, ...]
    delays: tuple[int | None, ...]
    ranges: int

    @property
    def found(self) -> int:
        """Years in which the step was found in time."""
        return sum(delay is not None for delay in self.delays)

    @property
    def complaints(self) -> list[str]:
        """Return each bar that is missed, a sentence each."""
        said = []
        if (most := max(self.false)) > MOST_FALSE:
            said.append(f"{self.side}: {most} false alarms in a year; allowed: {MOST_FALSE}")
        if self.found < LEAST_FOUND * len(self.delays):
            said.append(f"{self.side}: {self.found} of {len(self.delays)} steps of {STEP:.0%} found in {WITHIN} nights")
        if self.ranges < LEAST_FOUND * self.found:
            said.append(f"{self.side}: {self.ranges} of {self.found} ranges of commits hold the planted one")
        return said


def recorded() -> dict[str, list[float]]:
    """The recorded costs of blocks, by side, in the order in which they were measured."""
    document = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {side: [float(value) for value in values] for side, values in document["blocks"].items()}


def nights(costs: Sequence[float], count: int, draw: np.random.Generator) -> list[float]:
    """
    Figures of nights without a change.

    Args:
        costs: recorded blocks.
        count: how many nights.
        draw: source of the draws.
    """
    starts = draw.integers(0, len(costs) - STRETCH + 1, size=(count, blocks.NIGHT // STRETCH))
    return [blocks.level([costs[start + more] for start in row for more in range(STRETCH)]) for row in starts]


def years(side: str, costs: Sequence[float], count: int, *, seed: int = 0, steps: Steps | None = None) -> Years:
    """
    Simulate years without a step, and as many with one.

    Args:
        side: whose blocks they are.
        costs: recorded blocks.
        count: years of each kind.
        seed: of the draws.
        steps: progress, two steps a year.
    """
    draw = np.random.default_rng([seed, len(side)])
    false, delays, ranges = list[int](), list[int | None](), 0
    for year in range(count):
        values = nights(costs, NIGHTS, draw)
        false.append(sum(1 for _ in alarms(values, 2 * energy.LEAST, NIGHTS)))
        if steps is not None:
            steps.done(f"{side}, year {year + 1} without a step: {false[-1]} false alarms")
        place = int(draw.integers(FIRST, LAST))
        sign = 1 if year % 2 == 0 else -1
        quiet = nights(costs, NIGHTS, draw)
        values = [*quiet[:place], *(value * (1 + sign * STEP) for value in quiet[place:])]
        delay = None
        for night, change in alarms(values, place + 1, place + WITHIN):
            if abs(change.place - place) <= energy.LEAST and change.better == (sign < 0):
                delay = night - place
                ranges += int(change.since or "0", 16) < place <= int(change.until or "0", 16)
                break
        delays.append(delay)
        if steps is not None:
            steps.done(f"{side}, year {year + 1} with a step at night {place}: found after {delay} nights")
    spread = np.std(nights(costs, 2000, draw), ddof=1) / np.mean(costs)
    return Years(
        side=side,
        block=float(np.std(costs, ddof=1) / np.mean(costs)),
        night=float(spread),
        false=tuple(false),
        delays=tuple(delays),
        ranges=ranges,
    )


def alarms(values: Sequence[float], first: int, last: int) -> Iterator[tuple[int, changes.ChangePoint]]:
    """
    Changes as the nights report them, each once: a report at about the same place as an earlier one is no new alarm.

    Args:
        values: figures of all nights.
        first: nights that the first search knows of.
        last: nights that the last one knows of.
    """
    known: list[int] = []
    points = [_point(night, value) for night, value in enumerate(values)]
    for night in range(first, last + 1):
        line = FigureSeries(subject="simulated", measure="cost", device="cpu", points=tuple(points[:night]))
        for change in changes.search(line).changes:
            if change.word == "noise" or any(abs(change.place - place) <= energy.LEAST for place in known):
                continue
            known.append(change.place)
            yield night, change


@dataclass(frozen=True, kw_only=True)
class Searches:
    """
    Simulated searches for a slower commit.

    Attributes:
        side: whose recorded blocks they are made of.
        step: how much slower the planted commit is; 0 where none is.
        right: searches that found the planted commit, or that nothing differs.
        wrong: searches that named another one.
        trials: all of them; those that are neither were inconclusive.
        pairs: pairs of blocks of a search, in the middle.
    """

    side: str
    step: float
    right: int
    wrong: int
    trials: int
    pairs: int

    @property
    def complaints(self) -> list[str]:
        """Return each bar that is missed, a sentence each."""
        said = [f"{self.side}: {self.wrong} searches at {self.step:+.0%} named another commit"] if self.wrong else []
        if self.step == PLANTED and self.right < LEAST_RIGHT * self.trials:
            said.append(f"{self.side}: {self.right} of {self.trials} searches at {self.step:+.0%} were right")
        return said


def searches(side: str, costs: Sequence[float], count: int, step: float, *, seed: int = 0) -> Searches:
    """
    Simulate searches among `COMMITS` commits, one of which is slower.

    Args:
        side: whose blocks they are.
        costs: recorded blocks.
        count: searches.
        step: how much slower; 0 for none.
        seed: of the draws.
    """
    draw = np.random.default_rng([seed, len(side), round(1000 * step)])
    right = wrong = 0
    measured: list[int] = []
    for _ in range(count):
        planted = int(draw.integers(1, COMMITS + 1))
        found, pairs = _search(costs, draw, planted, step)
        measured.append(pairs)
        named = found.result == "found" and found.high == planted
        right += found.result == "no difference" if step == 0 else named
        wrong += found.result == ("found" if step == 0 else "no difference")
        wrong += step != 0 and found.result == "found" and not named
    middle = sorted(measured)[count // 2]
    return Searches(side=side, step=step, right=right, wrong=wrong, trials=count, pairs=middle)


def _search(
    costs: Sequence[float], draw: np.random.Generator, planted: int, step: float
) -> tuple[search.SearchResult, int]:
    """One search, and how many pairs of blocks it took."""
    drawn, number = _recorded_blocks(costs, draw), 0

    def against(base: int, head: int) -> search.MeasureOne:
        def measure(side: Side) -> float:
            nonlocal number
            number += 1
            return next(drawn) * (1 + step * ((head if side == "head" else base) >= planted))

        return measure

    return search.search(COMMITS, against), number // 2


def _recorded_blocks(costs: Sequence[float], draw: np.random.Generator) -> Iterator[float]:
    """Recorded blocks in stretches, each from a place of its own."""
    while True:
        start = int(draw.integers(len(costs) - STRETCH + 1))
        yield from costs[start : start + STRETCH]


def _point(night: int, value: float) -> SeriesPoint:
    utc, commit = _BEGAN + timedelta(days=night), f"{night:040x}"
    return SeriesPoint(utc=utc, commit=commit, value=value, hardware={}, environment={}, method={})


def table_of(found: Sequence[Years]) -> Table:
    """Rows of text, headings first."""
    rows = [
        ["blocks of", "block", "night", "years", "false alarms", "worst year", "steps found", "nights", "in range"],
    ]
    for one in found:
        delays = sorted(delay for delay in one.delays if delay is not None)
        middle = f"{delays[len(delays) // 2]}, at most {delays[-1]}" if delays else "–"
        counts = (str(len(one.false)), str(sum(one.false)), str(max(one.false)), f"{one.found} of {len(one.delays)}")
        rows.append([one.side, f"{one.block:.1%}", f"{one.night:.2%}", *counts, middle, f"{one.ranges} of {one.found}"])
    return rows


def table_of_searches(found: Sequence[Searches]) -> Table:
    """Rows of text, headings first."""
    rows = [["blocks of", "planted", "searches", "right", "wrong", "inconclusive", "pairs of blocks"]]
    for one in found:
        left = one.trials - one.right - one.wrong
        planted = f"{one.step:+.0%}" if one.step else "nothing"
        rows.append([one.side, planted, *map(str, (one.trials, one.right, one.wrong, left, one.pairs))])
    return rows


def main(count: int, *, as_json: bool) -> int:
    """
    Simulate, print, and return the exit code: 0 if the bars are kept.

    Args:
        count: years of each kind and side.
        as_json: print one JSON document and nothing else.
    """
    costs = recorded()
    with Steps("years", 2 * count * len(costs), quiet=as_json) as steps:
        found = [years(side, values, count, steps=steps) for side, values in costs.items()]
    tried = [searches(side, values, count, step) for side, values in costs.items() for step in PLANTS]
    complaints = [sentence for one in found for sentence in one.complaints]
    complaints += [sentence for one in tried for sentence in one.complaints]
    verdict = Verdict.FAIL if complaints else Verdict.PASS
    if as_json:
        document: dict[str, Any] = {"verdict": verdict.label, "complaints": complaints}
        document |= {"years": [asdict(one) for one in found], "searches": [asdict(one) for one in tried]}
        print(json.dumps(document, indent=1))
        return int(verdict)
    tables.show(table_of(found), title=f"simulated years, steps of {STEP:.0%}: {verdict.label} (exit {int(verdict)})")
    tables.show(table_of_searches(tried), title=f"simulated searches among {COMMITS} commits")
    for sentence in complaints:
        print(sentence)
    return int(verdict)
