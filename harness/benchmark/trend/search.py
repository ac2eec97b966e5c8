"""
The search for a slower commit, apart from what it measures: which commit to look at next, and what a look says.

A look compares a commit with the good end by the interval of the gate, over pairs of blocks that take turns. The
threshold lies in the middle between the two ends: an interval above it is as slow as the bad end, one below it is not,
and one that holds it gets more pairs. A commit that stays undecided, or does not run, is passed by; what is left over
is reported as a range and never guessed.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from harness.benchmark import gate
from harness.benchmark.gate import Interval, Side

LOOKS = (8, 14, 21, 32, 48, 64, 96, 128)
"""Pairs after which a look may be decided; at the last one it is, or stays undecided."""

KNOWN = 2 / 3
"""Share of the ends' difference that the lower end of its interval must exceed: the middle is taken from it."""

STEP = 0.02
"""The smallest difference of the ends that is searched for."""

Answer = Literal["good", "bad", "undecided", "broken"]
Result = Literal["found", "no difference", "inconclusive"]
MeasureOne = Callable[[Side], float]
"""The figure of one block: of the good end (`base`), or of the commit that is looked at (`head`)."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """
    A comparison of a commit with the good end.

    Attributes:
        answer: what it says.
        interval: of ln(commit / good end); None for a commit that does not run.
        why: why it does not run.
    """

    answer: Answer
    interval: Interval | None = None
    why: str = ""


class CommitDoesNotRunError(Exception):
    """A commit that does not run: there is nothing to measure, and the search passes it by."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """
    Result of a search.

    Attributes:
        result: of the closed set.
        low: number of the last commit that is good for certain.
        high: number of the first that is bad for certain.
        looks: what each comparison with the good end said, by number of the commit; the bad end's is among them.
        direct: interval of the bad commit against the good one before it, with fresh blocks; None where there are
            others between the two.
    """

    result: Result
    low: int
    high: int
    looks: Mapping[int, Look]
    direct: Interval | None = None


def intervals(measure: MeasureOne, looks: tuple[int, ...] = LOOKS) -> Iterator[Interval]:
    """
    Measure pairs in the order A B B A, and give the interval at every look; more pairs are measured on demand.

    Args:
        measure: runs one block of a side in a fresh process.
        looks: numbers of pairs.
    """
    differences: list[float] = []
    for look in looks:
        while len(differences) < look:
            order: tuple[Side, Side] = ("head", "base") if len(differences) % 2 else ("base", "head")
            pair = {side: measure(side) for side in order}
            differences.append(math.log(pair["head"] / pair["base"]))
        yield gate.interval(differences)


def ends(measure: MeasureOne, *, step: float = STEP, looks: tuple[int, ...] = LOOKS) -> Look:
    """
    Compare the bad end with the good one.

    Args:
        measure: as for `intervals`.
        step: the smallest difference of interest.
        looks: numbers of pairs.

    Returns:
        `bad` if it is slower, and by how much is known well enough that there is a middle to decide by; `good` if it
        is not slower by as much as the step; else `undecided`.
    """
    last = None
    for last in intervals(measure, looks):
        if last.lower > 0 and last.lower > KNOWN * last.mean and last.mean >= math.log1p(step) / 2:
            return Look(answer="bad", interval=last)
        if last.upper < math.log1p(step):
            return Look(answer="good", interval=last)
    return Look(answer="undecided", interval=last)


def at(measure: MeasureOne, threshold: float, *, looks: tuple[int, ...] = LOOKS) -> Look:
    """
    Compare a commit with the good end.

    Args:
        measure: as for `intervals`.
        threshold: the middle between the ends, as ln(commit / good end).
        looks: numbers of pairs.
    """
    last = None
    for last in intervals(measure, looks):
        if last.lower > threshold:
            return Look(answer="bad", interval=last)
        if last.upper < threshold:
            return Look(answer="good", interval=last)
    return Look(answer="undecided", interval=last)


def find(bad: int, look: Callable[[int], Answer]) -> tuple[int, int]:
    """
    Search commits, of which 0 is good and `bad` is bad.

    Args:
        bad: number of the bad end.
        look: says what a commit between them is; each is asked once.

    Returns:
        Numbers of the last commit that is good and of the first that is bad: next to each other if the search came to
        an end, else with commits between them that are undecided or do not run.
    """
    low, high = 0, bad
    passed: set[int] = set()
    while True:
        middle = (low + high) / 2
        left = [number for number in range(low + 1, high) if number not in passed]
        if not left:
            return low, high
        number = min(left, key=lambda one: (abs(one - middle), one))
        answer = look(number)
        if answer == "good":
            low = number
        elif answer == "bad":
            high = number
        else:
            passed.add(number)


def search(
    last: int,
    against: Callable[[int, int], MeasureOne],
    *,
    step: float = STEP,
    looks: tuple[int, ...] = LOOKS,
    on_look: Callable[[int, Look], None] = lambda _number, _look: None,
) -> SearchResult:
    """
    Find the first bad commit.

    Args:
        last: number of the bad end; the good end is 0.
        against: gives what measures two commits in turns, the base first.
        step: the smallest difference of the ends that is searched for.
        looks: numbers of pairs.
        on_look: called with every comparison with the good end.

    Raises:
        CommitDoesNotRunError: an end does not run.
    """
    whole = ends(against(0, last), step=step, looks=looks)
    found = {last: whole}
    on_look(last, whole)
    if whole.answer != "bad" or whole.interval is None:
        return SearchResult(
            result="no difference" if whole.answer == "good" else "inconclusive", low=0, high=last, looks=found
        )
    threshold = whole.interval.mean / 2

    def look(number: int) -> Answer:
        try:
            found[number] = at(against(0, number), threshold, looks=looks)
        except CommitDoesNotRunError as error:
            found[number] = Look(answer="broken", why=str(error))
        on_look(number, found[number])
        return found[number].answer

    low, high = find(last, look)
    if high - low > 1:
        return SearchResult(result="inconclusive", low=low, high=high, looks=found)
    # It is found twice, the second time against the commit before it: what that one does not explain is its own.
    direct = at(against(low, high), threshold / 2, looks=looks)
    result: Result = "found" if direct.answer == "bad" else "inconclusive"
    return SearchResult(result=result, low=low, high=high, looks=found, direct=direct.interval)
