"""
Finds the usual mistakes in a file: each is undone on a sample, to see whether the data are explained better.

A file may keep the data contract and still hold swapped axes, mirrored positions, frames with DC at the corner or a
conjugated probe. The given object tells: under the right convention it explains the frames clearly better. Without an
object a flat one takes its place, which tells less. The sample is bounded, so that a scan of any size costs the same.

What a mistake must show before it is named: undone, it explains the data clearly better than the file as it is, in
most patterns one by one; and the object then gains over a flat one what it should. A right object differs from a flat
one by as much as the data do: error of the flat object less its own is the error between the two predictions, whatever
the noise. Measured, it is 0.93 to 1.01 of that where the mistake was undone (0.75 to 0.9 where frames stay one pixel
off), for strong and for weak objects; at most 0.60 for 90 objects that do not belong to their scan. On clean scans,
measured and simulated, no undone mistake came below 1.03 of the file's own error, nor was it better in more than one
pattern of ten.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.metrics.scan_sample import Real, ScanSample, errors, evenly

_CLEARLY, _MOST = 0.97, 0.8
_CLEARLY_WITHOUT_OBJECT, _MOST_WITHOUT_OBJECT = 0.8, 0.9
_OF_EXPECTED = 0.7
_FEW_PATTERNS = 16


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """
    A usual mistake.

    Attributes:
        text: what it is, in words that follow "it looks as if".
        step: what repairs it.
        undo: the ways of undoing it on a sample.
        without_object: whether a flat object is enough to tell.
        with_object: whether it is looked for where there is an object.
    """

    text: str
    step: str
    undo: Callable[[ScanSample], Iterator[ScanSample]]
    without_object: bool = False
    with_object: bool = True


@dataclass(frozen=True, kw_only=True)
class FileMistake:
    """
    A mistake that a file shows.

    Attributes:
        mistake: which.
        error: Fourier error with the mistake undone.
        own: Fourier error of the file as it is.
        patterns: number of patterns looked at.
    """

    mistake: Mistake
    error: float
    own: float
    patterns: int


def find(sample: ScanSample, *, has_object: bool) -> FileMistake | None:
    """
    The mistake that, undone, explains the data best, or None where undoing none is clearly better.

    Args:
        sample: a sample of a scan that keeps the contract; with a flat object where it has none.
        has_object: whether the object is one that may explain the data.
    """
    looked_for = [item for item in MISTAKES if (item.with_object if has_object else item.without_object)]
    # On few patterns first: undoing what was not done is seen to be worse at a fraction of the cost.
    few = sample.part(evenly(len(sample.chosen), _FEW_PATTERNS))
    if few is not sample:
        own = errors(few.frames, few.predicted)[0]
        looked_for = [item for item in looked_for if any(_errors(way, few)[0] < own for way in _ways(item, few))]
    own, own_each = errors(sample.frames, sample.predicted) if looked_for else (0.0, np.zeros(0))
    clearly, most = (_CLEARLY, _MOST) if has_object else (_CLEARLY_WITHOUT_OBJECT, _MOST_WITHOUT_OBJECT)
    best: FileMistake | None = None
    for mistake in looked_for:
        for undone in _ways(mistake, sample):
            error, each = _errors(undone, sample)
            lit = (each < 1) | (own_each < 1)  # dark frames have no say
            if error >= clearly * own or np.mean(each[lit] < own_each[lit]) < most:
                continue
            if (best is None or error < best.error) and (not has_object or _explains(undone, error)):
                best = FileMistake(mistake=mistake, error=error, own=own, patterns=len(sample.chosen))
    return best


def _ways(mistake: Mistake, sample: ScanSample) -> Iterator[ScanSample]:
    """The sample with a mistake undone, in all ways that leave its windows in the object."""
    return (undone for undone in mistake.undo(sample) if undone.inside)


def _errors(undone: ScanSample, sample: ScanSample) -> tuple[float, Real]:
    """Errors of a sample with a mistake undone; what the object predicts is taken over where only frames differ."""
    same_waves = all(getattr(undone, name) is getattr(sample, name) for name in ("obj", "probe", "x", "y", "good"))
    return errors(undone.frames, sample.predicted if same_waves else undone.predicted)


def _explains(undone: ScanSample, error: float) -> bool:
    """Whether the data differ from a flat object's as the object says that they do."""
    (flat, _), expected = undone.flat_errors, errors(undone.predicted, undone.flat)[0]
    return flat - error >= _OF_EXPECTED * expected


def _centres(sample: ScanSample) -> Iterator[tuple[float, float]]:
    """Points about which positions may have been mirrored or scaled: of the object, of the scan."""
    height, width = sample.obj.shape
    x, y = sample.dataset.xcoords, sample.dataset.ycoords
    yield (width - 1) / 2, (height - 1) / 2
    yield float(x.min() + x.max()) / 2, float(y.min() + y.max()) / 2


def _scaled(factor: float) -> Callable[[ScanSample], Iterator[ScanSample]]:
    def undo(sample: ScanSample) -> Iterator[ScanSample]:
        for cx, cy in ((0.0, 0.0), *_centres(sample)):
            yield sample.at(cx + factor * (sample.x - cx), cy + factor * (sample.y - cy))

    return undo


def _mirrored_x(sample: ScanSample) -> Iterator[ScanSample]:
    for cx, _ in _centres(sample):
        yield sample.at(2 * cx - sample.x, sample.y)


def _mirrored_y(sample: ScanSample) -> Iterator[ScanSample]:
    for _, cy in _centres(sample):
        yield sample.at(sample.x, 2 * cy - sample.y)


def _from_corners(sample: ScanSample) -> Iterator[ScanSample]:
    half = sample.frames.shape[-1] // 2
    yield sample.at(sample.x + half, sample.y + half)


def _frames(
    change: Callable[[NDArray[Any]], NDArray[Any]], *, moves: bool = True
) -> Callable[[ScanSample], Iterator[ScanSample]]:
    """Frames changed; where pixels move, the mask moves with them."""

    def undo(sample: ScanSample) -> Iterator[ScanSample]:
        good = change(sample.good) if moves and sample.good is not None else sample.good
        yield replace(sample, frames=change(sample.frames), good=good)

    return undo


def _flipped(frames: NDArray[Any], *axes: int) -> NDArray[Any]:
    """Mirrored about DC, which lies at N // 2."""
    return np.roll(np.flip(frames, axes), 1, axes)


def _objects(
    change: Callable[[NDArray[np.complex64]], NDArray[np.complex64]],
) -> Callable[[ScanSample], Iterator[ScanSample]]:
    def undo(sample: ScanSample) -> Iterator[ScanSample]:
        yield replace(sample, obj=change(sample.obj))

    return undo


def _probes(
    change: Callable[[NDArray[np.complex64]], NDArray[np.complex64]],
) -> Callable[[ScanSample], Iterator[ScanSample]]:
    def undo(sample: ScanSample) -> Iterator[ScanSample]:
        yield replace(sample, probe=change(sample.probe))

    return undo


def _in_reverse(sample: ScanSample) -> Iterator[ScanSample]:
    yield sample.of_frames(sample.dataset.n_patterns - 1 - sample.chosen)


def _one_apart(sample: ScanSample) -> Iterator[ScanSample]:
    for step in (1, -1):
        yield sample.of_frames((sample.chosen + step) % sample.dataset.n_patterns)


def _other_layout(sample: ScanSample) -> Iterator[ScanSample]:
    """Frames as the other layout has them: only M = N leaves a choice that can be wrong."""
    if len(set(sample.dataset.frames.shape)) == 1:
        cube = sample.dataset.diffraction
        legacy = sample.dataset.source.layout == "legacy"
        yield replace(sample, frames=(cube.transpose(1, 2, 0) if legacy else cube.transpose(2, 0, 1))[sample.chosen])


MISTAKES = (
    Mistake(
        text="x and y were swapped",
        step="exchange xcoords and ycoords: x runs along axis 1 of the object, y along axis 0",
        undo=lambda s: iter([s.at(s.y, s.x)]),
    ),
    Mistake(
        text="x ran from right to left",
        step="mirror xcoords: x rises along axis 1 of the object",
        undo=_mirrored_x,
    ),
    Mistake(
        text="y ran from bottom to top",
        step="mirror ycoords: y rises along axis 0 of the object, downwards",
        undo=_mirrored_y,
    ),
    Mistake(
        text="positions were corners and not centres",
        step="add half the patch side to xcoords and ycoords: a position is its patch's centre",
        undo=_from_corners,
    ),
    Mistake(
        text="positions were counted from 1",
        step="subtract 1 from xcoords and ycoords: the first pixel of the object is 0",
        undo=lambda s: iter([s.at(s.x - 1, s.y - 1)]),
    ),
    Mistake(
        text="positions were half as far apart as they should be",
        step="check the pixel size by which xcoords and ycoords were divided: they are in pixels of the object",
        undo=_scaled(2.0),
    ),
    Mistake(
        text="positions were twice as far apart as they should be",
        step="check the pixel size by which xcoords and ycoords were divided: they are in pixels of the object",
        undo=_scaled(0.5),
    ),
    Mistake(
        text="frames were transposed",
        step="exchange the two image axes of diff3d",
        undo=_frames(lambda f: f.transpose(0, 2, 1)),
    ),
    Mistake(
        text="frames had DC at the corner",
        step="store np.fft.fftshift(diff3d, axes=(1, 2)): DC lies in the centre, at N // 2",
        undo=_frames(lambda f: np.fft.fftshift(f, axes=(1, 2))),
        without_object=True,
    ),
    Mistake(
        text="frames were turned by half a turn",
        step="flip diff3d along both image axes about DC, or conjugate probe and object",
        undo=_frames(lambda f: _flipped(f, 1, 2)),
    ),
    Mistake(
        text="frames were mirrored from left to right",
        step="flip diff3d along axis 2 about DC",
        undo=_frames(lambda f: _flipped(f, 2)),
    ),
    Mistake(
        text="frames were mirrored from top to bottom",
        step="flip diff3d along axis 1 about DC",
        undo=_frames(lambda f: _flipped(f, 1)),
    ),
    Mistake(
        text="frames were intensities (counts) and not amplitudes",
        step="store their square root, or declare measurement_domain = counts",
        undo=_frames(np.sqrt, moves=False),
    ),
    Mistake(
        text="the square root of the amplitudes was taken again",
        step="store the square root of the counts, taken once",
        undo=_frames(np.square, moves=False),
    ),
    Mistake(
        text="frames were in the reverse order of the positions",
        step="reverse diff3d along the scan axis, or xcoords and ycoords",
        undo=_in_reverse,
    ),
    Mistake(
        text="frames and positions were one apart",
        step="check which frame belongs to which position: one of the two lists begins one too late",
        undo=_one_apart,
    ),
    Mistake(
        text="frames were read along the wrong axis, which M = N allows",
        step="give the other --layout, or declare it in _metadata",
        undo=_other_layout,
        without_object=True,
    ),
    Mistake(
        text="the object was transposed",
        step="transpose objectGuess: axis 0 is y, axis 1 is x",
        undo=_objects(np.transpose),
    ),
    Mistake(text="the object was conjugated", step="conjugate objectGuess", undo=_objects(np.conj)),
    Mistake(text="the object was upside down", step="flip objectGuess along axis 0", undo=_objects(lambda o: o[::-1])),
    Mistake(
        text="the object was mirrored from left to right",
        step="flip objectGuess along axis 1",
        undo=_objects(lambda o: o[:, ::-1]),
    ),
    Mistake(text="the probe was conjugated", step="conjugate probeGuess", undo=_probes(np.conj)),
    Mistake(
        text="the probe was transposed",
        step="exchange the two image axes of probeGuess",
        undo=_probes(lambda p: p.transpose(0, 2, 1)),
    ),
    Mistake(
        text="frames or the probe were transposed",
        step="exchange the two image axes of diff3d, or those of probeGuess; an objectGuess would tell which",
        undo=_probes(lambda p: p.transpose(0, 2, 1)),
        without_object=True,
        with_object=False,
    ),
    Mistake(
        text="the probe was conjugated, or frames turned by half a turn",
        step="conjugate probeGuess, or flip diff3d along both image axes about DC; an objectGuess would tell which",
        undo=_probes(np.conj),
        without_object=True,
        with_object=False,
    ),
)
"""Every mistake that is looked for."""
