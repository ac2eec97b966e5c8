"""
Reconstructions beside the truth and the difference, of all lanes that reconstructed the same fixture, on one scale.

What is shown is what was scored: the metric's own comparison (`ptycho.metrics.metrics.compare`), after its
registration, within its mask. A reconstruction or a truth that is not there any more is said and not drawn around.
"""

import contextlib
import hashlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.files import untrusted
from harness.report import png
from harness.report.load_runs import LoadedRun
from harness.report.model import Picture, Scale, Strip
from harness.report.values import mapping, text
from ptycho.errors import PtychoError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ptycho.metrics.metrics import TruthComparison

LARGEST_PX = 512
"""Longest side of a picture: larger reconstructions are thinned out, and the page stays small."""

KINDS = {"amplitude": ("grey", ""), "phase": ("viridis", " rad")}
"""Colour map and unit."""


@dataclass(frozen=True, kw_only=True)
class FixturePictures:
    """
    Pictures of one fixture.

    Attributes:
        fixture: its name.
        strips: amplitude and phase; empty where nothing can be drawn.
        kept: the run's own pictures, where the arrays are not there any more.
        missing: why something is not shown.
        equal: fixtures of which every pixel is the same.
    """

    fixture: str
    strips: Sequence[Strip] = ()
    kept: Sequence[Picture] = ()
    missing: Sequence[str] = ()
    equal: tuple[str, ...] = ()

    @property
    def pixels(self) -> list[str]:
        """Every picture, without its words."""
        return [item.uri for strip in self.strips for _, row in strip.rows for item in row]


def of_runs(runs: Sequence[LoadedRun]) -> list[FixturePictures]:
    """Return what the lanes among some runs reconstructed, fixture by fixture."""
    lanes = [run for run in runs if run.is_lane]
    names = dict.fromkeys(name for run in lanes for name in run.told.fixtures)
    found: list[FixturePictures] = []
    for name in names:
        new = _shown(name, [run for run in lanes if name in run.told.fixtures])
        equal = next((item for item in found if item.strips and item.pixels == new.pixels), None)
        if equal is None:
            found.append(new)
        else:
            # The same data in another file layout must give the same bytes; shown once, that is plain to see.
            found[found.index(equal)] = replace(equal, equal=(*equal.equal, name))
    return found


def _shown(fixture: str, runs: Sequence[LoadedRun]) -> FixturePictures:
    missing: list[str] = []
    found: dict[str, TruthComparison] = {}
    kept: list[Picture] = []
    for run in runs:
        try:
            found[run.name] = _compared(run, fixture)
        except (PtychoError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            missing.append(f"{run.name}: {error}")
            kept += _pictures(run, fixture)
    return FixturePictures(
        fixture=fixture, strips=tuple(_strips(fixture, found)), kept=tuple(kept), missing=tuple(missing)
    )


def _compared(run: LoadedRun, fixture: str) -> "TruthComparison":
    """
    The metric's comparison of what a run kept.

    Raises:
        ValueError: what it needs is not there, or is not what the run had.
    """
    import numpy as np

    from ptycho.metrics import metrics
    from ptycho.physics.stitching import Reconstruction

    given = run.told.fixtures[fixture].get("reconstruction")
    path = run.inside(text(given), "reconstructions")
    if path is None:
        raise ValueError(f"no reconstruction of {fixture} was kept")
    try:
        arrays = untrusted.read_arrays(path, ("object", "overlap", "origin"))
    except PtychoError as error:
        raise ValueError(str(error)) from error
    top, left = (int(place) for place in arrays["origin"])
    seen = Reconstruction(
        obj=arrays["object"].astype(np.complex128),
        overlap=arrays["overlap"].astype(np.float64),
        origin=(top, left),
    )
    return metrics.compare(seen, _truth(run, fixture))


def _truth(run: LoadedRun, fixture: str) -> "NDArray[Any]":
    """The object of the same file that the run had; the sha256 decides whether it is that file."""
    import numpy as np

    from ptycho.data import npz_reader, preflight

    entry = mapping(mapping(run.told.origin.get("fixtures")).get(fixture))
    file, wanted = Path(text(entry.get("path"))), entry.get("sha256")
    if not file.is_file():
        raise ValueError(f"the fixture {fixture} is not here any more")
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != wanted:
            raise ValueError(f"the fixture {fixture} is not the file that the run had")
    # The object alone: a scan may hold gigabytes of patterns.
    member = preflight.survey(file).table.get("objectGuess")
    if member is None:
        raise ValueError(f"the fixture {fixture} has no objectGuess: there is no truth to show")
    with zipfile.ZipFile(file) as archive:
        return npz_reader.read(archive, member, np.complex64)


def _pictures(run: LoadedRun, fixture: str) -> Iterator[Picture]:
    """The run's own pictures of a fixture."""
    names = run.told.fixtures[fixture].get("pictures")
    for name in names if isinstance(names, list) else []:
        if (path := run.inside(text(name), "pictures")) is not None and path.suffix == ".png":
            words = f"{run.name}: {fixture} as the run drew it: reconstruction, truth, difference; amplitude, phase"
            with contextlib.suppress(PtychoError):
                yield Picture(uri=png.uri(untrusted.read_bytes(path)), alt=words, caption=words, large=True)


def _strips(fixture: str, found: "Mapping[str, TruthComparison]") -> Iterator[Strip]:
    """Amplitude and phase; the scale is that of the truth, the difference's is as wide."""
    import numpy as np

    if not found:
        return
    for kind, (colours, unit) in KINDS.items():
        levelled = {name: _images(item, kind) for name, item in found.items()}
        true = np.concatenate([truth[np.isfinite(truth)] for _, truth in levelled.values()])
        low, high = (float(limit) for limit in np.percentile(true, (0.5, 99.5)))
        low, high = (low, high) if high - low > 1e-6 else (low - 0.05, high + 0.05)
        half = (high - low) / 2
        rows = []
        for name, (image, truth) in levelled.items():
            error = image - truth
            correlation = getattr(found[name].scores, f"{kind}_correlation")
            root = float(np.sqrt(np.nanmean(error**2)))
            about = f"{name}, {fixture}"
            caption, fits = f"difference, RMS {root:.3f}{unit}", f"reconstruction, corr. {correlation:.3f}"
            off = f"{about}: {kind} less truth; RMS {root:.3f}{unit}"
            panels = (
                _panel(image, (low, high), colours, f"{about}: reconstructed {kind}", fits),
                _panel(truth, (low, high), colours, f"{about}: true {kind}", "truth"),
                _panel(error, (-half, half), "diverging", off, caption),
            )
            rows.append((name, panels))
        ends = (f"{value:.2f}".replace("-", "−") + unit for value in (low, high))
        plain = Scale(bar=png.bar(colours), low=next(ends), high=next(ends), what=kind)
        low_end, high_end = f"−{half:.2f}{unit}", f"+{half:.2f}{unit}"
        signed = Scale(bar=png.bar("diverging"), low=low_end, high=high_end, what="difference")
        yield Strip(title=kind, rows=tuple(rows), scales=(plain, signed))


def _images(item: "TruthComparison", kind: str) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Reconstruction and truth of a kind, NaN outside the mask; a phase less its truth's mean, which means nothing."""
    import numpy as np

    image, truth = getattr(item, kind), getattr(item, f"true_{kind}")
    centre = truth[item.mask].mean() if kind == "phase" else 0.0
    step = max(1, -(-max(image.shape) // LARGEST_PX))
    masked = (np.where(item.mask, part - centre, np.nan)[::step, ::step] for part in (image, truth))
    first, second = masked
    return first, second


def _panel(image: "NDArray[np.float64]", limits: tuple[float, float], colours: str, alt: str, caption: str) -> Picture:
    return Picture(uri=png.uri(png.encode(image, limits, colours)), alt=alt, caption=caption)
