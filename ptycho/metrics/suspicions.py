"""
Suspicions about a scan that keeps the data contract: decided here once, for `inspect`, training and inference alike.

Looking costs a tenth of a second or so, whatever the size of the scan, and changes nothing.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ptycho import files
from ptycho.data import detector, measurement_domain
from ptycho.data.dataset import Dataset
from ptycho.errors import SuspicionError
from ptycho.metrics import data_fit, file_mistakes, frame_order, scan_coverage
from ptycho.metrics.scan_sample import ScanSample, evenly, frames_of, patterns_for

_SAYS_NOTHING = 0.002
"""An object whose error is this near to the flat one's, relatively, is as good as flat: a first guess, mostly."""

_NEIGHBOURS = 64


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """
    One thing that looks wrong.

    Attributes:
        what: what it looks like, in a few words.
        evidence: what was measured.
        step: what to do next.
    """

    what: str
    evidence: str
    step: str

    @property
    def text(self) -> str:
        """One sentence."""
        return f"{self.what}: {self.evidence}; {self.step}"


def find(dataset: Dataset) -> tuple[Suspicion, ...]:
    """
    Everything suspicious about a scan that keeps the contract.

    With an object, the usual mistakes are undone one by one and the object is compared with a flat one. Without one,
    or where it is as good as flat, only what probe, positions and frames tell by themselves is looked at.

    Args:
        dataset: the scan.
    """
    return (*_of_detector(dataset), *_of_frames(dataset), *_of_positions(dataset), *_of_values(dataset))


def warn(dataset: Dataset, *, strict: bool, log: logging.Logger | None = None) -> list[str]:
    """
    Warn of everything suspicious about a scan, on stderr however quiet the run is.

    Args:
        dataset: the scan.
        strict: whether a suspicious scan is refused.
        log: where the warnings go, too.

    Returns:
        The sentences, for the summary of the run.

    Raises:
        SuspicionError: with `strict`, listing them instead.
    """
    sentences, path = [suspicion.text for suspicion in find(dataset)], dataset.source.path
    if strict and sentences:
        listed = "\n".join(f"  - {sentence}" for sentence in sentences)
        raise SuspicionError(
            f"{path} keeps the data contract (DATA-001), but is suspicious, and --strict refuses that:\n{listed}\n"
            "repair the file, or run without --strict"
        )
    for sentence in sentences:
        files.warn(f"{path.name}: {sentence}", log)
    return sentences


def _of_detector(dataset: Dataset) -> Iterator[Suspicion]:
    """Marks of dead pixels, hot pixels, and frames that are not part of the scan."""
    flaws, mend = detector.find(dataset), "python -m ptycho convert IN OUT"
    if flaws.marked.any():
        yield Suspicion(
            what="pixels hold a detector's mark and no signal",
            evidence=f"{'; '.join(flaws.marks)} in {detector.pixels(flaws.marked)}",
            step=f"leave them out: {mend} --mask auto",
        )
    if flaws.hot.any():
        yield Suspicion(
            what="pixels are hot",
            evidence=f"far above all neighbours in most frames: {detector.pixels(flaws.hot)}",
            step=f"leave them out: {mend} --mask auto",
        )
    for indices, what, evidence in (
        (flaws.dead, "frames are dead", "without light"),
        (flaws.bright, "frames are far brighter than the others", f"over {detector.TOO_BRIGHT:g} times the median"),
    ):
        if indices.size:
            yield Suspicion(
                what=what,
                evidence=f"{evidence}: {len(indices)} of {dataset.n_patterns}, index {detector.listed(indices)}",
                step=f"leave them out: {mend} --drop-frames auto",
            )


def _of_frames(dataset: Dataset) -> tuple[Suspicion, ...]:
    obj = dataset.obj
    found = None if obj is None else data_fit.explain(dataset, max_patterns=patterns_for(dataset.side))
    if obj is None or found is None or abs(found.given - found.flat) <= _SAYS_NOTHING * found.flat:
        # A canvas that holds every window: a flat object has no edge.
        flat = np.ones((2 * dataset.side,) * 2, np.complex64)
        blind = ScanSample.of(dataset, flat).at_centre()
        return _named(file_mistakes.find(blind, has_object=False))
    sample = ScanSample.of(dataset, obj)
    named = _named(file_mistakes.find(sample, has_object=True))
    if named or found.better_than_flat:
        return named
    order = frame_order.other_positions_fit(sample)
    if order is not None:
        own, best = order
        return (
            Suspicion(
                what="it looks as if frames belonged to other positions",
                evidence=(
                    f"some frames are explained with a Fourier error of {best:.4f} by other positions of the scan, "
                    f"and of {own:.4f} by their own"
                ),
                step="check that diff3d, xcoords and ycoords are in one order, and that the positions are this scan's",
            ),
        )
    return (
        Suspicion(
            what="the given object explains the data worse than a flat one",
            evidence=f"Fourier error {found.given:.4f}, flat {found.flat:.4f} ({found.patterns} patterns)",
            step=(
                "no single usual mistake explains it: check the order of frames and positions, the probe and the "
                "object; if objectGuess is a first guess and no reconstruction, leave it out, since scores would be "
                "read against it"
            ),
        ),
    )


def _named(finding: file_mistakes.FileMistake | None) -> tuple[Suspicion, ...]:
    if finding is None:
        return ()
    return (
        Suspicion(
            what=f"it looks as if {finding.mistake.text}",
            evidence=(
                f"with that undone, the Fourier error falls from {finding.own:.4f} to {finding.error:.4f} "
                f"({finding.patterns} patterns)"
            ),
            step=finding.mistake.step,
        ),
    )


def _of_positions(dataset: Dataset) -> tuple[Suspicion, ...]:
    if dataset.n_patterns < 2:
        return ()
    x, y = dataset.xcoords, dataset.ycoords
    span = float(max(np.ptp(x), np.ptp(y)))
    units = "check the unit of xcoords and ycoords: object pixels, not metres, and not pixels of the detector"
    if span < 1:
        return (
            Suspicion(
                what="all positions lie within one pixel", evidence=f"they span {span:.3g} px along x or y", step=units
            ),
        )
    some = evenly(dataset.n_patterns, _NEIGHBOURS)
    distance = np.hypot(x[some, None] - x, y[some, None] - y)
    distance[np.arange(len(some)), some] = np.inf
    step, width = float(np.median(distance.min(axis=1))), scan_coverage.probe_diameter(dataset.probe)
    if step <= width:
        return ()
    return (
        Suspicion(
            what="neighbouring patterns do not overlap",
            evidence=f"the nearest neighbour is {step:.1f} px away (median), the probe is {width:.1f} px wide",
            step=units,
        ),
    )


def _of_values(dataset: Dataset) -> tuple[Suspicion, ...]:
    diagnosis = measurement_domain.diagnose(
        frames_of(dataset, evenly(dataset.n_patterns, measurement_domain.MAX_FRAMES))
    )
    if diagnosis.kind != "counts":
        return ()
    return (
        Suspicion(
            what="frames look like counts and not like amplitudes",
            evidence=diagnosis.text,
            step="declare measurement_domain = counts if so",
        ),
    )
