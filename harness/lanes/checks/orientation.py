"""
Finds the orientation of a reconstruction that *would* match the truth: a diagnosis, and never a way to pass.

The figures of a fixture are taken without any rotation, mirror or conjugate. This module asks afterwards what went
wrong, by comparing the reconstruction with everything that a mistake in axes or signs makes of the truth:

* the whole object under the eight symmetries of the square, as it is and conjugated;
* true patches, upright, stitched at positions under the eight symmetries: a sign or an axis that is wrong in the
  stitcher only. The object then looks scrambled, and no symmetry of the whole undoes it.

Template matching is that of Padfield (2012, IEEE Trans. Image Process. 21, 2706): the Pearson correlation under a
mask at every shift at once, here of complex images. A scale does not matter to it, and neither does a global phase,
which is taken from the images *before* their means are removed: the magnitude of the correlation alone cannot tell a
weak phase from its negative.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.lanes.checks.match import Match
from harness.lanes.checks.reconstruction import TargetReconstruction
from ptycho.data.dataset import Dataset

REACH_PX = 12
"""Largest displacement that is looked at in the right orientation, where the place is known."""
WRONG_REACH_PX = 5
"""The same in a wrong one. A mistake puts the object at a place that follows from it; the blurred object of a short
training of either backend fits its own mirror image by 0.64 at 12 px, and nothing by 0.6 within 6 px."""
NEARLY_ALL = 0.95
"""Share of what can overlap that must, where a place is searched for: halves of two objects fit by chance."""
_CROP = 20
_RIM_PX = 6
"""Pixels at the rim that are left out: few patches lie there, and a short training is worst there."""

Image = NDArray[np.complex128]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Symmetry:
    """
    One of the eight symmetries of the square.

    Attributes:
        name: in words.
        finding: what it is called in a finding; `""` for the identity.
        transpose: swap the axes first.
        down: then reverse axis 0.
        right: and axis 1.
    """

    name: str
    finding: str
    transpose: bool
    down: bool
    right: bool

    def of_image(self, image: NDArray[Any]) -> NDArray[Any]:
        """An image under the symmetry."""
        turned = image.T if self.transpose else image
        return turned[:: -1 if self.down else 1, :: -1 if self.right else 1]

    def of_positions(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Positions `x`, `y` `(M,)` under the symmetry, about their mean."""
        across, along = (y, x) if self.transpose else (x, y)
        return (2 * across.mean() - across if self.right else across), (
            2 * along.mean() - along if self.down else along
        )


_MIRRORED, _SWAPPED = "stitching-mirrored", "stitching-swapped"
SYMMETRIES = (
    Symmetry(name="as it should be", finding="", transpose=False, down=False, right=False),
    Symmetry(name="mirrored left to right", finding=_MIRRORED, transpose=False, down=False, right=True),
    Symmetry(name="mirrored top to bottom", finding=_MIRRORED, transpose=False, down=True, right=False),
    Symmetry(name="turned by 180°", finding=_MIRRORED, transpose=False, down=True, right=True),
    Symmetry(name="transposed", finding=_SWAPPED, transpose=True, down=False, right=False),
    Symmetry(name="turned by 90° one way", finding=_SWAPPED, transpose=True, down=False, right=True),
    Symmetry(name="turned by 90° the other way", finding=_SWAPPED, transpose=True, down=True, right=False),
    Symmetry(name="transposed about the other diagonal", finding=_SWAPPED, transpose=True, down=True, right=True),
)


def matches(seen: TargetReconstruction, dataset: Dataset) -> list[Match]:
    """
    Return how well a reconstruction fits every hypothesis, the right orientation first and then the best first.

    Args:
        seen: the reconstruction.
        dataset: the scan that it was made from, with its true object.
    """
    assert dataset.obj is not None
    truth = np.asarray(dataset.obj, np.complex128)
    compared = _compared(seen)
    found = [match for symmetry in SYMMETRIES for match in _whole(symmetry, seen, compared, truth)]
    found += [_placed(symmetry, seen, compared, truth, dataset) for symmetry in SYMMETRIES[1:]]
    right, *others = found
    return [right, *sorted(others, key=lambda match: -match.correlation)]


def likely_place(seen: TargetReconstruction, dataset: Dataset) -> tuple[int, int]:
    """Find where a reconstruction without a place lies: where it fits the truth; if nowhere, about the scan."""
    assert dataset.obj is not None
    truth = np.asarray(dataset.obj, np.complex128)
    if (place := best_place(seen.obj, seen.overlap > 0, truth, None).place) is not None:
        return place
    middle = (float(values.min() + values.max()) / 2 for values in (dataset.ycoords, dataset.xcoords))
    first, second = (round(at - size / 2) for at, size in zip(middle, seen.obj.shape, strict=True))
    return first, second


def _compared(seen: TargetReconstruction) -> Mask:
    """The pixels that count: the covered ones less the rim, where that leaves half of them."""
    from ptycho.metrics.registration import scored_area

    covered = seen.overlap > 0
    _, inner = scored_area(seen.overlap, _RIM_PX)
    return inner if inner.sum() >= covered.sum() / 2 else covered


def _whole(symmetry: Symmetry, seen: TargetReconstruction, compared: Mask, truth: Image) -> Iterator[Match]:
    """The truth, turned, as it is and conjugated."""
    turned = symmetry.of_image(truth)
    places = None if seen.origin is None else _places(symmetry, seen.obj.shape, seen.origin, turned.shape)
    for conjugate in (False, True):
        finding = symmetry.finding or ("object-conjugated" if conjugate else "")
        words = f"the whole object {symmetry.name}" + (" and conjugated" if conjugate else "")
        match = _match(finding, words, seen, compared, turned.conj() if conjugate else turned, places)
        yield replace(match, symmetry=symmetry.name)


def _placed(symmetry: Symmetry, seen: TargetReconstruction, compared: Mask, truth: Image, dataset: Dataset) -> Match:
    """True patches, upright, stitched at positions turned about their mean, or about the middle of their extent."""
    from ptycho.physics import patches, stitching

    true = patches.extract(truth, dataset.xcoords, dataset.ycoords, dataset.side)
    x, y = symmetry.of_positions(dataset.xcoords, dataset.ycoords)
    stitched = stitching.stitch(true, x, y, crop=_CROP)
    places = None
    if seen.origin is not None:
        place = _difference(seen.origin, stitched.origin)
        aside = [round(float(values.min() + values.max() - 2 * values.mean())) for values in (y, x)]
        places = list(dict.fromkeys((place, (place[0] + aside[0], place[1] + aside[1]))))
    words = f"upright patches at positions {symmetry.name}"
    match = _match(symmetry.finding, words, seen, compared, stitched.obj, places)
    return replace(match, symmetry=symmetry.name)


def _match(
    finding: str,
    words: str,
    seen: TargetReconstruction,
    compared: Mask,
    image: Image,
    places: list[tuple[int, int]] | None,
) -> Match:
    reach = WRONG_REACH_PX if finding else REACH_PX
    best = best_place(seen.obj, compared, image, places, reach=reach)
    shift = None
    if places is not None and best.place is not None:
        steps = [_difference(best.place, place) for place in places]
        shift = min(steps, key=lambda step: abs(step[0]) + abs(step[1]))
    return Match(finding=finding, words=words, correlation=best.correlation, stated=best.stated, shift=shift)


def _places(
    symmetry: Symmetry, size: tuple[int, ...], origin: tuple[int, int], shape: tuple[int, ...]
) -> list[tuple[int, int]]:
    """
    Return where a reconstruction may lie in the turned truth, by what the target turned.

    Only its array, and named the place as it was; the place along with it as far as the axes go; or all of it.
    """

    def mirrored(row: int, col: int) -> tuple[int, int]:
        return (
            shape[0] - row - size[0] if symmetry.down else row,
            shape[1] - col - size[1] if symmetry.right else col,
        )

    row, col = origin
    array_only = mirrored(col, row) if symmetry.transpose else mirrored(row, col)
    return list(dict.fromkeys((array_only, mirrored(row, col), origin)))


def _difference(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return a[0] - b[0], a[1] - b[1]


class BestCorrelation(NamedTuple):
    """The largest correlation, its place (None if there is none), and the correlation at the places looked about."""

    correlation: float
    place: tuple[int, int] | None
    stated: float


def best_place(
    template: Image, mask: Mask, image: Image, origins: list[tuple[int, int]] | None, *, reach: int = REACH_PX
) -> BestCorrelation:
    """
    Return where a template fits an image best.

    Args:
        template: `(h, w)`.
        mask: `(h, w)` the pixels of it that count.
        image: `(H, W)`; what lies beyond it counts as missing.
        origins: places of the template's first pixel about which to look, within `reach`; None: everywhere.
        reach: pixels along either axis.

    Returns:
        the largest correlation, global phase removed; 0 and None where nothing overlaps by half (by nearly all of it
        where the whole image is searched) or varies.
    """
    from scipy.signal import fftconvolve

    def correlate(kernel: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """Σ kernel*·values with the kernel's first pixel at each place, from -(h - 1) on."""
        return np.asarray(fftconvolve(values, kernel[::-1, ::-1].conj(), mode="full"))

    inside, weights = np.ones(image.shape), mask.astype(np.float64)
    kernel = np.where(mask, template, 0)
    count = np.maximum(correlate(weights, inside), 0)
    ours, theirs = correlate(kernel, inside.astype(complex)).conj(), correlate(weights, image)
    product = correlate(kernel, image)
    own_energy, their_energy = correlate(np.abs(kernel) ** 2, inside), correlate(weights, np.abs(image) ** 2)
    enough = count > 0.5 * weights.sum() if origins is not None else count >= NEARLY_ALL * count.max()
    number = np.where(enough & (count > 0), count, 1)
    covariance = product - ours.conj() * theirs / number
    variance = (own_energy - np.abs(ours) ** 2 / number) * (their_energy - np.abs(theirs) ** 2 / number)
    # A constant leaves rounding behind its mean, not zero.
    floor = (1e-9 * own_energy.max() * their_energy.max()) if enough.any() else 0.0
    sound = enough & (variance > floor)
    turn = np.exp(-1j * np.angle(product))
    values = np.where(sound, (covariance * turn).real / np.sqrt(np.where(sound, variance, 1)), 0)
    stated = 0.0
    first = template.shape[0] - 1, template.shape[1] - 1
    if origins is not None:
        rows, cols = (np.arange(size) - edge for size, edge in zip(values.shape, first, strict=True))
        near = np.zeros(values.shape, bool)
        for row, col in origins:
            near |= (np.abs(rows - row) <= reach)[:, None] & (np.abs(cols - col) <= reach)
            here = row + first[0], col + first[1]
            if all(0 <= at < size for at, size in zip(here, values.shape, strict=True)):
                stated = max(stated, float(values[here]))
        values = np.where(near, values, 0)
    peak = np.unravel_index(np.argmax(values), values.shape)
    if not values[peak] > 0:
        return BestCorrelation(correlation=0.0, place=None, stated=0.0)
    place = int(peak[0]) - first[0], int(peak[1]) - first[1]
    return BestCorrelation(correlation=float(values[peak]), place=place, stated=stated)
