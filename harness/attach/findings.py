"""Findings of a comparison: one sentence a difference, with its place, its figures, and the side at fault if known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class StepStage(IntEnum):
    """The part of a training step in which a difference lies, in the order in which the step is computed."""

    STRUCTURE = 0
    WEIGHTS = 1
    FORWARD = 2
    LOSS = 3
    GRADIENT = 4
    STATE = 5
    UPDATE = 6
    RUNTIME = 7

    @property
    def label(self) -> str:
        """The word that reports use."""
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class ModelDifference:
    """
    One difference.

    Attributes:
        name: short, without spaces at its ends, by which a map accepts it: `conv1.pads`, `loss`, `optimizer.rate`.
        stage: where in a step.
        order: place within the stage, the first one first.
        place: the layer or weight on both sides, or where else it is.
        sentence: what differs.
        figures: distance, noise units, tolerance, as far as there are any.
        wrong: the side that is wrong; empty where that is not known.
        reason: why it is accepted; empty if it is not.
    """

    name: str
    stage: StepStage
    order: float
    place: str
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)
    wrong: str = ""
    reason: str = ""

    def as_plain(self) -> dict[str, Any]:
        """For the JSON report."""
        return {
            "name": self.name,
            "stage": self.stage.label,
            "place": self.place,
            "sentence": self.sentence,
            "figures": dict(self.figures),
            "wrong": self.wrong or None,
            "accepted": self.reason or None,
        }


def in_order(findings: "list[ModelDifference]") -> list[ModelDifference]:
    """The first difference first."""
    return sorted(findings, key=lambda finding: (finding.stage, finding.order))
