"""E-divisive against SciPy's energy distance, another implementation, and a count of pairs that is written out."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import energy_distance

from harness.benchmark.trend import energy

Values = NDArray[np.float64]

OTHER: dict[str, tuple[list[tuple[float, float, int]], dict[int, float], list[int]]] = {
    "mean": ([(0, 1, 40), (2, 1, 40), (0, 1, 40)], {81: 13.939659449192538, 30: 11.419355555555516}, [41, 81]),
    "variance": ([(0, 1, 50), (0, 6, 50)], {54: 52.573332753623276, 25: 13.95873333333329}, [54]),
    "none": ([(5, 1, 60)], {52: 1.2464205128203112, 15: 0.35293333333332483}, []),
    "late": ([(9, 0.1, 50), (9.2, 0.1, 8)], {50: 2.234640689655185, 14: 0.1429453649798486}, [50]),
}
"""
Levels (mean, deviation, length) drawn with seed 1, the statistic at two places, and the change points.

By `signal-processing-algorithms` 2.1.6 (MongoDB's E-divisive): `calculate_t_values`, and `e_divisive` with a p value of
0.01 and 999 permutations. Its second part ends where the segment ends, and its means count a value with itself.
"""


def drawn() -> dict[str, Values]:
    draw = np.random.default_rng(1)
    return {
        name: np.round(np.concatenate([draw.normal(*level) for level in levels]), 3).astype(np.float64)
        for name, (levels, _, _) in OTHER.items()
    }


def apart(one: Values, other: Values) -> float:
    return float(np.abs(one[:, None] - other[None, :]).sum())


@pytest.mark.parametrize("name", OTHER)
def test_the_other_implementations_statistic_is_scipys_and_ours_but_for_pairs_of_a_value_with_itself(name: str) -> None:
    values = drawn()[name]
    found = energy.divergences(values, least=2)
    for place, statistic in OTHER[name][1].items():
        one, other = values[:place], values[place:]
        m, n = len(one), len(other)
        assert statistic == pytest.approx(m * n / (m + n) * energy_distance(one, other) ** 2, rel=1e-9)
        own = apart(one, one) / m**2 / (m - 1) + apart(other, other) / n**2 / (n - 1)
        assert found[place - 2, -1] == pytest.approx(statistic - m * n / (m + n) * own, rel=1e-9)


@pytest.mark.parametrize("name", OTHER)
def test_the_change_points_are_those_of_the_other_implementation(name: str) -> None:
    found = energy.divide(drawn()[name], alpha=0.01, permutations=999)
    # The search for an end of the second part may move a change by a value.
    assert [split.at for split in found.changes] == pytest.approx(OTHER[name][2], abs=1)


def test_every_place_and_end_is_compared() -> None:
    values = np.random.default_rng(5).normal(size=17)
    found = energy.divergences(values, least=3)
    for row, place in enumerate(range(3, 15)):
        for column, end in enumerate(range(6, 18)):
            one, other = values[:place], values[place:end]
            m, n = len(one), len(other)
            if n < 3:
                assert found[row, column] == -np.inf
                continue
            expected = (
                2 * apart(one, other) / (m * n) - apart(one, one) / (m * (m - 1)) - apart(other, other) / (n * (n - 1))
            )
            assert found[row, column] == pytest.approx(m * n / (m + n) * expected)


def test_a_series_has_the_same_changes_at_every_look() -> None:
    values = drawn()["mean"]
    assert energy.divide(values) == energy.divide(values)
    assert [split.at for split in energy.divide(values).changes] == pytest.approx([40, 80], abs=2)


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        ([], []),
        ([3.0] * 200, []),
        ([1.0] * 9, []),
        ([1.0] * 20 + [2.0] * 20, [20]),
        ([1.0] * 20 + [2.0] * 3, []),
        ([1.0] * 20 + [9.0] + [1.0] * 20, []),
    ],
)
def test_constant_short_and_disturbed_series(values: list[float], changes: list[int]) -> None:
    assert [split.at for split in energy.divide(values).changes] == changes


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0, float("nan")], {}, "not finite"),
        ([1.0], {"permutations": 99}, "99 permutations"),
        ([1.0], {"least": 1}, "least 1"),
    ],
)
def test_what_could_never_be_significant_is_refused(values: list[float], options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        energy.divide(values, **options)


def test_p_is_about_uniform_without_a_change() -> None:
    draw = np.random.default_rng(7)
    found = [energy.divide(draw.normal(size=30), alpha=0.2, permutations=19).changes for _ in range(60)]
    assert 4 <= sum(bool(changes) for changes in found) <= 22
