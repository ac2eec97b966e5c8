"""When a wrong orientation is named: it must fit well, and clearly better than the right one."""

import pytest

from harness.lanes.checks.match import Match, wrong


def _match(finding: str, correlation: float) -> Match:
    return Match(finding=finding, words=finding, correlation=correlation, stated=correlation, shift=(0, 0))


@pytest.mark.parametrize(
    ("right", "other", "passes", "named"),
    [
        (0.3, 0.9, False, True),
        (0.3, 0.59, False, False),
        (0.5, 0.64, False, False),
        (0.5, 0.66, False, True),
        (0.5, 0.66, True, False),
        (0.5, 0.76, True, True),
        (0.0, 0.6, True, True),
    ],
)
def test_a_wrong_orientation_is_named_by_how_far_it_is_ahead(
    right: float, other: float, passes: bool, named: bool
) -> None:
    found = [_match("", right), _match("stitching-mirrored", other), _match("stitching-swapped", 0.1)]
    assert (found[1] if named else None) == wrong(found, passes=passes)
