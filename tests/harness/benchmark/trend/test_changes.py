"""Four words by evidence: each is planted and found, and none hides another."""

from typing import Any

import pytest

from harness.benchmark.trend import changes, series
from harness.benchmark.trend.changes import ChangePoint
from tests.support.fakes.nights import night


def found(records: list[Any]) -> list[ChangePoint]:
    (one,) = series.of(records)
    return list(changes.search(one).changes)


def year(before: dict[str, Any], after: dict[str, Any], *, by: float = 0.05, measure: str = "cost") -> list[Any]:
    """Twenty nights, a change, twenty nights."""
    states = [before] * 20 + [after] * 20
    return [night(day, 1.0 + by * (day >= 20), measure=measure, **state) for day, state in enumerate(states)]


@pytest.mark.parametrize(
    ("before", "after", "word", "evidence"),
    [
        ({}, {}, "regression", "same machine, versions and method"),
        ({}, {"locks": {"torch-cpu.txt": "2"}}, "regression", "upgraded with it: torch-cpu.txt (1 → 2)"),
        ({}, {"versions": {"torch": "2.14"}}, "regression", "upgraded with it: torch (None → 2.14)"),
        ({"cpu": "old"}, {"cpu": "new"}, "other hardware", "cpu (old → new)"),
        ({"method": {"cases": "1"}}, {"method": {"cases": "2"}}, "changed method", "cases (1 → 2)"),
        ({"cpu": "old"}, {"cpu": "new", "method": {"cases": "2"}}, "other hardware", "cpu (old → new)"),
        ({"commit": "c0ffee"}, {"commit": "c0ffee"}, "noise", "the code is the same before and after: c0ffee"),
    ],
)
def test_the_word_follows_from_what_changed_with_the_figure(
    before: dict[str, Any], after: dict[str, Any], word: str, evidence: str
) -> None:
    (change,) = found(year(before, after))
    assert (change.word, change.says) == (word, word)
    assert evidence in change.evidence
    assert (change.place, change.step) == (20, "+5.0 %")


def test_the_range_of_commits_is_the_night_before_and_the_night_of_the_change() -> None:
    (change,) = found(year({}, {}))
    assert (change.since, change.until) == (f"{19:040x}", f"{20:040x}")
    assert change.commits == "000000000000..000000000000"  # of a hash its first digits are shown


@pytest.mark.parametrize(
    ("measure", "by", "says"),
    [
        ("cost", -0.05, "improvement"),
        ("phase_correlation", -0.05, "regression"),
        ("phase_correlation", 0.05, "improvement"),
        ("fourier_error", 0.05, "regression"),
        ("noise_units", 0.05, "noise"),
        ("noise_units", 0.5, "regression"),
        ("cost", 0.005, "noise"),
    ],
)
def test_better_is_no_regression_and_a_tiny_step_is_noise(measure: str, by: float, says: str) -> None:
    (change,) = found(year({}, {}, by=by, measure=measure))
    assert change.says == says


def test_a_disturbed_night_beside_a_new_machine_does_not_make_it_a_regression() -> None:
    rows = year({"cpu": "old"}, {"cpu": "new"})
    # The first night on the new machine looks like the old one, and its second already does not.
    rows[20] = night(20, 1.0, cpu="new")
    (change,) = found(rows)
    assert (change.word, change.place) == ("other hardware", 20)


def test_commits_whose_night_is_nearer_to_the_other_side_are_in_the_range() -> None:
    rows = year({}, {})
    rows[20] = night(20, 1.0)
    (change,) = found(rows)
    assert (int(change.since or "", 16), int(change.until or "", 16)) == (20, 21)


def test_two_steps_have_a_word_each_and_levels_of_their_own() -> None:
    rows = [
        night(day, 1.0 + 0.04 * (day >= 20) + 0.1 * (day >= 40), cpu="b" if day >= 40 else "a") for day in range(60)
    ]
    first, second = found(rows)
    assert ((first.word, first.step), (second.word, second.step)) == (
        ("regression", "+4.0 %"),
        ("other hardware", "+9.6 %"),
    )
    assert (first.after, second.before) == (1.04, 1.04)


def test_without_a_checkout_the_range_is_not_known_and_a_step_from_zero_has_no_share() -> None:
    rows = [night(day, float(day >= 20), commit=None) for day in range(40)]
    (change,) = found(rows)
    assert (change.commits, change.share, change.step, change.word) == ("not known", None, "0 → 1", "regression")


def test_only_the_window_is_searched() -> None:
    rows = [night(day, 1.0 + 0.05 * (day >= 20)) for day in range(20 + changes.WINDOW)]
    assert found(rows) == []
    assert len(found(rows[1:])) == 0
    (change,) = found(rows[: 14 + changes.WINDOW])
    assert change.place == 20
