"""
Scores a reconstruction in one orientation of the truth, and decides when a wrong orientation is named.

Apart from `harness.lanes.checks.orientation`, which finds the matches, so that judging them needs no NumPy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

CERTAIN = 0.6
"""Correlation at which a wrong orientation is named."""
AHEAD = 0.15
"""By how much it must beat the right one."""
AHEAD_OF_OTHERS = 0.1
"""By how much it must beat every other wrong one where the place was searched for: a blurred object fits many of them
somewhere, and as well as the next."""
AHEAD_OF_A_PASS = 0.25
"""By how much, if the right one reaches what the target must reach."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """
    Fit of a reconstruction to one hypothesis.

    Attributes:
        finding: the finding that it would be; `""` for the right orientation.
        words: the hypothesis, for a sentence.
        correlation: complex correlation at the best place, global phase removed.
        stated: the same exactly where the reconstruction says that it lies; 0 where it does not say.
        shift: `(dy, dx)` px of the best place from there, or None.
        symmetry: which of the eight it is, whatever was turned by it.
    """

    finding: str
    words: str
    correlation: float
    stated: float
    shift: tuple[int, int] | None
    symmetry: str = ""


def wrong(found: Sequence[Match], *, passes: bool, placed: bool = True) -> Match | None:
    """
    The wrong orientation that explains a reconstruction clearly better than the right one, or None.

    Exactly as certain and exactly as far ahead as is needed is enough (≥).

    Args:
        found: of `matches`.
        passes: whether the right orientation reaches what it must.
        placed: whether the reconstruction says where it lies.
    """
    right, best = found[0], found[1]
    rivals = [match.correlation for match in found[2:] if match.symmetry != best.symmetry]
    if not placed and best.correlation < max(rivals, default=0.0) + AHEAD_OF_OTHERS:
        return None
    ahead = AHEAD_OF_A_PASS if passes else AHEAD
    return best if best.correlation >= max(CERTAIN, right.correlation + ahead) else None
