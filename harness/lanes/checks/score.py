"""
From the file that inference left to figures and a picture: the only place where the harness looks at a reconstruction.

NumPy and the metrics are imported when a score is asked for: the harness's command line must start without them.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.lanes.checks.match import CERTAIN
from ptycho.errors import PtychoError, UsageError

if TYPE_CHECKING:
    from harness.lanes.checks.match import Match
    from harness.targets.model import Pictures
    from ptycho.data.dataset import Dataset
    from ptycho.physics.stitching import Reconstruction

MAX_WINDOWS = 2**25
"""Pixels of all windows of a scan, 16 bytes each, up to which the Fourier error is computed."""


@dataclass(frozen=True, kw_only=True)
class ReconstructionJudgement:
    """
    Judgement of a reconstruction.

    What needs no score is there without one: a reconstruction too small to be scored has an orientation, too.

    Attributes:
        scores: its figures; empty where it cannot be scored.
        flat: those of a flat object in its place.
        picture: PNG of the reconstruction beside the truth, or None where it cannot be scored.
        reconstruction: what was scored, at its place.
        matches: how well it fits the truth in every orientation, the right one first; a diagnosis.
        brightness: quartiles of its amplitude over the true one, pixel by pixel; None where it has no place.
        constant: whether it is one number everywhere.
        placed: whether it says where it lies; if not, the place was searched for.
        scaled: whether its amplitudes mean what they say.
        losses: what cannot be judged because of how the target leaves it.
        unscored: why it cannot be scored; empty if it is.
    """

    scores: Mapping[str, Any]
    flat: Mapping[str, Any]
    picture: Path | None
    reconstruction: "Reconstruction | None" = None
    matches: "tuple[Match, ...]" = ()
    brightness: tuple[float, float, float] | None = None
    constant: bool = False
    placed: bool = True
    scaled: bool = True
    losses: tuple[str, ...] = ()
    unscored: str = ""


def judge(
    reconstruction: Path,
    keys: Mapping[str, str],
    fixture: Path,
    picture: Path,
    *,
    name: str,
    pictures: "Pictures | None" = None,
) -> ReconstructionJudgement:
    """
    Score a reconstruction against the object that its fixture was made from.

    Args:
        reconstruction: NPZ of the target; of a target that leaves pictures only, their folder.
        keys: names of its arrays: `object`, `overlap`, `crop` (row0, row1, col0, col1 in pixels of the true object).
        fixture: NPZ with the true object.
        picture: PNG to write: amplitude and phase beside the truth and the difference.
        name: what the picture is called.
        pictures: what to read in place of arrays.

    Raises:
        PtychoError: an array is missing or not finite, or the fixture has no truth.
    """
    from harness.lanes.checks import orientation
    from harness.lanes.checks import reconstruction as read_reconstruction
    from ptycho.data import contract
    from ptycho.metrics import figures as drawing
    from ptycho.metrics import metrics

    dataset = contract.load(fixture)
    truth = dataset.obj
    if truth is None:
        raise PtychoError(f"{fixture} holds no objectGuess: there is nothing to score against; take another fixture")
    seen = (
        read_reconstruction.read(reconstruction, keys)
        if pictures is None
        else read_reconstruction.read_pictures(reconstruction, pictures)
    )
    judged = ReconstructionJudgement(
        scores={},
        flat={},
        picture=None,
        constant=seen.constant,
        placed=seen.origin is not None,
        scaled=seen.scaled,
        losses=seen.losses,
    )
    origin = seen.origin if seen.origin is not None else orientation.likely_place(seen, dataset)
    try:
        stitched = seen.placed(origin, truth.shape)
    except PtychoError as error:
        # A place outside the object is a wrong one: everything else is asked as of a reconstruction without any.
        found = orientation.matches(replace(seen, origin=None), dataset)
        return replace(judged, matches=tuple(found), unscored=str(error))
    judged = replace(
        judged,
        matches=tuple(orientation.matches(seen, dataset)),
        brightness=read_reconstruction.brightness(stitched, truth),
        reconstruction=stitched,
    )
    try:
        scores, flat = metrics.score(stitched, truth), metrics.flat_row(stitched, truth)
    except UsageError as error:
        return replace(judged, unscored=str(error))
    with _configuration_beside(picture):
        drawing.save_comparison(picture, [drawing.FigureRow(name=name, reconstruction=stitched, truth=truth)])
    figures = scores.as_dict() | _fourier_error(stitched, dataset)
    return replace(judged, scores=figures, flat=flat.as_dict(), picture=picture)


def _fourier_error(stitched: "Reconstruction", dataset: "Dataset") -> dict[str, float]:
    """The Fourier error, for the history; none of a scan whose windows would take too much memory at once."""
    from ptycho.metrics import fourier_error

    if dataset.n_patterns * dataset.side**2 > MAX_WINDOWS:
        return {}
    try:
        return {"fourier_error": fourier_error.object_fourier_error(stitched, dataset).reconstructed}
    except UsageError:
        return {}  # it covers nothing, or reaches beyond the true object: the other figures say so


def brightness(
    reconstruction: Path, keys: Mapping[str, str], fixture: Path, *, pictures: "Pictures | None" = None
) -> tuple[float, float, float] | None:
    """Quartiles of a reconstruction's amplitude over the true one, and nothing else; None where they cannot be had."""
    from harness.lanes.checks import orientation
    from harness.lanes.checks import reconstruction as read_reconstruction
    from ptycho.data import contract

    dataset = contract.load(fixture)
    if dataset.obj is None or pictures is not None:
        return None
    try:
        seen = read_reconstruction.read(reconstruction, keys)
        origin = seen.origin if seen.origin is not None else orientation.likely_place(seen, dataset)
        return read_reconstruction.brightness(seen.placed(origin, dataset.obj.shape), dataset.obj)
    except (PtychoError, OSError, ValueError):
        return None


@contextmanager
def _configuration_beside(picture: Path) -> Iterator[None]:
    """Keep what Matplotlib writes while it is imported inside the run root: a kill then leaves nothing in TMPDIR."""
    if "MPLCONFIGDIR" in os.environ:
        yield
        return
    with TemporaryDirectory(prefix=".matplotlib-", dir=picture.parent) as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            yield
        finally:
            del os.environ["MPLCONFIGDIR"]


def shortfall(judged: ReconstructionJudgement, *, min_phase_correlation: float) -> list[str]:
    """
    Return why a reconstruction is not evidence of a working pipeline; empty if it is.

    A constant image has a respectable SSIM and PSNR, but no correlation: the correlation decides, and must be more (>)
    than what is needed and than a flat object's. Where the place was searched for, anything fits the truth somewhere,
    and then the right orientation must fit better than a wrong one.
    """
    if judged.unscored:
        return [f"it cannot be scored: {judged.unscored}"]
    reached, flat = float(judged.scores["phase_correlation"]), float(judged.flat["phase_correlation"])
    # Written so that NaN falls short.
    if not reached > max(min_phase_correlation, flat):
        needed = f"more than {min_phase_correlation:g} and more than a flat object's {flat:.3f}"
        return [f"phase correlation {reached:.3f} with the truth; needed: {needed}"]
    if not judged.placed and judged.matches and judged.matches[0].correlation < CERTAIN:
        right, other = judged.matches[:2]
        if right.correlation < other.correlation:
            best = f"{right.correlation:.2f} only, {other.words} by {other.correlation:.2f}"
            return [
                f"its place was searched for, and there it fits by {best}: by chance; say it ([reconstruction] crop)"
            ]
    return []
