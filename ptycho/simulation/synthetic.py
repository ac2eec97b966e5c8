"""
The project's own probe, object and scan: nothing to download, nothing to license, and every wrong convention shows.

The three are modelled on a measured X-ray experiment (a defocused beam that spills over the central half of the
window, a fly scan with positions a pixel or two off their nominal place), and none of them has a symmetry: a
reconstruction that is mirrored, transposed, conjugated or read at the nominal positions cannot pass for the right one.
Values are rounded to binary fractions far coarser than the rounding of `sin` and `exp`, which differs between
processors, so that the same seed gives the same bytes on all of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

AMPLITUDE_RANGE = (0.4, 1.0)
"""Amplitudes of the own object: below 1 where the network looks, whose amplitude head is a sigmoid."""

PHASE_RANGE_RAD = (-2.0, 0.5)
"""Phases of the own object, without wraps: matter advances the phase of X-rays (n < 1), all of it the same way."""

_APERTURE_RADIUS = 0.375
"""Radius of the beam on the detector, in cycles per pixel: the pattern fills three quarters of its side."""

_DEFOCUS_REACH = 0.352
"""Radius of the defocused beam in the object plane, as a fraction of N: about 28 % lies outside the central N/2."""

_LEAST_FIELD_PX = 64.0
"""Least field for which the object is laid out: a smaller scan sees a part of it, at the same scale."""

_RIM_SOFTNESS = 0.03
"""Width of the aperture's rim, in cycles per pixel."""

_VALUE_STEP = 2.0**-16
"""Step of amplitudes, of real and of imaginary parts."""

_POSITION_STEP_PX = 2.0**-10
"""Step of coordinates, which are therefore exact in float32, too."""

_PROBE, _OBJECT, _SCAN = 0x50, 0x4F, 0x53
"""Tags that keep the generators apart, so that more numbers drawn for one do not shift another."""


@dataclass(frozen=True, kw_only=True)
class ScanPositions:
    """
    Positions of one scan relative to the centre of its field, in pixels: x along axis 1, y along axis 0.

    Attributes:
        x: `(M,)` corrected.
        y: `(M,)` corrected.
        nominal_x: `(M,)` where the stage was sent.
        nominal_y: `(M,)` likewise.
    """

    x: Real
    y: Real
    nominal_x: Real
    nominal_y: Real


def make_probe(side: int) -> NDArray[np.complex64]:
    """
    A defocused beam: a ring-like disk with a bright off-centre spot and several turns of quadratic phase.

    It is made on the detector, as optics do it (an aperture with an illumination gradient, defocus, a little
    astigmatism and coma), and carried to the object plane by a Fourier transform.

    Args:
        side: N.

    Returns:
        `(N, N)` complex64, greatest magnitude 1, about 28 % of its energy outside the central N/2 square.
    """
    frequency = np.fft.fftshift(np.fft.fftfreq(side))
    ky, kx = frequency[:, None], frequency[None, :]
    # A rim that is not quite round.
    angle = np.arctan2(ky, kx)
    rim = _APERTURE_RADIUS * (1 + 0.03 * np.cos(angle - 0.7) - 0.025 * np.sin(2 * angle + 0.4))
    radius = np.hypot(kx + 0.008, ky - 0.005)
    aperture = 0.5 - 0.5 * np.tanh((radius - rim) / _RIM_SOFTNESS)
    illumination = 1 - 0.5 * kx / _APERTURE_RADIUS * 0.6 + 0.18 * ky / _APERTURE_RADIUS
    # A phase of −π·d·k² moves the ray of frequency k by −d·k pixels. The sign puts the sample behind the focus, where
    # the pattern is an upright shadow of the object. Before the focus the shadow is upside down, and a convolutional
    # network, which then has to carry every detail across the window, learns little in the same time.
    defocus_px2 = _DEFOCUS_REACH * side / _APERTURE_RADIUS
    phase = -np.pi * defocus_px2 * (kx**2 * 1.03 + ky**2 * 0.98 + 0.06 * kx * ky)
    phase -= 2 * np.pi * 0.012 * side * (kx**2 + ky**2) * (1.1 * kx - 0.7 * ky) / _APERTURE_RADIUS
    wave = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(aperture * illumination * np.exp(1j * phase))))
    pixel = np.arange(side) - side / 2
    # What the zone plate does not diffract: a small bright spot beside the axis.
    spot = np.exp(-((pixel[:, None] - 0.01 * side) ** 2 + (pixel[None, :] + 0.055 * side) ** 2) / (0.0018 * side**2))
    wave = wave / np.abs(wave).max() + 0.75 * spot * np.exp(-0.9j)
    return _rounded(wave / np.abs(wave).max()).astype(np.complex64)


def make_scan(n_patterns: int, *, step_px: float, seed: int) -> ScanPositions:
    """
    A fly scan: rows at an even pitch, places along a row at random, rows driven to and fro.

    The field is a little taller than wide. Corrected positions leave the nominal ones by up to 0.8 steps along the row
    (the fast axis of a fly scan is the uncertain one) and 0.2 steps across, and shear slowly.

    Args:
        n_patterns: M.
        step_px: root of the area per pattern, pixels; the median distance to the nearest pattern is about half.
        seed: seed of the positions.
    """
    rng = np.random.default_rng([seed, _SCAN])
    height, width = field_px(n_patterns, step_px)
    # Nominal places keep clear of the rim by what jitter and shear can add: no position piles up on it.
    inner_height, inner_width = max(height - 0.5 * step_px, 0.0), max(width - 1.7 * step_px, 0.0)
    rows = max(1, round(height / step_px))
    row = np.arange(n_patterns) * rows // n_patterns
    first = np.searchsorted(row, np.arange(rows))
    count = np.bincount(row, minlength=rows)
    place = (np.arange(n_patterns) - first[row] + rng.uniform(-0.5, 1.5, n_patterns)) / count[row] - 0.5
    nominal_x = np.clip(np.where(row % 2, -place, place), -0.5, 0.5) * inner_width
    nominal_y = (row - (rows - 1) / 2) / max(rows - 1, 1) * inner_height
    x = nominal_x + rng.uniform(-0.8, 0.8, n_patterns) * step_px + 0.004 * nominal_y
    y = nominal_y + rng.uniform(-0.2, 0.2, n_patterns) * step_px - 0.01 * nominal_x
    # The shear of a large field may reach past the margin above.
    x, y = np.clip(x, -width / 2, width / 2), np.clip(y, -height / 2, height / 2)
    return ScanPositions(x=_on_grid(x), y=_on_grid(y), nominal_x=_on_grid(nominal_x), nominal_y=_on_grid(nominal_y))


def field_px(n_patterns: int, step_px: float) -> tuple[float, float]:
    """Greatest (height, width) that the positions of `make_scan` span, pixels."""
    width = step_px * float(np.sqrt(n_patterns / 1.03))
    return 1.03 * width, width


def make_object(shape: tuple[int, int], *, field: tuple[float, float], seed: int) -> NDArray[np.complex64]:
    """
    An object without symmetry, with amplitude and phase structure at several length scales.

    Letters (F, R), a star of spokes, rods and round particles absorb and delay by different amounts on a cloudy
    support. Features are placed relative to the scanned field, whatever its size, and all of them are blurred to a
    width that bilinear interpolation carries.

    Args:
        shape: (H, W).
        field: (height, width) of the scanned field about the object's centre, pixels.
        seed: seed of the clouds and the particles.

    Returns:
        `(H, W)` complex64; amplitudes and phases within `AMPLITUDE_RANGE` and `PHASE_RANGE_RAD`.
    """
    rng = np.random.default_rng([seed, _OBJECT])
    height, width = shape
    # Field coordinates: the scanned field spans −1 to 1, and the window's central part reaches a little further.
    reach = (max(field[0], _LEAST_FIELD_PX) / 2 + 6, max(field[1], _LEAST_FIELD_PX) / 2 + 6)
    v: Real = (np.arange(height, dtype=np.float64)[:, None] - height / 2) / reach[0]
    u: Real = (np.arange(width, dtype=np.float64)[None, :] - width / 2) / reach[1]
    px = 1 / float(np.sqrt(reach[0] * reach[1]))
    amplitude, phase = _clouds(u, v, px, rng)
    for material, opacity, delay in _materials(u, v, px, rng):
        amplitude -= opacity * material
        phase += delay * material
    amplitude = _into(amplitude, AMPLITUDE_RANGE)
    phase = _into(phase, PHASE_RANGE_RAD)
    return _rounded(amplitude * np.exp(1j * phase)).astype(np.complex64)


def _clouds(u: Real, v: Real, px: float, rng: np.random.Generator) -> tuple[Real, Real]:
    """Smooth variations of amplitude and phase, unrelated to each other, from half the field down to 6 pixels."""
    amplitude, phase = np.zeros((v.shape[0], u.shape[1])), np.zeros((v.shape[0], u.shape[1]))
    for width, number in ((0.6, 8), (0.3, 24), (max(0.12, 6 * px), 60)):
        for clouds, strength in ((amplitude, 0.10), (phase, 0.26)):
            for x, y, height in rng.uniform(-1, 1, (number, 3)):
                clouds += strength * height * np.exp(-((u - 2 * x) ** 2 + (v - 2 * y) ** 2) / width**2)
    return amplitude, phase


def _materials(u: Real, v: Real, px: float, rng: np.random.Generator) -> list[tuple[Real, float, float]]:
    """Coverage (0 to 1), opacity and phase delay (rad) of everything that lies on the support."""
    soft = 3.0 * px

    def inside(distance: Real) -> Real:
        return 0.5 - 0.5 * np.tanh(distance / soft)

    def rod(x0: float, y0: float, x1: float, y1: float, half_width: float) -> Real:
        along = np.clip(((u - x0) * (x1 - x0) + (v - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2), 0, 1)
        return inside(np.hypot(u - x0 - along * (x1 - x0), v - y0 - along * (y1 - y0)) - half_width)

    letter_f = [
        rod(-0.72, -0.78, -0.72, 0.4, 0.15),
        rod(-0.72, -0.74, -0.1, -0.74, 0.14),
        rod(-0.72, -0.2, -0.28, -0.2, 0.12),
    ]
    letter_r = [
        rod(0.1, 0.02, 0.1, 0.86, 0.1),
        rod(0.26, 0.46, 0.62, 0.88, 0.1),
        inside(np.abs(np.hypot(u - 0.28, v - 0.22) - 0.22) - 0.09),
    ]
    # Spokes of a star: the finest structure, down to what the blur lets through.
    radius, angle = np.hypot(u - 0.5, v + 0.5), np.arctan2(v + 0.5, u - 0.5)
    contrast = np.tanh((radius / soft / 3) ** 2)
    star = (0.5 + 0.5 * contrast * np.cos(5 * angle + 3 * radius)) * inside(radius - 0.42)
    strip = inside(np.abs(v - 0.62 - 0.2 * u - 0.06 * np.sin(5 * u)) - 0.09) * inside(u + 0.06)
    found = [
        (np.max(letter_f, axis=0), 0.22, -1.7),
        (np.max(letter_r, axis=0), 0.30, -1.3),
        (star, 0.20, -1.5),
        (strip, 0.06, -1.0),
    ]
    for _ in range(22):
        (x, y), size = rng.uniform(-1.7, 1.7, 2), max(rng.uniform(0.06, 0.2), 2 * px)
        opacity, delay = rng.uniform(0.02, 0.22), rng.uniform(-1.0, -0.2)
        round_particle = inside(np.hypot(u - x, (v - y) * rng.uniform(0.8, 1.3)) - size)
        found.append((round_particle, opacity, delay))
    return found


def _into(values: Real, allowed: tuple[float, float]) -> Real:
    """Values stretched linearly so that they just fill a range."""
    low, high = float(values.min()), float(values.max())
    return allowed[0] + (values - low) * ((allowed[1] - allowed[0]) / (high - low))


def _rounded(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return (np.rint(values.real / _VALUE_STEP) + 1j * np.rint(values.imag / _VALUE_STEP)) * _VALUE_STEP


def _on_grid(positions: Real) -> Real:
    return np.rint(positions / _POSITION_STEP_PX) * _POSITION_STEP_PX
