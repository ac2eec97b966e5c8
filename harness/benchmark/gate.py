"""
The regression gate: two revisions in turns, a fresh process a block, and a verdict from an interval, never a point.

For each pair of blocks, base and head in the order A B B A, d = ln(head) − ln(base) of processor time over calibration
and of peak memory. The 99 % interval of the shift is that of Wilcoxon's signed ranks over the pairs; a pair is one
independent observation, the slices inside a block are not. The number of pairs is decided at looks that are fixed in
advance, by a rule that can only ask for more pairs, and a regression must be found twice, the second time with fresh
blocks.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ptycho.verdict import Verdict

LIMIT = 0.05
"""The smallest change of interest: 5 % more processor time, or memory."""

LOOKS = (8, 14, 21)
"""Pairs after which a stage may end; at the last one it does."""

CONFIDENCE = 0.99

TRIM = 0.25
"""
Share of the slices that is left out at either end. Others on the machine disturb single slices by far more than what is
looked for, and a mean takes all of that over. The price: a slow-down that only some of the steps have counts by its
share of the middle half, or not at all.
"""

CHANNELS = ("cpu", "memory")

Side = Literal["base", "head"]
Result = Literal["regression", "no regression", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class ProcessCost:
    """
    One process.

    Attributes:
        cpu: processor time of its work over that of the calibration around it.
        memory: its peak resident memory in MiB.
    """

    cpu: float
    memory: float


@dataclass(frozen=True, kw_only=True)
class Interval:
    """
    Interval of a relative change, as ln(head / base).

    Attributes:
        lower: its lower end.
        mean: its middle, the Hodges-Lehmann estimate.
        upper: its upper end.
        pairs: how many pairs it rests on.
    """

    lower: float
    mean: float
    upper: float
    pairs: int

    @property
    def above(self) -> bool:
        """Whether the change is above the limit, by the lower end (>): a change of exactly the limit is none."""
        return self.lower > math.log1p(LIMIT)

    @property
    def narrow(self) -> bool:
        """Whether it is no wider than the smallest change of interest (≤)."""
        return self.upper - self.lower <= math.log1p(LIMIT)

    @property
    def settled(self) -> bool:
        """Whether further pairs could hardly change what it says: it is above, or narrow and below the limit (<)."""
        return self.above or (self.narrow and self.upper < math.log1p(LIMIT))

    def __str__(self) -> str:
        middle, low, high = (f"{100 * math.expm1(value):+.1f}" for value in (self.mean, self.lower, self.upper))
        return f"{middle} % [{low}, {high}]"


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """
    Ruling of the gate on one channel.

    Attributes:
        channel: `cpu` or `memory`.
        result: regression, no regression or inconclusive.
        first: interval of the first stage.
        second: of the second, with fresh blocks; None where the first had nothing to confirm.
    """

    channel: str
    result: Result
    first: Interval
    second: Interval | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict of the closed set."""
        if self.result == "regression":
            return Verdict.FAIL
        return Verdict.PASS if self.result == "no regression" else Verdict.INCONCLUSIVE


Measure = Callable[[Side], ProcessCost]


def estimate(rows: Sequence[Sequence[float]]) -> float:
    """
    Processor time of work over calibration: the trimmed mean over slices of work / (before + after).

    Args:
        rows: work, calibration before and calibration after of each slice.

    Raises:
        ValueError: no slices, or a slice in which a clock did not advance.
    """
    if not rows or any(before + after <= 0 or work <= 0 for work, before, after in rows):
        raise ValueError(f"{len(rows)} slices, or one without processor time: nothing to estimate from")
    quotients = sorted(work / (before + after) for work, before, after in rows)
    left_out = int(len(quotients) * TRIM)
    kept = quotients[left_out : len(quotients) - left_out]
    return sum(kept) / len(kept)


def interval(differences: Sequence[float]) -> Interval:
    """
    The Hodges-Lehmann estimate of a shift and its exact interval by Wilcoxon's signed ranks (Hollander & Wolfe, §3.3).

    It assumes only that differences scatter evenly to both sides. Student's t would let one block that met a burst of
    other work widen it beyond use.

    Args:
        differences: one a pair, 8 or more: fewer have no interval at 99 %.

    Raises:
        ValueError: fewer.
    """
    count = len(differences)
    means = sorted((one + other) / 2 for index, one in enumerate(differences) for other in differences[index:])
    left_out = _left_out(count)
    if left_out < 0:
        raise ValueError(f"{count} pairs have no interval at {CONFIDENCE:.0%}; allowed: {LOOKS[0]} or more")
    return Interval(
        lower=means[left_out], mean=statistics.median(means), upper=means[len(means) - 1 - left_out], pairs=count
    )


def _left_out(count: int) -> int:
    """Return how many means of two are outside the interval at either end; −1 where even all of them are not enough."""
    ways = [1]
    for rank in range(1, count + 1):
        # Sums of signed ranks with one rank more: each is reached without it, or with it.
        longer = [0] * (len(ways) + rank)
        for total, number in enumerate(ways):
            longer[total] += number
            longer[total + rank] += number
        ways = longer
    tail, below = (1 - CONFIDENCE) / 2 * 2**count, 0
    for total, number in enumerate(ways):
        below += number
        if below > tail:
            return total - 1
    raise AssertionError("a tail of one half is never reached")


def judge(measure: Measure, *, looks: Sequence[int] = LOOKS) -> tuple[Ruling, ...]:
    """
    Compare head with base.

    Args:
        measure: runs one block of a side in a fresh process.
        looks: as `LOOKS`.

    Returns:
        One ruling a channel.
    """
    first = _stage(measure, CHANNELS, looks)
    suspected = [channel for channel in CHANNELS if first[channel].above]
    second = _stage(measure, suspected, looks) if suspected else {}
    return tuple(_ruling(channel, first[channel], second.get(channel)) for channel in CHANNELS)


def _stage(measure: Measure, channels: Sequence[str], looks: Sequence[int]) -> dict[str, Interval]:
    differences: dict[str, list[float]] = {channel: [] for channel in channels}
    found: dict[str, Interval] = {}
    for look in looks:
        while len(differences[channels[0]]) < look:
            turned = len(differences[channels[0]]) % 2 == 1
            order: tuple[Side, Side] = ("head", "base") if turned else ("base", "head")
            pair = {side: measure(side) for side in order}
            for channel in channels:
                values = {side: getattr(block, channel) for side, block in pair.items()}
                differences[channel].append(math.log(values["head"] / values["base"]))
        found = {channel: interval(values) for channel, values in differences.items()}
        if all(item.settled for item in found.values()):
            break
    return found


def _ruling(channel: str, first: Interval, second: Interval | None) -> Ruling:
    last = first if second is None else second
    ruling = Ruling(channel=channel, result="no regression", first=first, second=second)
    if second is not None and first.above and second.above:
        return replace(ruling, result="regression")
    return ruling if last.narrow else replace(ruling, result="inconclusive")
