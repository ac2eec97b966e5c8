"""
True patches through a foreign stitcher: is the result the object or a mirror image, how bright, and why?

Positions and patches may each be turned and mirrored in eight ways. Where both are, the whole object comes out so.
Where only the positions are, upright patches lie at mirrored places, which is not an image of the object at all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.attach.known_arrays import KnownArrays
from harness.parity.compare.number_format import readable
from harness.parity.output.factor import spoken

Array = NDArray[Any]
EXACT = 2e-3
"""Distance of a stitched object that is the object: weights of whole pixels, sums in float32."""

ALIKE = 0.12
"""Distance at which an image is named although it is not exact: interpolation, a division by the count plus a bit."""

Move = Callable[[Array], Array]
IMAGES: tuple[tuple[str, Move], ...] = (
    ("", lambda a: a),
    ("turned by 180°", lambda a: a[..., ::-1, ::-1]),
    ("transposed", lambda a: np.swapaxes(a, -1, -2)),
    ("mirrored along y (axis 0)", lambda a: a[..., ::-1, :]),
    ("mirrored along x (axis 1)", lambda a: a[..., ::-1]),
    ("turned by 90°", lambda a: np.rot90(a, 1, axes=(-2, -1))),
    ("turned by −90°", lambda a: np.rot90(a, -1, axes=(-2, -1))),
    ("transposed about the other diagonal", lambda a: np.swapaxes(a[..., ::-1, ::-1], -1, -2)),
)
POINTS: tuple[Move, ...] = (
    lambda p: p,
    lambda p: -p,
    lambda p: p[:, ::-1],
    lambda p: p * (1, -1),
    lambda p: p * (-1, 1),
    lambda p: p[:, ::-1] * (1, -1),
    lambda p: p[:, ::-1] * (-1, 1),
    lambda p: -p[:, ::-1],
)
"""The same eight moves for positions, x first."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """
    The result of a stitcher with some mistake.

    Attributes:
        names: its mistakes.
        image: `(H, W)`, zero where no patch lies.
    """

    names: tuple[str, ...]
    image: Array


def place(patches: Array, positions: Array, crop: int, *, masked: bool = False, divided: bool = True) -> Array:
    """
    Patches added at whole-pixel positions, over how many lie there.

    Args:
        patches: `(M, N, N)`.
        positions: `(M, 2)`, x first.
        crop: side of the central square of each that is kept.
        masked: whether only the central N/2 square is added while the whole square is counted.
        divided: whether the sum is divided at all.
    """
    side = patches.shape[-1]
    low = (side - crop) // 2
    kept = patches[:, low : low + crop, low : low + crop].copy()
    if masked:
        quarter = crop // 4
        inner = np.zeros((crop, crop))
        inner[quarter : crop - quarter, quarter : crop - quarter] = 1
        kept = kept * inner
    corners = np.rint(positions - positions.min(axis=0)).astype(int)
    shape = tuple(corners.max(axis=0)[::-1] + crop)
    total, count = np.zeros(shape, np.complex128), np.zeros(shape)
    for patch, (x, y) in zip(kept, corners, strict=True):
        total[y : y + crop, x : x + crop] += patch
        count[y : y + crop, x : x + crop] += 1
    return total / np.maximum(count, 1) if divided else total


def candidates(known: KnownArrays) -> Iterator[Candidate]:
    """The object first, then one mistake, then mirrored positions under upright patches and so on."""
    side = known.side
    whole = place(known.patches, known.positions, side)
    for name, image in IMAGES:
        yield Candidate(names=(f"object {name}",) if name else (), image=image(whole))
    yield Candidate(names=("conjugated",), image=whole.conj())
    for crop in (side, side // 2):
        summed = place(known.patches, known.positions, crop, divided=False)
        yield Candidate(names=("not divided by the overlap",), image=summed)
        masked = place(known.patches, known.positions, crop, masked=True)
        yield Candidate(names=("a central mask on the patches that the overlap does not count",), image=masked)
    for (name, image), point in zip(IMAGES, POINTS, strict=True):
        if not name:
            continue
        for crop in (side // 2, side, 20):
            moved = place(known.patches, point(known.positions), crop)
            yield Candidate(names=(f"positions {name}",), image=moved)
            turned = place(np.ascontiguousarray(image(known.patches)), known.positions, crop)
            yield Candidate(names=(f"patches {name}",), image=turned)


def matched(answer: Array, image: Array) -> tuple[float, complex]:
    """
    Return how well an image explains an answer wherever they lie on each other, and the factor between them.

    Returns:
        Distance where both are, at the shift at which they correlate best; and the factor.
    """
    shape = tuple(a + b for a, b in zip(answer.shape, image.shape, strict=True))
    far = [np.fft.fft2(a, shape) for a in (answer, image)]
    inside = [np.fft.fft2(np.abs(a) > 0, shape) for a in (answer, image)]
    powers = [np.fft.fft2(np.abs(a) ** 2, shape) for a in (answer, image)]
    cross = np.abs(np.fft.ifft2(far[0] * far[1].conj()))
    energy = [
        np.fft.ifft2(powers[0] * inside[1].conj()).real,
        np.fft.ifft2(inside[0] * powers[1].conj()).real,
    ]
    count = np.fft.ifft2(inside[0] * inside[1].conj()).real
    enough = count > 0.5 * min(np.count_nonzero(answer), np.count_nonzero(image))
    alike = np.where(enough, cross / np.sqrt(np.maximum(energy[0] * energy[1], 1e-30)), 0.0)
    best = np.unravel_index(int(np.argmax(alike)), shape)
    shift = [int(at) - n if at >= m else int(at) for at, n, m in zip(best, shape, answer.shape, strict=True)]
    one, other = _overlapping(answer, image, shift)
    both = (np.abs(one) > 0) & (np.abs(other) > 0)
    if not both.any():
        return np.inf, 0j
    a, b = one[both], other[both]
    scale = complex(np.vdot(b, a) / np.vdot(b, b))
    return float(np.linalg.norm(a - scale * b) / max(float(np.linalg.norm(a)), 1e-300)), scale


def _overlapping(answer: Array, image: Array, shift: list[int]) -> tuple[Array, Array]:
    """The parts of both that lie on each other when the image begins at `shift` in the answer."""
    cuts = []
    for at, n, m in zip(shift, answer.shape, image.shape, strict=True):
        low, high = max(at, 0), min(at + m, n)
        cuts.append((slice(low, high), slice(low - at, high - at)))
    return answer[cuts[0][0], cuts[1][0]], image[cuts[0][1], cuts[1][1]]


def judge_stitch(answer: Array, known: KnownArrays) -> tuple[list[tuple[str, str]], dict[str, float]]:
    """
    Name what a stitcher did to true patches.

    Returns:
        Name and sentence of each mistake, and figures.
    """
    answer = np.squeeze(answer)
    if answer.ndim != 2 or not np.isfinite(answer).all() or not np.any(answer):
        return [("shape", f"the object has shape {answer.shape}; expected two axes, finite, and not all zero")], {}
    if not np.iscomplexobj(answer):
        return [("real", "the object is real, expected complex: its phase is lost")], {}
    best: tuple[float, complex, Candidate | None] = (np.inf, 1 + 0j, None)
    for candidate in candidates(known):
        apart, scale = matched(answer.astype(np.complex128), candidate.image)
        if apart < 0.5 * best[0]:
            best = (apart, scale, candidate)
        if apart <= EXACT:
            break
    apart, scale, found = best
    figures = {"distance": apart, "factor": abs(scale)}
    if found is None or apart > ALIKE:
        nearest = f"the object is not an image of the true one; nearest distance {readable(apart)}"
        return [("unexplained", nearest)], figures
    mistakes = [(name, _sentence(name)) for name in found.names]
    if not mistakes and apart > EXACT * 10:
        mistakes.append(("inexact", f"the object is the true one but for {readable(apart)} of it"))
    if not any("divided" in name or "mask" in name for name, _ in mistakes):
        mistakes += _factor(scale)
    return mistakes, figures


def _sentence(name: str) -> str:
    kind, _, rest = name.partition(" ")
    if kind == "object":
        return f"the object comes out {rest}"
    if kind == "positions":
        return f"positions are {rest}, patches are not"
    if kind == "patches":
        return f"patches are {rest}, positions are not"
    return name


def _factor(scale: complex) -> list[tuple[str, str]]:
    size, found = abs(scale), []
    if abs(size - 1) > 0.01:
        near = round(size) if size > 1 else 1 / round(1 / size)
        shown = spoken(float(near if abs(near - size) < 0.01 * size else f"{size:.4g}"))
        found.append(("factor", f"the object is {shown} × as bright as the true one"))
    if abs(np.angle(scale)) > 0.01:
        found.append(("phase", f"the object has a global phase of {np.angle(scale):.3g} rad"))
    return found
