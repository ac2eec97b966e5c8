"""Each judge of a reconstruction at its limit, one unit below and one above: which side the limit itself belongs to."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.lanes.checks import match, quality, score
from harness.lanes.checks.match import Match
from harness.lanes.checks.quality import Effect
from harness.lanes.checks.score import ReconstructionJudgement

RIGHT = Match(finding="", words="as it should be", correlation=0.9, stated=0.9, shift=(0, 0))
MIRRORED = Match(finding="stitching-mirrored", words="mirrored", correlation=0.4, stated=0.3, shift=(0, 0))
TURNED = replace(MIRRORED, finding="stitching-transposed", words="transposed", symmetry="transposed")
SCORES = {"phase_correlation": 0.9, "shift": (0.0, 0.0), "scale_magnitude": 1.0}
GOOD = ReconstructionJudgement(
    scores=SCORES, flat={"phase_correlation": 0.0}, picture=Path("a.png"), matches=(RIGHT, MIRRORED)
)


def around(limit: float) -> tuple[float, float, float]:
    """The number below a limit, the limit, the number above."""
    return math.nextafter(limit, -math.inf), limit, math.nextafter(limit, math.inf)


def scored(judged: ReconstructionJudgement, **scores: Any) -> ReconstructionJudgement:
    return replace(judged, scores={**judged.scores, **scores})


def ids(judged: ReconstructionJudgement, effect: Effect | None = None) -> list[str]:
    return [item.id for item in quality.judge(judged, "small", min_phase_correlation=0.3, effect=effect)]


@pytest.mark.parametrize(("reached", "short"), [*zip(around(0.3), (True, True, False), strict=True)])
def test_a_correlation_of_exactly_what_is_needed_falls_short(reached: float, short: bool) -> None:
    judged = scored(GOOD, phase_correlation=reached)
    assert bool(score.shortfall(judged, min_phase_correlation=0.3)) is short


@pytest.mark.parametrize(("reached", "short"), [*zip(around(0.5), (True, True, False), strict=True)])
def test_a_correlation_of_exactly_a_flat_objects_falls_short(reached: float, short: bool) -> None:
    judged = replace(scored(GOOD, phase_correlation=reached), flat={"phase_correlation": 0.5})
    assert bool(score.shortfall(judged, min_phase_correlation=0.3)) is short


@pytest.mark.parametrize(("fit", "short"), [*zip(around(match.CERTAIN), (True, False, False), strict=True)])
def test_a_place_that_was_searched_for_needs_exactly_a_certain_fit(fit: float, short: bool) -> None:
    rival = replace(MIRRORED, correlation=0.95)
    judged = replace(GOOD, placed=False, matches=(replace(RIGHT, correlation=fit), rival))
    assert bool(score.shortfall(judged, min_phase_correlation=0.3)) is short


@pytest.mark.parametrize(("fit", "named"), [*zip(around(match.CERTAIN), (False, True, True), strict=True)])
def test_a_wrong_orientation_is_named_from_exactly_a_certain_fit(fit: float, named: bool) -> None:
    found = (replace(RIGHT, correlation=0.1), replace(MIRRORED, correlation=fit))
    assert (match.wrong(found, passes=False) is not None) is named


@pytest.mark.parametrize(("passes", "ahead"), [(False, match.AHEAD), (True, match.AHEAD_OF_A_PASS)])
@pytest.mark.parametrize(("at", "named"), [(0, False), (1, True), (2, True)])
def test_a_wrong_orientation_is_named_when_it_is_exactly_that_much_better(
    passes: bool, ahead: float, at: int, named: bool
) -> None:
    right = 0.5
    found = (replace(RIGHT, correlation=right), replace(MIRRORED, correlation=around(right + ahead)[at]))
    assert (match.wrong(found, passes=passes) is not None) is named


@pytest.mark.parametrize(("at", "named"), [(0, False), (1, True), (2, True)])
def test_without_a_place_it_must_beat_the_next_by_exactly_that_much(at: int, named: bool) -> None:
    best = around(0.7 + match.AHEAD_OF_OTHERS)[at]
    found = (replace(RIGHT, correlation=0.1), replace(MIRRORED, correlation=best), replace(TURNED, correlation=0.7))
    assert (match.wrong(found, passes=False, placed=False) is not None) is named


@pytest.mark.parametrize(("trained", "none"), [*zip(around(1e-6), (True, True, False), strict=True)])
def test_a_training_that_moves_exactly_the_rounding_has_no_effect(trained: float, none: bool) -> None:
    assert Effect(trained=trained, chance=0.0).none is none


@pytest.mark.parametrize(("trained", "none"), [*zip(around(1.5 * 0.01), (True, True, False), strict=True)])
def test_a_training_that_moves_exactly_as_far_as_chance_has_no_effect(trained: float, none: bool) -> None:
    assert Effect(trained=trained, chance=0.01).none is none


@pytest.mark.parametrize(("chance", "hidden"), [*zip(around(quality.TELLING), (False, False, True), strict=True)])
def test_chance_of_exactly_the_limit_hides_nothing(chance: float, hidden: bool) -> None:
    assert Effect(trained=1.0, chance=chance).is_hidden is hidden


def displaced(px: float, gain: float) -> ReconstructionJudgement:
    right = replace(RIGHT, stated=0.5, correlation=0.5 + gain)
    return replace(scored(GOOD, shift=(0.0, px)), matches=(right, MIRRORED))


@pytest.mark.parametrize(("px", "found"), [*zip(around(quality.OFFSET_PX), (False, False, True), strict=True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_displacement_of_exactly_the_limit_is_none(px: float, found: bool, sign: int) -> None:
    assert ids(displaced(sign * px, 0.25)) == ["object-offset"] * found


@pytest.mark.parametrize(("axis", "shift"), [("down", (1.5, 0.0)), ("right", (0.0, 1.5)), ("left", (0.0, -1.5))])
def test_a_displacement_counts_along_either_axis(axis: str, shift: tuple[float, float]) -> None:
    assert ids(scored(displaced(0.0, 0.25), shift=shift)) == ["object-offset"], axis


@pytest.mark.parametrize(("correlation", "found"), [(0.515625, False), (0.53125, True)])
def test_a_displacement_needs_a_gain(correlation: float, found: bool) -> None:
    assert ids(displaced(5.0, correlation - 0.5)) == ["object-offset"] * found


@pytest.mark.parametrize(
    ("px", "id"), [(2, "reconstruction-poor"), (3, "reconstruction-poor"), (4, "stitching-shifted")]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_shift_of_exactly_what_the_figures_forgive_explains_nothing(px: int, id: str, sign: int) -> None:  # noqa: A002
    assert px - quality.REMOVED_PX in (-1, 0, 1)
    judged = replace(scored(GOOD, phase_correlation=0.1), matches=(replace(RIGHT, shift=(0, sign * px)), MIRRORED))
    assert ids(judged) == [id]


@pytest.mark.parametrize(
    ("magnitude", "found"),
    [
        *zip(around(quality.SCALE_FACTOR), (False, False, True), strict=True),
        *zip(around(1 / quality.SCALE_FACTOR), (True, False, False), strict=True),
    ],
)
def test_a_scale_of_exactly_the_factor_is_right(magnitude: float, found: bool) -> None:
    assert ids(scored(GOOD, scale_magnitude=magnitude)) == ["object-scaled"] * found


@pytest.mark.parametrize(
    ("quartiles", "found"),
    [
        ((quality.SCALE_FACTOR, 2.0, 3.0), False),
        ((around(quality.SCALE_FACTOR)[2], 2.0, 3.0), True),
        ((0.1, 0.2, 1 / quality.SCALE_FACTOR), False),
        ((0.1, 0.2, around(1 / quality.SCALE_FACTOR)[0]), True),
    ],
)
def test_quartiles_of_exactly_the_factor_are_right(quartiles: tuple[float, float, float], found: bool) -> None:
    judged = replace(GOOD, matches=(replace(RIGHT, correlation=0.5, stated=0.5), MIRRORED), brightness=quartiles)
    assert ids(judged) == ["object-scaled"] * found
