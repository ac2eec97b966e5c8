"""
Questions to an adapter for the laws of the physics (R2c), always in float64.

A law ties answers together that no table of values could: energy in is energy out, a ramp is a shift, twice the flux is
twice the counts, a gradient is the adjoint of its operation. The backend computes the sides of each law with its own
operations (`ptycho.parity.case.Case`); whether they agree is decided elsewhere. The core's part is in
`ptycho.parity.core`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho.parity.case import Case
from ptycho.parity.operations import offsets, waves

if TYPE_CHECKING:
    from ptycho.parity.request import Request

Array = NDArray[Any]
Given = Mapping[str, Array]

SIDE = 32
SHIFT = (3, -5)
"""By which patterns and objects are moved along rows and columns."""

FLUX = 7.0
SCALE, LOG_SCALE = 31.25, 3.3
BAD = 0.3
"""Share of bad pixels in the questions about masks."""

MEMBERS = np.array([[-3, 2, 4, -3], [1, -2, 3, -2]])
"""`(2, 4)` whole-pixel distances (x, y) of a group's patches from their mean; they add up to zero."""


def cases(request: "Request") -> list[Case]:
    """The questions to a backend."""
    rng = np.random.default_rng([request.scan.seed, request.model.gridsize, 0x4C])
    return [
        *_far_field(rng),
        _engines_probe(request.model.side),
        *_flux(rng),
        *(_masks(np.random.default_rng([request.scan.seed, 0x4D])) if request.masked else ()),
        *_linear(rng),
        *_assembly(rng, request.model.gridsize),
    ]


def ramp(side: int) -> Array:
    """`(N, N)` phase ramp that moves a far field by `SHIFT`."""
    row, column = np.ogrid[:side, :side]
    return np.asarray(np.exp(2j * np.pi * (SHIFT[0] * row + SHIFT[1] * column) / side))


def landscape(row: Array, column: Array) -> Array:
    """An object without symmetry or period, known at every whole pixel."""
    amplitude = 1 + 0.3 * np.sin(0.21 * row + 0.1 * column) + 0.002 * column
    return np.asarray(amplitude * np.exp(1j * (0.9 * np.cos(0.13 * row - 0.27 * column) + 0.011 * row)))


def members(gridsize: int) -> tuple[Array, Array]:
    """
    A group of true patches of the landscape.

    Returns:
        Relative coordinates `(1, 1, 2, C)` and patches `(1, C, N, N)`; the group's centre is at row 50, column 70.
    """
    distance = MEMBERS if gridsize > 1 else np.zeros((2, 1), int)
    axis = np.arange(SIDE) - SIDE // 2
    rows, columns = (axis + distance[k][:, None] + at for k, at in ((1, 50), (0, 70)))
    patches = landscape(rows[:, :, None], columns[:, None, :])
    return -distance[None, None].astype(np.float64), patches[None]


def _far_field(rng: np.random.Generator) -> Iterator[Case]:
    objects, probe = waves(rng, (2, 2, SIDE, SIDE), np.float64), waves(rng, (2, SIDE, SIDE), np.float64)
    plain = {"objects": objects, "probe": probe}
    rolled = {name: np.roll(value, SHIFT, axis=(-2, -1)) for name, value in plain.items()}
    asked: dict[str, Given] = {
        "light": plain,
        "light.object_ramp": {**plain, "objects": objects * ramp(SIDE)},
        "light.probe_ramp": {**plain, "probe": probe * ramp(SIDE)},
        "light.rolled": rolled,
        "light.conjugate": {name: value.conj() for name, value in plain.items()},
        "light.first_mode": {**plain, "probe": probe[:1]},
        "light.second_mode": {**plain, "probe": probe[1:]},
        "light.brighter": {**plain, "objects": objects * np.sqrt(FLUX)},
    }
    # Intensity is quadratic, so that these two differ by exactly twice its derivative along the step.
    for to, value in plain.items():
        step = waves(rng, value.shape, np.float64)
        for name, sign in (("ahead", 1), ("behind", -1)):
            asked[f"light.{to}.{name}"] = {**plain, to: value + sign * step}
    for name, given in asked.items():
        yield Case(name=name, operation="intensity", given=given)
    upstream = rng.normal(size=objects.shape)
    for to in plain:
        yield Case(name=f"light.{to}.pull", operation="intensity", given=plain, to=to, upstream=upstream)
    yield Case(name="root", operation="amplitude", given=plain)


def _engines_probe(side: int) -> Case:
    """The probe on an object: by itself it would be a copy of what was given, which is refused as an answer."""
    axis = np.arange(side)
    objects = landscape(axis[:, None], axis)[None, None]
    return Case(name="illumination", operation="illumination", given={"objects": objects})


def _flux(rng: np.random.Generator) -> Iterator[Case]:
    given = {
        "intensity": rng.gamma(2.0, size=(2, 2, 9, 8)),
        "patches": waves(rng, (2, 2, 9, 8), np.float64),
        "diffraction": rng.gamma(2.0, size=(2, 2, 9, 8)).astype(np.float32),
        "log_scale": np.array(LOG_SCALE),
    }
    settings = {"scale": SCALE, "mae_weight": 0.3, "tv_weight": 0.2}
    yield Case(name="terms", operation="terms", given=given, settings=settings)
    brighter = {**given, "log_scale": given["log_scale"] + np.log(FLUX) / 2}
    scale = {**settings, "scale": SCALE * np.sqrt(FLUX)}
    yield Case(name="terms.brighter", operation="terms", given=brighter, settings=scale)
    perfect = {**given, "intensity": given["diffraction"].astype(np.float64) ** 2, "log_scale": np.log(SCALE)}
    yield Case(name="terms.perfect", operation="terms", given=perfect, settings=settings)


def _masks(rng: np.random.Generator) -> Iterator[Case]:
    """
    The loss under a mask, twice with other predictions under it, under its complement, and the pull of it.

    The weights of the terms are such that the total is the likelihood and the amplitude's error alone.
    """
    shape = (2, 2, 9, 8)
    good = rng.random(shape) > BAD
    intensity, observed = rng.gamma(2.0, size=shape), rng.gamma(2.0, size=shape).astype(np.float32)
    rest = {"patches": waves(rng, shape, np.float64), "log_scale": np.array(LOG_SCALE)}
    settings = {"scale": SCALE, "mae_weight": 0.3, "tv_weight": 0.0}
    share = float(good.mean())

    def asked(mask: Array, predicted: Array) -> Given:
        return {**rest, "intensity": predicted, "diffraction": np.where(mask, observed, np.float32(0)), "good": mask}

    seen = {**settings, "good_share": share}
    yield Case(name="masked", operation="terms", given=asked(good, intensity), settings=seen)
    other = np.where(good, intensity, 1e3 * rng.gamma(2.0, size=shape))
    yield Case(name="masked.other", operation="terms", given=asked(good, other), settings=seen)
    hidden = {**settings, "good_share": 1 - share}
    yield Case(name="masked.rest", operation="terms", given=asked(~good, intensity), settings=hidden)
    whole = {**rest, "intensity": intensity, "diffraction": observed}
    yield Case(name="masked.whole", operation="terms", given=whole, settings=settings)
    total = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    yield Case(
        name="masked.slope",
        operation="terms",
        given=asked(good, intensity),
        settings=seen,
        to="intensity",
        upstream=total,
    )


def _linear(rng: np.random.Generator) -> Iterator[Case]:
    """Values and pulls of the convolution, which is linear in the image and in the kernel."""
    for operation, side in (("convolve", (9, 7)), ("upsampled", (18, 14))):
        given = {"x": rng.normal(size=(2, 3, 9, 7)), "kernel": rng.normal(size=(4, 3, 3, 3)), "bias": np.zeros(4)}
        upstream = rng.normal(size=(2, 4, *side))
        yield Case(name=operation, operation=operation, given=given)
        for to in ("x", "kernel"):
            yield Case(name=f"{operation}.{to}.pull", operation=operation, given=given, to=to, upstream=upstream)


def _assembly(rng: np.random.Generator, gridsize: int) -> Iterator[Case]:
    side = SIDE + (gridsize - 1) * 4 + 10
    canvas = waves(rng, (2, side, side), np.float64)
    patches = waves(rng, (2, gridsize**2, SIDE, SIDE), np.float64)
    for name, step in (("whole", 1.0), ("any", 1e-9)):
        relative = offsets(rng, gridsize, step)
        for operation, values, settings in (
            ("assemble", {"patches": patches}, {"gridsize": gridsize}),
            ("extract", {"canvas": canvas}, {"side": SIDE}),
            ("consistent", {"patches": patches}, {"gridsize": gridsize}),
        ):
            given = {**values, "coords_relative": relative}
            asked = {"operation": operation, "given": given, "settings": settings}
            yield Case(name=f"{operation}.{name}", **asked)  # type: ignore[arg-type]
            (to,) = values
            upstream = canvas if operation == "assemble" else patches
            yield Case(name=f"{operation}.{name}.pull", **asked, to=to, upstream=upstream)  # type: ignore[arg-type]
    relative, true = members(gridsize)
    given = {"patches": true, "coords_relative": relative}
    for operation in ("assemble", "consistent"):
        yield Case(name=f"true.{operation}", operation=operation, given=given, settings={"gridsize": gridsize})
