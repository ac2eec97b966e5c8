"""One fault, one name: the most specific explanation that the evidence supports."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.lanes.checks import quality
from harness.lanes.checks.match import Match
from harness.lanes.checks.quality import Effect
from harness.lanes.checks.score import Judged

_RIGHT = Match(finding="", words="as it should be", correlation=0.9, stated=0.9, shift=(0, 0))
_MIRRORED = Match(finding="stitching-mirrored", words="mirrored", correlation=0.4, stated=0.3, shift=(0, 0))
_GOOD = Judged(
    scores={"phase_correlation": 0.9, "shift": (0.1, 0.2), "scale_magnitude": 1.05},
    flat={"phase_correlation": 0.0},
    picture=Path("picture.png"),
    matches=(_RIGHT, _MIRRORED),
)
_POOR = replace(
    _GOOD, scores={**_GOOD.scores, "phase_correlation": 0.1}, matches=(replace(_RIGHT, correlation=0.2), _MIRRORED)
)
_LEARNT, _IDLE, _CHANCE = (
    Effect(trained=0.5, chance=1e-4),
    Effect(trained=0.0, chance=0.0),
    Effect(trained=0.8, chance=0.7),
)


def _ids(judged: Judged, effect: Effect | None = None) -> list[str]:
    found = quality.judge(judged, "small", min_phase_correlation=0.3, effect=effect)
    assert all(finding.subject == "small" and finding.picture == "picture.png" for finding in found)
    return [finding.id for finding in found]


def _with(judged: Judged, *matches: Match, **scores: object) -> Judged:
    return replace(judged, scores={**judged.scores, **scores}, matches=matches or judged.matches)


def test_a_good_reconstruction_has_no_finding() -> None:
    assert [] == _ids(_GOOD, _LEARNT)


def test_a_good_one_that_training_did_not_change_is_not_called_untrained() -> None:
    assert [] == _ids(_GOOD, _IDLE)


@pytest.mark.parametrize(
    ("judged", "effect", "expected"),
    [
        (_POOR, _LEARNT, "reconstruction-poor"),
        (_POOR, None, "reconstruction-poor"),
        (_POOR, _IDLE, "untrained-weights"),
        (_POOR, _CHANCE, "untrained-weights"),
        (_with(_POOR, phase_correlation=0.0), _LEARNT, "reconstruction-flat"),
        (_with(_POOR, phase_correlation=0.0), _IDLE, "untrained-weights"),
        (_with(_POOR, phase_correlation=float("nan")), _LEARNT, "reconstruction-poor"),
        (_with(_POOR, replace(_RIGHT, shift=(0, 7)), _MIRRORED), _LEARNT, "stitching-shifted"),
        (_with(_POOR, _POOR.matches[0], replace(_MIRRORED, correlation=0.8)), _IDLE, "stitching-mirrored"),
    ],
)
def test_a_poor_one_has_one_explanation(judged: Judged, effect: Effect | None, expected: str) -> None:
    assert [expected] == _ids(judged, effect)


def test_one_that_passes_and_fits_better_mirrored_is_mirrored() -> None:
    found = _with(_GOOD, replace(_RIGHT, correlation=0.6), replace(_MIRRORED, correlation=0.9), phase_correlation=0.4)
    assert ["stitching-mirrored"] == _ids(found)
    # A blurred object fits its own mirror image, too: a little better is not evidence.
    assert [] == _ids(_with(found, found.matches[0], replace(_MIRRORED, correlation=0.8)))


@pytest.mark.parametrize(
    ("scale", "expected"), [(0.25, ["object-scaled"]), (0.7, []), (1.4, []), (4.0, ["object-scaled"])]
)
def test_the_amplitude_must_be_right_within_a_factor(scale: float, expected: list[str]) -> None:
    assert expected == _ids(_with(_GOOD, scale_magnitude=scale))
    # Of a picture whose contrast was stretched nothing is claimed.
    assert [] == _ids(replace(_with(_GOOD, scale_magnitude=scale), scaled=False))


def test_an_offset_is_a_warning_where_the_object_is_sharp_enough_to_tell() -> None:
    beside = _with(_GOOD, replace(_RIGHT, stated=0.8), _MIRRORED, shift=(0.0, 2.0))
    assert ["object-offset"] == _ids(beside)
    (finding,) = quality.judge(beside, "small", min_phase_correlation=0.3, effect=None)
    assert not finding.counts
    assert [] == _ids(_with(_GOOD, replace(_RIGHT, stated=0.89), _MIRRORED, shift=(0.0, 2.0)))
    assert [] == _ids(_with(_GOOD, replace(_RIGHT, stated=0.0, shift=None), _MIRRORED, shift=(0.0, 2.0)))
