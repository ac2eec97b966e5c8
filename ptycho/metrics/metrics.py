"""
Scores a reconstruction against a known truth, with every convention of the figures in one place.

* **Area**: the scanned area (convex hull of the covered pixels) less a margin; only covered pixels count.
* **Position**: a sub-pixel shift of at most 3 px along either axis is removed, by resampling the truth. No rotation,
  mirror or conjugate is ever tried.
* **Scale**: the reconstruction is multiplied by one complex number. Its magnitude minimises the amplitude error, its
  phase the phase error, so that the two kinds of figure do not spoil each other.
* **Phase**: of both images unwrapped, each by itself, before they are compared: an object may well span more than
  2π, and a constant must stay a constant. Radians.
* **Data range 1** for PSNR and SSIM, in units of the truth's amplitude (a transmission, near 1) and in radians:
  PSNR = 10·log10(1 / MSE). SSIM is that of Wang et al. (2004, IEEE Trans. Image Process. 13, 600) with a uniform 7×7
  window and K1, K2 = 0.01, 0.03, averaged over the scored pixels.
* **Ramp**: figures are given as they are, and again after the linear trend of each phase has been removed from it.
* **Flat row**: a constant gets the same treatment. Its correlations are 0, its SSIM and PSNR are not: every figure
  is to be read against it.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.errors import UsageError
from ptycho.metrics import frc
from ptycho.metrics.registration import Truth, correlation, fill_uncovered, find_shift, plane, scored_area
from ptycho.physics.stitching import Reconstruction

MARGIN_PX = 10
"""Pixels taken off the rim of the scanned area: there a crop of 20 px has only one side of its neighbours."""

SSIM_WINDOW = 7
_CEILING_DB = 200.0

Real = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """
    Agreement of one reconstruction with the truth.

    Attributes:
        amplitude_psnr: dB at data range 1, at most 200.
        amplitude_ssim: at data range 1.
        amplitude_correlation: Pearson; 0 for a constant.
        phase_psnr: dB at data range 1 rad, at most 200.
        phase_ssim: at data range 1 rad.
        phase_correlation: Pearson; 0 for a constant.
        complex_correlation: magnitude of the complex Pearson correlation; 0 for a constant.
        shift: `(dy, dx)` px by which the reconstruction lies away from the truth; removed.
        scale: the complex number by which the reconstruction was multiplied.
    """

    amplitude_psnr: float
    amplitude_ssim: float
    amplitude_correlation: float
    phase_psnr: float
    phase_ssim: float
    phase_correlation: float
    complex_correlation: float
    shift: tuple[float, float]
    scale: complex


@dataclass(frozen=True, kw_only=True)
class Scores(Figures):
    """
    All figures of one reconstruction.

    Attributes:
        ramp_removed: the same figures after the linear trends of both phases have been removed.
        ramp: `(rad/px down, rad/px right)` slope of the reconstruction's phase less that of the truth's.
        frc_half_bit: cycles per pixel up to which reconstruction and truth agree, ½-bit threshold; 0.5 is Nyquist.
        frc_half: the same at the threshold 0.5.
        pixels: how many pixels were scored.
        coverage: their share of the scanned area less the margin.
    """

    ramp_removed: Figures
    ramp: tuple[float, float]
    frc_half_bit: float
    frc_half: float
    pixels: int
    coverage: float

    def gain_over(self, flat: Figures) -> tuple[float, float]:
        """`(amplitude, phase)` dB of PSNR above those of another row, usually `flat_row`'s."""
        return self.amplitude_psnr - flat.amplitude_psnr, self.phase_psnr - flat.phase_psnr

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON and for tracking; the complex scale as magnitude and angle."""
        return _plain(asdict(self))


@dataclass(frozen=True, kw_only=True)
class TruthComparison:
    """
    A reconstruction laid on its truth, as it was scored: what a picture of the two shows.

    Attributes:
        scores: the figures.
        amplitude: `(h, w)` of the scaled reconstruction.
        phase: `(h, w)` of the turned reconstruction, unwrapped, radians.
        true_amplitude: `(h, w)` of the truth, displaced as the reconstruction is.
        true_phase: `(h, w)` of the truth, unwrapped, radians.
        mask: `(h, w)` the pixels that were scored.
    """

    scores: Scores
    amplitude: Real
    phase: Real
    true_amplitude: Real
    true_phase: Real
    mask: Mask


def score(reconstruction: Reconstruction, truth: NDArray[Any], *, margin: int = MARGIN_PX) -> Scores:
    """
    Score a stitched object against the true one. See the module's docstring for what every figure means.

    Args:
        reconstruction: object, overlap and place.
        truth: `(H, W)` complex true object, on the pixels that the origin counts in.
        margin: pixels taken off the rim of the scanned area.

    Returns:
        the scores.

    Raises:
        UsageError: a truth that is not complex `(H, W)`, a reconstruction that reaches beyond it, or a scanned area
            that the margin leaves nothing of.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> truth = np.exp(1j * rng.random((80, 80)))
        >>> perfect = Reconstruction(obj=1j * truth[10:70, 10:70], overlap=np.ones((60, 60)), origin=(10, 10))
        >>> round(score(perfect, truth).complex_correlation, 6)
        1.0
    """
    return compare(reconstruction, truth, margin=margin).scores


def compare(reconstruction: Reconstruction, truth: NDArray[Any], *, margin: int = MARGIN_PX) -> TruthComparison:
    """As `score`, with the two images in the state in which they were compared."""
    _refuse(reconstruction, truth)
    area, mask = scored_area(reconstruction.overlap, margin)
    box = _bounds(mask, margin)
    rows, cols = slice(*box[:2]), slice(*box[2:])
    top, left = reconstruction.origin
    image = fill_uncovered(reconstruction.obj, reconstruction.overlap > 0)[rows, cols]
    there = Truth(truth, (box[0] + top, box[1] + top, box[2] + left, box[3] + left))
    inside, mask = area[rows, cols], mask[rows, cols]

    shift = find_shift(image, there, mask)
    plain, ours_at, true_at = _figures(image, there, mask, shift, detrend=False)
    ours, theirs = _slope(ours_at.phase, mask), _slope(true_at.phase, mask)
    # A ramp pulls the shift along where the phase is curved: look for the shift again, with both phases levelled.
    levelled, level = image * np.exp(-1j * plane(mask.shape, ours)), there.levelled(theirs)
    removed, _, _ = _figures(levelled, level, mask, find_shift(levelled, level, mask), detrend=True)
    theirs = _slope(unwrapped(there.at(removed.shift)), mask)

    curve = _ring_curve(ours_at.complex(), true_at.complex(), inside)
    scores = Scores(
        **{item.name: getattr(plain, item.name) for item in fields(Figures)},
        ramp_removed=removed,
        ramp=(ours[0] - theirs[0], ours[1] - theirs[1]),
        frc_half_bit=frc.resolution(curve, frc.half_bit(curve.count)),
        frc_half=frc.resolution(curve, 0.5),
        pixels=int(mask.sum()),
        coverage=float(mask.sum() / inside.sum()),
    )
    return TruthComparison(
        scores=scores,
        amplitude=ours_at.amplitude,
        phase=ours_at.phase,
        true_amplitude=true_at.amplitude,
        true_phase=true_at.phase,
        mask=mask,
    )


def flat_row(reconstruction: Reconstruction, truth: NDArray[Any], *, margin: int = MARGIN_PX) -> Scores:
    """
    Scores of the best constant object on the area of a reconstruction: the row that every other is read against.

    Args:
        reconstruction: whose overlap and place are taken.
        truth: `(H, W)` complex true object.
        margin: as for `score`.

    Returns:
        the scores of a constant. Its scale is the constant: mean amplitude and mean phase of the truth.
    """
    return score(replace(reconstruction, obj=np.ones_like(reconstruction.obj)), truth, margin=margin)


def psnr(error: Real) -> float:
    """PSNR in dB at data range 1 of an array of errors: −10·log10(mean square), at most 200."""
    mean_square = float(np.mean(error**2))
    return _CEILING_DB if mean_square <= 10 ** (-_CEILING_DB / 10) else -10 * float(np.log10(mean_square))


def ssim_map(a: Real, b: Real) -> Real:
    """
    Structural similarity at data range 1 about each pixel, uniform 7×7 window, sample covariance.

    As `skimage.metrics.structural_similarity(a, b, data_range=1, full=True)`, whose mean over a rectangle is of no
    use for an area of any shape.
    """
    from scipy.ndimage import uniform_filter

    def mean(values: Real) -> Real:
        return np.asarray(uniform_filter(values, SSIM_WINDOW))

    unbiased = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = unbiased * (mean(a * a) - mean_a**2), unbiased * (mean(b * b) - mean_b**2)
    covariance = unbiased * (mean(a * b) - mean_a * mean_b)
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return np.asarray(numerator / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)))


def unwrapped(image: NDArray[np.complex128]) -> Real:
    """Phase of a complex image in radians without jumps of 2π, defined up to one constant; repeatable."""
    from skimage.restoration import unwrap_phase

    # Turned to its mean phase first, so that a weak phase never meets the branch cut at all.
    mean = np.angle(image.mean())
    return np.asarray(unwrap_phase(np.angle(image * np.exp(-1j * mean)), rng=0) + mean)


@dataclass(frozen=True, kw_only=True)
class _Image:
    amplitude: Real
    phase: Real

    def complex(self) -> NDArray[np.complex128]:
        return np.asarray(self.amplitude * np.exp(1j * self.phase))


def _figures(
    image: NDArray[np.complex128], there: Truth, mask: Mask, shift: tuple[float, float], *, detrend: bool
) -> tuple[Figures, _Image, _Image]:
    """Figures at a given shift, the image after scaling and turning, and the truth that it was compared with."""
    displaced = there.at(shift)
    true = _Image(amplitude=np.abs(displaced), phase=unwrapped(displaced))
    amplitude, phase = np.abs(image), unwrapped(image)
    if detrend:
        phase = phase - plane(mask.shape, _slope(phase, mask))
        true = replace(true, phase=true.phase - plane(mask.shape, _slope(true.phase, mask)))
    energy = float(np.sum(amplitude[mask] ** 2))
    size = float(np.sum(amplitude[mask] * true.amplitude[mask]) / energy) if energy > 0 else 0.0
    turn = float(np.mean(true.phase[mask] - phase[mask]))
    ours = _Image(amplitude=size * amplitude, phase=phase + turn)
    figures = Figures(
        amplitude_psnr=psnr((ours.amplitude - true.amplitude)[mask]),
        amplitude_ssim=float(ssim_map(ours.amplitude, true.amplitude)[mask].mean()),
        amplitude_correlation=correlation(ours.amplitude[mask], true.amplitude[mask]).real,
        phase_psnr=psnr((ours.phase - true.phase)[mask]),
        phase_ssim=float(ssim_map(ours.phase, true.phase)[mask].mean()),
        phase_correlation=correlation(ours.phase[mask], true.phase[mask]).real,
        complex_correlation=abs(correlation(ours.complex()[mask], true.complex()[mask])),
        shift=shift,
        scale=complex(size * np.exp(1j * turn)),
    )
    return figures, ours, true


def _slope(phase: Real, mask: Mask) -> tuple[float, float]:
    """Least-squares slope of a phase over a mask, radians per pixel along axis 0 and axis 1."""
    rows, cols = np.nonzero(mask)
    columns = np.stack([rows - rows.mean(), cols - cols.mean(), np.ones(len(rows))], axis=1)
    down, right, _ = np.linalg.lstsq(columns, phase[mask], rcond=None)[0]
    return float(down), float(right)


def _ring_curve(image: NDArray[np.complex128], true: NDArray[np.complex128], area: Mask) -> frc.Curve:
    """FRC over the largest square (chessboard distance from the rim) of the scored area."""
    from scipy.ndimage import distance_transform_cdt

    depth = distance_transform_cdt(np.pad(area, 1), metric="chessboard")[1:-1, 1:-1]
    row, col = np.unravel_index(np.argmax(depth), depth.shape)
    reach = int(depth[row, col]) - 1
    square = slice(row - reach, row + reach + 1), slice(col - reach, col + reach + 1)
    return frc.curve(image[square], true[square])


def _bounds(mask: Mask, margin: int) -> tuple[int, int, int, int]:
    """`(row0, row1, col0, col1)` of a mask's bounding box, or an error where there is nothing to score."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size or min(np.ptp(rows), np.ptp(cols)) < 2 * SSIM_WINDOW:
        raise UsageError(
            f"the scanned area less {margin} px is {rows.size}×{cols.size} pixels; allowed: {2 * SSIM_WINDOW + 1} or "
            "more along both axes: stitch patterns of a larger area, or lower the margin"
        )
    return int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1


def _refuse(reconstruction: Reconstruction, truth: NDArray[Any]) -> None:
    wrong = []
    if truth.ndim != 2 or truth.dtype.kind != "c":
        wrong.append(f"the truth is {truth.dtype} {truth.shape}; allowed: complex (H, W)")
    elif reconstruction.obj.shape != reconstruction.overlap.shape:
        wrong.append(f"object {reconstruction.obj.shape} and overlap {reconstruction.overlap.shape} differ in shape")
    else:
        row0, row1, col0, col1 = reconstruction.crop
        if min(row0, col0) < 0 or row1 > truth.shape[0] or col1 > truth.shape[1]:
            wrong.append(
                f"the reconstruction covers rows {row0}..{row1 - 1} and columns {col0}..{col1 - 1}, the truth is "
                f"{truth.shape[0]}×{truth.shape[1]}; give the truth that the coordinates count in"
            )
    if wrong:
        raise UsageError("cannot score: " + "; ".join(wrong))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            plain[name] = _plain(value)
        elif isinstance(value, complex):
            plain[f"{name}_magnitude"], plain[f"{name}_angle_rad"] = abs(value), float(np.angle(value))
        else:
            plain[name] = list(value) if isinstance(value, tuple) else value
    return plain
