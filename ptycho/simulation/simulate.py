"""
Simulated scans: an object, a probe and positions in, photon counts out, in float64 and from seeded generators only.

The forward model is `ptycho.physics`, the oracle that judges both backends, and the windows are cut by
`ptycho.physics.patches`, of which the stitcher is the inverse: nothing of the physics is written a second time here.
Probe, object and scan come from the caller or from `ptycho.simulation.synthetic`; files are read and written at the
edge, not here.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import GRIDSIZES, PATCH_SIDES
from ptycho.data import masks
from ptycho.data.dataset import Dataset, Source
from ptycho.data.grouping import NEIGHBOURS, nearest
from ptycho.errors import UsageError
from ptycho.physics import forward, patches
from ptycho.simulation import synthetic

STEP_PX = 2.62
"""Root of the area per pattern, in pixels; the median distance to the nearest pattern is then about 1.2 px."""

NPHOTONS = 1e6
BUFFER_PX = 16
FEWEST_PHOTONS, MOST_PHOTONS = 1.0, 1e12
"""Beyond the upper limit float32 amplitudes no longer tell one photon from none."""

_NOISE = 0x4E
"""Tag of the noise generator; `ptycho.simulation.synthetic` has others."""

_CHUNK = 64
"""Patterns computed at a time: at N = 64 the temporaries stay near 20 MB."""


def own_probe_and_object(
    *, n_images: int, side: int, seed: int, step_px: float = STEP_PX, buffer: int = BUFFER_PX
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """
    The project's own probe, and its own object in the size that a scan needs.

    Args:
        n_images: M.
        side: N.
        seed: seed of the object.
        step_px: root of the area per pattern.
        buffer: pixels between the outermost window and the object's edge.

    Returns:
        probe `(N, N)` and object `(H, W)`.

    Raises:
        UsageError: as `simulate`.
    """
    _refuse(_out_of_range(n_images=n_images, side=side, seed=seed, step_px=step_px, buffer=buffer))
    field = synthetic.field_px(n_images, step_px)
    height, width = (math.ceil(extent) + side + 2 * buffer + 2 for extent in field)
    return synthetic.make_probe(side), synthetic.make_object((height, width), field=field, seed=seed)


def simulate(
    *,
    probe: NDArray[Any],
    obj: NDArray[Any],
    n_images: int,
    nphotons: float = NPHOTONS,
    seed: int,
    side: int | None = None,
    buffer: int = BUFFER_PX,
    gridsize: int = 1,
    step_px: float = STEP_PX,
    with_patches: bool = False,
    bad_pixels: NDArray[np.bool_] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Dataset:
    """
    Simulate a far-field scan of an object.

    Frame i is √k with k ~ Poisson(s·|FFT2(P·O_i)|²/N²), DC centred, O_i the bilinear window at the **corrected**
    position, and s such that a frame holds `nphotons` photons on average over the scan. Amplitudes are plain √counts:
    their squares are whole numbers of photons. The scan is centred on the object; where the object is too small for
    `step_px`, the step shrinks until the windows keep `buffer` pixels from its edge.

    Args:
        probe: `(N, N)` or `(P, N, N)` complex, P incoherent modes.
        obj: `(H, W)` complex.
        n_images: M, how many patterns.
        nphotons: mean photons per pattern.
        seed: of positions and noise.
        side: N; None takes the probe's.
        buffer: pixels between the outermost window and the object's edge.
        gridsize: g that the scan is meant for; at 2 each group of neighbours must fit its canvas.
        step_px: root of the area per pattern, pixels.
        with_patches: whether the true windows are kept (`Y`).
        bad_pixels: `(N, N)` or `(M, N, N)`, True where the detector is bad: these pixels are 0. The photons of a frame
            are those that fall on all pixels.
        provenance: further entries of the metadata, JSON values only.

    Returns:
        The scan. `metadata` holds nphotons, seed, gridsize, step and what `provenance` adds.

    Raises:
        UsageError: listing every argument that is not possible.

    Example:
        >>> probe, obj = own_probe_and_object(n_images=4, side=64, seed=1)
        >>> simulate(probe=probe, obj=obj, n_images=4, seed=1).diffraction.shape
        (4, 64, 64)
    """
    modes = np.ascontiguousarray(probe, dtype=np.complex64)
    modes = modes.reshape(-1, *modes.shape[-2:])
    target = np.ascontiguousarray(obj, dtype=np.complex64)
    n = modes.shape[-1] if side is None else side
    problems = _out_of_range(n_images=n_images, side=n, seed=seed, step_px=step_px, buffer=buffer)
    if not FEWEST_PHOTONS <= nphotons <= MOST_PHOTONS:  # also refuses NaN
        problems.append(f"n_photons = {nphotons!r}; allowed: {FEWEST_PHOTONS:g} to {MOST_PHOTONS:g}")
    if gridsize not in GRIDSIZES:
        problems.append(f"gridsize = {gridsize!r}; allowed: {', '.join(map(str, GRIDSIZES))}")
    elif gridsize > 1 and n_images <= NEIGHBOURS:
        problems.append(f"n_images = {n_images}; gridsize {gridsize} needs {NEIGHBOURS + 1} or more")
    if modes.shape[-2:] != (n, n):
        problems.append(f"the probe is {modes.shape[-2]}×{modes.shape[-1]}, N = {n}; pass --N {modes.shape[-1]}")
    if not (np.isfinite(modes).all() and np.isfinite(target).all()):
        problems.append("probe or object is not finite; allowed: finite complex values")
    room = min(target.shape) - n - 2 * buffer - 2
    if room < 1:
        least = n + 2 * buffer + 3
        problems.append(
            f"the object is {target.shape[0]}×{target.shape[1]}; N = {n} and buffer = {buffer} need {least}×{least} "
            "or more; pass a smaller --buffer or a larger object"
        )
    if bad_pixels is not None and bad_pixels.shape not in ((n, n), (n_images, n, n)):
        problems.append(f"bad_pixels is {bad_pixels.shape}; allowed: ({n}, {n}) or ({n_images}, {n}, {n})")
    _refuse(problems)
    # The steps at which the field fills the object's height or width.
    unit_height, unit_width = synthetic.field_px(n_images, 1.0)
    height, width = (extent - n - 2 * buffer - 2 for extent in target.shape)
    step = min(step_px, height / unit_height, width / unit_width)
    scan = synthetic.make_scan(n_images, step_px=step, seed=seed)
    if gridsize > 1:
        _refuse_wide_groups(scan, n, gridsize, step)
    centre_y, centre_x = target.shape[0] / 2, target.shape[1] / 2
    x, y = scan.x + centre_x, scan.y + centre_y
    diffraction = _frames(modes, target, x, y, n, nphotons, seed)
    if bad_pixels is not None:
        masks.apply(diffraction, bad_pixels)
    return Dataset(
        frames=diffraction,
        probe=modes,
        obj=target,
        xcoords=x,
        ycoords=y,
        xcoords_start=scan.nominal_x + centre_x,
        ycoords_start=scan.nominal_y + centre_y,
        scan_index=np.zeros(n_images, dtype=np.int64),
        patches=patches.extract(target, x, y, n) if with_patches else None,
        bad_pixels=None if bad_pixels is None else bad_pixels.copy(),
        metadata=MappingProxyType(
            {
                **(provenance or {}),
                "nphotons": float(nphotons),
                "seed": seed,
                "gridsize": gridsize,
                "step_px": round(step, 6),
                "buffer_px": buffer,
                "measurement_domain": "amplitude",
                "simulated": True,
            }
        ),
        source=Source(
            path=Path("simulation"),
            sha256=hashlib.sha256(diffraction.tobytes()).hexdigest(),
            layout="canonical",
            measurement_domain="amplitude",
        ),
    )


def _frames(
    modes: NDArray[np.complex64],
    obj: NDArray[np.complex64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    side: int,
    nphotons: float,
    seed: int,
) -> NDArray[np.float32]:
    """`(M, N, N)` √counts."""
    probe = modes.astype(np.complex128)
    beam = np.sum(np.abs(probe) ** 2, axis=0)
    # Parseval: the energy of a pattern is that of its exit wave, so that the scale needs no Fourier transform.
    energy = math.fsum(float(np.sum(beam * np.abs(part) ** 2)) for part in _windows(obj, x, y, side))
    if not energy > 0:
        raise UsageError("probe times object is zero everywhere; allowed: a probe and an object that scatter")
    scale = nphotons * len(x) / energy
    rng = np.random.default_rng([seed, _NOISE])
    frames = np.empty((len(x), side, side), dtype=np.float32)
    start = 0
    for part in _windows(obj, x, y, side):
        counts = rng.poisson(scale * forward.intensity(part, probe))
        frames[start : start + len(part)] = np.sqrt(counts)
        start += len(part)
    return frames


def _windows(
    obj: NDArray[np.complex64], x: NDArray[np.float64], y: NDArray[np.float64], side: int
) -> Iterator[NDArray[np.complex128]]:
    wide = obj.astype(np.complex128)
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        yield patches.extract(wide, x[part], y[part], side)


def _out_of_range(*, n_images: int, side: int, seed: int, step_px: float, buffer: int) -> list[str]:
    least = (("n_images", n_images, 1), ("seed", seed, 0), ("buffer", buffer, 0))
    problems = [f"{name} = {value!r}; allowed: {low} or more" for name, value, low in least if value < low]
    if side not in PATCH_SIDES:
        problems.append(f"N = {side!r}; allowed: {', '.join(map(str, PATCH_SIDES))}")
    if not 0 < step_px < math.inf:
        problems.append(f"step = {step_px!r}; allowed: more than 0 pixels")
    return problems


def _refuse_wide_groups(scan: synthetic.ScanPositions, side: int, gridsize: int, step_px: float) -> None:
    """A group's patches must not leave its canvas: what lies outside is lost without a word."""
    points = np.stack([scan.y, scan.x], axis=-1)
    neighbours = nearest(points, np.arange(len(points)))
    reach = np.abs(points[neighbours] - points[:, np.newaxis]).max()
    # At worst all other members lie at the reach on one side: their mean is (C − 1)/C of it away from the seed.
    worst = float(reach) * (gridsize**2 - 1) / gridsize**2
    allowed = (forward.canvas_side(side, gridsize) - side) / 2
    if worst > allowed:
        raise UsageError(
            f"step = {step_px:.2f} px puts patterns of a group up to {worst:.1f} px from its mean, gridsize {gridsize} "
            f"allows {allowed:.0f} px; pass --step {step_px * allowed / worst * 0.95:.1f} or less, or --gridsize 1"
        )


def _refuse(problems: list[str]) -> None:
    if problems:
        raise UsageError("the scan cannot be simulated:\n" + "\n".join(f"  - {problem}" for problem in problems))
