"""The search for a commit: its order, its answers, and that it says so instead of guessing."""

import math
from collections.abc import Iterator
from itertools import count

import pytest

from harness.benchmark.gate import Side
from harness.benchmark.trend import search
from harness.benchmark.trend.search import Answer, CommitDoesNotRunError, MeasureOne

LOOKS = (8, 14)


def measured(base: float, head: float, noise: float = 0.0) -> MeasureOne:
    """Blocks that cost what they say, but for a noise that comes and goes from block to block."""
    wobble: Iterator[int] = count()
    return lambda side: (head if side == "head" else base) * (1 + noise * math.sin(7 * next(wobble)))


@pytest.mark.parametrize("planted", range(1, 17))
def test_the_first_bad_commit_is_found_in_log2_looks(planted: int) -> None:
    asked: list[int] = []

    def look(number: int) -> Answer:
        asked.append(number)
        return "bad" if number >= planted else "good"

    assert search.find(16, look) == (planted - 1, planted)
    assert len(asked) <= 4
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ("ggggbbbb", (4, 5)),
        ("ggg?bbbb", (3, 5)),
        ("gg???bbb", (2, 6)),
        ("????????", (0, 8)),
        ("ggggxbbb", (4, 6)),
        ("gggg?xbb", (4, 7)),
        ("g?gg?bbb", (4, 6)),
    ],
)
def test_what_is_undecided_or_broken_is_passed_by_and_left_over_as_a_range(
    answers: str, found: tuple[int, int]
) -> None:
    words: dict[str, Answer] = {"g": "good", "b": "bad", "?": "undecided", "x": "broken"}
    assert search.find(8, lambda number: words[answers[number - 1]]) == (found if answers != "????????" else (0, 8))


@pytest.mark.parametrize(
    ("head", "noise", "answer", "pairs"),
    [
        (1.08, 0.001, "bad", 8),
        (1.02, 0.001, "bad", 8),
        (1.0, 0.001, "good", 8),
        (0.9, 0.001, "good", 8),
        (1.004, 0.0001, "good", 8),
        (1.03, 0.2, "undecided", 14),
    ],
)
def test_the_ends_differ_or_not_or_it_is_not_known(head: float, noise: float, answer: str, pairs: int) -> None:
    found = search.ends(measured(1.0, head, noise), looks=LOOKS)
    assert found.interval is not None
    assert (found.answer, found.interval.pairs) == (answer, pairs)


def test_blocks_take_turns_and_an_undecided_look_gets_more_pairs() -> None:
    sides: list[Side] = []
    cost = measured(1.0, 1.0, 0.5)

    def measure(side: Side) -> float:
        sides.append(side)
        return cost(side)

    found = search.at(measure, 0.02, looks=LOOKS)
    assert sides[:8] == ["base", "head", "head", "base"] * 2
    assert (found.answer, len(sides)) == ("undecided", 28)


def against(costs: list[float], broken: tuple[int, ...] = ()) -> "search.SearchResult":
    def pair(base: int, head: int) -> MeasureOne:
        if head in broken:
            raise CommitDoesNotRunError(f"commit {head} ended with exit code 1\nTraceback")
        return measured(costs[base], costs[head], 0.001)

    return search.search(len(costs) - 1, pair, looks=LOOKS)


def test_a_planted_step_is_found_and_confirmed_against_the_commit_before_it() -> None:
    found = against([1.0] * 6 + [1.08] * 3)
    assert (found.result, found.low, found.high) == ("found", 5, 6)
    assert found.direct is not None
    assert found.direct.mean == pytest.approx(math.log(1.08), abs=0.003)


def test_of_two_steps_the_larger_is_found() -> None:
    found = against([1.0, 1.0, 1.03, 1.03, 1.03, 1.1, 1.1])
    assert (found.result, found.high) == ("found", 5)


def test_a_creep_without_a_step_is_a_commit_that_explains_too_little_for_an_answer() -> None:
    found = against([1.0 + 0.005 * number for number in range(17)])
    assert (found.result, found.high - found.low) == ("inconclusive", 1)


def test_ends_that_do_not_differ_end_the_search() -> None:
    found = against([1.0] * 9)
    assert (found.result, list(found.looks)) == ("no difference", [8])


def test_a_commit_that_does_not_run_is_in_the_range_or_passed_by() -> None:
    costs = [1.0] * 5 + [1.08] * 4
    found = against(costs, broken=(4,))
    assert (found.result, found.low, found.high) == ("inconclusive", 3, 5)
    assert found.looks[4].why.startswith("commit 4 ended")
    assert against(costs, broken=(2, 7)).result == "found"
    with pytest.raises(CommitDoesNotRunError):
        against(costs, broken=(8,))
