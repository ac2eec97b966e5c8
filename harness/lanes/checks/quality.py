"""
From the figures of a reconstruction to at most one finding about what it shows, and one each about place and scale.

One fault must have one name: a mirrored object is also a poor one, and untrained weights also give a flat one. The
most specific explanation that the evidence supports is given, with the shortfall itself in its sentence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.lanes.checks import score
from harness.lanes.checks.match import CERTAIN, wrong
from harness.lanes.checks.score import ReconstructionJudgement
from harness.record.findings import Finding

OFFSET_PX = 1.0
"""Displacement beyond which (>) a warning is given; both backends of this repository lie within 0.5 px of the truth."""
OFFSET_GAIN = 0.02
"""By how much the correlation must gain from it."""
REMOVED_PX = 3
"""Largest displacement that the figures forgive (`ptycho.metrics.registration.LIMIT_PX`)."""
SCALE_FACTOR = 1.5
"""A factor of the amplitude beyond this (>), or below its inverse, is a wrong scale: known are 2, 4, 16 or more."""


TELLING = 0.1
"""Distance between two runs of one command beyond which an effect of training is not distinguished from chance:
weights that were never trained, and weights that were trained too little, then look the same."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """
    Effect of training, as distances ‖a − b‖ / ‖b‖ between reconstructions.

    Attributes:
        trained: between all epochs and one epoch.
        chance: between one epoch and the same again.
    """

    trained: float
    chance: float

    @property
    def none(self) -> bool:
        """Whether training moves the result no further (≤) than chance alone does, and chance does little."""
        return self.trained <= max(1e-6, 1.5 * self.chance) and not self.is_hidden

    @property
    def is_hidden(self) -> bool:
        """Whether two runs of one command differ so much that what training does cannot be seen."""
        return self.chance > TELLING


def judge(
    judged: ReconstructionJudgement,
    fixture: str,
    *,
    min_phase_correlation: float,
    effect: Effect | None,
    repeats: Sequence[tuple[float, float, float]] = (),
) -> list[Finding]:
    """
    The findings about one reconstruction.

    Args:
        judged: its figures.
        fixture: its name.
        min_phase_correlation: what it must reach.
        effect: what training does, where that was measured.
        repeats: brightness of the reconstructions of other trainings, where there are any.
    """
    short = score.shortfall(judged, min_phase_correlation=min_phase_correlation)
    right = judged.matches[0]
    figures = {name: float(row["phase_correlation"]) for name, row in _rows(judged) if row}
    if (other := wrong(judged.matches, passes=not short, placed=judged.placed)) is not None:
        verdict = "; ".join(short) or "the right orientation alone passes, but this fits better"
        sentence = (
            f"{fixture}: {other.words} would match (correlation {other.correlation:.2f}, in the right orientation "
            f"{right.correlation:.2f}); {verdict}"
        )
        figures |= {"would_match": other.correlation, "as_it_is": right.correlation}
        return [_finding(other.finding, fixture, sentence, judged, figures), *_scale(judged, fixture)]
    if short:
        found = _shortfall(judged, fixture, short[0], figures, effect)
        # What a network says that learnt nothing has no scale either, or another one each time.
        scaled = repeats and found.id not in ("untrained-weights", "reconstruction-flat")
        return [found, *(_scale(judged, fixture, repeats) if scaled else [])]
    return [*_place(judged, fixture), *_scale(judged, fixture)]


def _rows(judged: ReconstructionJudgement) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return ("phase_correlation", judged.scores), ("flat", judged.flat)


def _shortfall(
    judged: ReconstructionJudgement, fixture: str, short: str, figures: dict[str, Any], effect: Effect | None
) -> Finding:
    right = judged.matches[0]
    if right.correlation >= CERTAIN and right.shift is not None and max(map(abs, right.shift)) > REMOVED_PX:
        sentence = f"{fixture}: shifted by {right.shift} px it would match ({right.correlation:.2f}); {short}"
        return _finding("stitching-shifted", fixture, sentence, judged, figures | {"shift_px": right.shift})
    if judged.unscored and judged.placed and judged.reconstruction is None and right.correlation >= CERTAIN:
        sentence = f"{fixture}: searched for, it is found elsewhere in the object ({right.correlation:.2f}); {short}"
        return _finding("stitching-shifted", fixture, sentence, judged, figures)
    if effect is not None and effect.none:
        sentence = (
            f"{fixture}: the reconstruction of the whole training is {effect.trained:.1e} from that of a single epoch, "
            f"and that one {effect.chance:.1e} from its repetition: other weights are saved than those that were "
            f"trained; {short}"
        )
        return _finding("untrained-weights", fixture, sentence, judged, figures | {"trained": effect.trained})
    if judged.constant or figures.get("phase_correlation") == 0.0:
        what = "it is constant" if judged.constant else "its phase is constant"
        return _finding("reconstruction-flat", fixture, f"{fixture}: {what}; {short}", judged, figures)
    best = judged.matches[1]
    if effect is not None and effect.is_hidden:
        short += f"; what training does is not seen: the same command twice gives results {effect.chance:.2f} apart"
    sentence = f"{fixture}: {short}; no orientation explains it (best: {best.words}, {best.correlation:.2f})"
    id = "reconstruction-unreadable" if judged.unscored else "reconstruction-poor"  # noqa: A001 - the field's name
    return _finding(id, fixture, sentence, judged, figures)


def _place(judged: ReconstructionJudgement, fixture: str) -> list[Finding]:
    down, right = (float(step) for step in judged.scores["shift"])
    right_way = judged.matches[0]
    # On a smooth object the best place is ill-defined: it must be better than the stated one by something.
    if right_way.shift is None or right_way.correlation - right_way.stated < OFFSET_GAIN:
        return []
    if max(abs(down), abs(right)) <= OFFSET_PX:
        return []
    sentence = f"{fixture}: the object lies ({down:+.2f}, {right:+.2f}) px (down, right) from its place"
    return [_finding("object-offset", fixture, sentence, judged, {"shift_px": (down, right)})]


def _scale(
    judged: ReconstructionJudgement, fixture: str, repeats: Sequence[tuple[float, float, float]] = ()
) -> list[Finding]:
    """
    The factor of the amplitude, where it can be measured.

    Of what has the truth's shape it is fitted. Of anything else three quarters of the pixels must lie beyond a limit,
    and so must those of its repeats: the scale of a poor reconstruction may be chance.
    """
    if not judged.scaled:
        return []
    limits = 1 / SCALE_FACTOR, SCALE_FACTOR
    if judged.scores and judged.matches[0].correlation >= CERTAIN:
        factor = 1 / float(judged.scores["scale_magnitude"])
        wrong_scale = not limits[0] <= factor <= limits[1]
    elif judged.brightness is not None:
        factor = judged.brightness[1]
        rows = (judged.brightness, *repeats)
        wrong_scale = all(row[0] > limits[1] for row in rows) or all(row[2] < limits[0] for row in rows)
    else:
        return []
    if not wrong_scale:
        return []
    sentence = (
        f"{fixture}: the amplitude is {factor:.3g} times the true one; allowed: {1 / SCALE_FACTOR:.2f} to "
        f"{SCALE_FACTOR:g}; look at the normalisation of probe and patterns"
    )
    return [_finding("object-scaled", fixture, sentence, judged, {"factor": factor})]


def _finding(id: str, fixture: str, sentence: str, judged: ReconstructionJudgement, figures: dict[str, Any]) -> Finding:  # noqa: A002
    picture = None if judged.picture is None else str(judged.picture)
    return Finding(id=id, subject=fixture, sentence=sentence, figures=figures, picture=picture)
