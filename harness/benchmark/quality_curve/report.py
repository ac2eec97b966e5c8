"""
The points of the curve, and the bar: what the best training that fits the time must reach.

The object of a simulated scan is the truth. That of a measured one is another reconstruction: there, what counts is how
well the measured diffraction is explained.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ptycho.verdict import Verdict

SCHEMA = "ptycho-quality-curve/2"

LEAST_CORRELATION = 0.90
LEAST_GAIN_DB = {"phase_psnr": 5.0, "amplitude_psnr": 3.0}
"""Over a flat object in the reconstruction's place."""

LEAST_WAY = 0.90
"""Of the way from a flat object's Fourier error to that of the file's object, on a measured scan."""

TRAINING = ("trace", "train", "validate", "checkpoint")
"""Phases that make up the training; start-up, reading and saving are the process's."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """
    One training.

    Attributes:
        side: `torch` or `tf`.
        epochs: number of epochs of the training.
        training_s: seconds of its phases `TRAINING`.
        process_s: seconds of the whole process.
        scores: of its reconstruction.
        flat: of a flat object.
        way: from a flat object's Fourier error (0) to that of the file's object (1), or None where that is no better.
    """

    side: str
    epochs: int
    training_s: float
    process_s: float
    scores: Mapping[str, float]
    flat: Mapping[str, float]
    way: float | None

    @property
    def name(self) -> str:
        """Side and epochs."""
        return f"{self.side}, {self.epochs} epoch{'s' if self.epochs > 1 else ''}"

    def gain(self, figure: str) -> float:
        """A figure less a flat object's."""
        return self.scores[figure] - self.flat[figure]

    def shortfalls(self, *, measured: bool) -> list[str]:
        """Return what it does not reach of a measured or of a simulated scan."""
        if measured:
            if self.way is not None and self.way >= LEAST_WAY:
                return []
            reached = "the file's object explains the data no better than a flat one"
            if self.way is not None:
                reached = f"Fourier error {self.way:.0%} of the way from a flat object to the file's"
            return [f"{reached}; needed: {LEAST_WAY:.0%}"]
        found = []
        if not self.scores["phase_correlation"] >= LEAST_CORRELATION:
            found.append(f"phase correlation {self.scores['phase_correlation']:.3f}; needed: {LEAST_CORRELATION:.2f}")
        for figure, least in LEAST_GAIN_DB.items():
            if not self.gain(figure) >= least:
                label = figure.replace("_", " ").replace("psnr", "PSNR")
                found.append(f"{label} {self.gain(figure):.1f} dB over a flat object; needed: {least:g} dB")
        return found


@dataclass(frozen=True, kw_only=True)
class QualityCurve:
    """
    The curve.

    Attributes:
        points: in the order in which they were made.
        sides: those that must be there.
        within_s: the time that counts.
        measured: whether the file's object is a reconstruction, and not the truth.
    """

    points: Sequence[Point]
    sides: Sequence[str]
    within_s: float
    measured: bool = False

    def of(self, side: str) -> list[Point]:
        """A side's points."""
        return [point for point in self.points if point.side == side]

    def longest(self, side: str) -> Point | None:
        """The longest training that fits the time: which one counts is decided by time, and not by its score."""
        fitting = [point for point in self.of(side) if point.training_s <= self.within_s]
        return max(fitting, key=lambda point: point.epochs, default=None)

    def complaints(self) -> Iterator[str]:
        """Yield what is wrong, a side at a time."""
        for side in self.sides:
            best = self.longest(side)
            if best is None:
                yield f"{side}: no training fits {self.within_s:g} s"
                continue
            yield from (
                f"{best.name} in {best.training_s:.0f} s: {text}" for text in best.shortfalls(measured=self.measured)
            )

    @property
    def verdict(self) -> Verdict:
        """Pass where every side reaches the bar in time."""
        return Verdict.FAIL if any(self.complaints()) else Verdict.PASS

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        longest = {side: self.longest(side) for side in self.sides}
        return {
            "schema": SCHEMA,
            "within_s": self.within_s,
            "measured": self.measured,
            "points": [asdict(point) for point in self.points],
            "counted": {side: None if point is None else point.epochs for side, point in longest.items()},
            "complaints": list(self.complaints()),
            "verdict": self.verdict.label,
        }

    def table(self) -> list[list[str]]:
        """A header, then a row a point."""
        header = ["training", "seconds", "process", "phase corr.", "phase dB over flat", "amplitude dB over flat"]
        header.append("way to the given object")
        return [header] + [
            [
                point.name,
                f"{point.training_s:.0f}",
                f"{point.process_s:.0f}",
                f"{point.scores['phase_correlation']:.3f}",
                *(f"{point.gain(figure):+.1f}" for figure in LEAST_GAIN_DB),
                "–" if point.way is None else f"{point.way:.0%}",
            ]
            for point in self.points
        ]
