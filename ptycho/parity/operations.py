"""
Single operations that an adapter is asked for (R2), and the gradients at their corners (R2b): the questions only.

Every operation is the backend's own, as its network, physics, assembly and loss use it; `ptycho_torch.operations` and
`ptycho_tf.operations` say under these names where it is. What the answers must be is written down elsewhere, by who
judges: a question that knew its answer could be answered by it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho.parity.case import Case

if TYPE_CHECKING:
    from ptycho.parity.adapter import BackendAdapter
    from ptycho.parity.request import Request

Array = NDArray[Any]

REAL = {"f64": np.float64, "f32": np.float32, "bf16": np.float32}
LIMIT = 1e-12
"""ε of the questions about the loss alone."""

_LISTED = 16
_BAD = 0.25


def measure(request: "Request", bench: "BackendAdapter") -> Iterator[tuple[str, Array]]:
    """R2: the value of every case."""
    for case in cases(request):
        yield case.name, bench.operate(case)


def classes(request: "Request", bench: "BackendAdapter") -> dict[str, list[str]]:
    """R2b: what kind of number the gradient is, element by element; of many elements, how many there are of each."""
    return {case.name: kinds(bench.operate(case)) for case in corners(request)}


def kinds(values: Array) -> list[str]:
    """
    The kinds of some numbers, in order; of more than a few, how often each occurs.

    Example:
        >>> kinds(np.array([0.0, 1.0])), kinds(np.zeros((9, 9)))
        (['zero', 'one'], ['81 zero'])
    """
    named = [kind(value) for value in values.ravel()]
    return named if len(named) <= _LISTED else [f"{count} {name}" for name, count in sorted(Counter(named).items())]


def kind(value: Any) -> str:
    """
    Return what kind of number a gradient is; a complex one is named by its parts.

    Example:
        >>> [kind(value) for value in (0.0, -1.0, 3.14159, float("nan"))]
        ['zero', 'minus-one', '3.14e+00', 'nan']
    """
    if np.iscomplexobj(value):
        return f"{kind(value.real)}, {kind(value.imag)}"
    if not np.isfinite(value):
        return {"nan": "nan", "inf": "inf", "-inf": "minus-inf"}[f"{float(value)}"]
    named = {0.0: "zero", 1.0: "one", 0.5: "half", -1.0: "minus-one"}
    return named.get(float(value), f"{float(value):.2e}")


def cases(request: "Request") -> list[Case]:
    """The questions of R2: even and odd sides, no two axes alike, both signs of everything."""
    rng = np.random.default_rng([request.scan.seed, request.model.gridsize, 0x52])
    real = REAL[request.precision]
    return [
        *_convolutions(rng, real),
        *_layers(rng, real, request.model.side, request.model.channels),
        *_physics(rng, real),
        *_assembly(rng, real, request.model.gridsize),
        *_loss(rng, real, masks=request.masked),
    ]


def normal(rng: np.random.Generator, shape: tuple[int, ...], real: Any) -> Array:
    """Numbers of both signs."""
    return rng.normal(size=shape).astype(real)


def waves(rng: np.random.Generator, shape: tuple[int, ...], real: Any) -> Array:
    """Complex numbers of every phase."""
    made = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return np.asarray(made.astype(np.result_type(real, np.complex64)))


def offsets(rng: np.random.Generator, gridsize: int, step: float) -> Array:
    """`(2, 1, 2, C)` relative coordinates, multiples of `step` within ±4 along x and ±3 along y."""
    reach = np.array([4.0, 3.0])[:, None] / step
    return np.asarray(np.rint(rng.uniform(-1, 1, size=(2, 1, 2, gridsize**2)) * reach) * step)


def _convolutions(rng: np.random.Generator, real: Any) -> Iterator[Case]:
    shapes = {"even": (2, 5, 16, 12), "odd": (2, 5, 13, 11), "deep": (1, 128, 8, 6)}
    for operation in ("convolve", "upsampled"):
        for name, shape in shapes.items():
            kernel, bias = normal(rng, (3, shape[1], 3, 3), real), normal(rng, (3,), real)
            given = {"x": normal(rng, shape, real), "kernel": kernel, "bias": bias}
            yield Case(name=f"{operation}.{name}", operation=operation, given=given)
        # One tap in a corner: what comes from beyond the border must be zero, and everything else a copy.
        for name, tap in (("first", (0, 0)), ("last", (2, 2)), ("side", (0, 2))):
            kernel = np.zeros((1, 1, 3, 3), real)
            kernel[(0, 0, *tap)] = 1
            given = {"x": normal(rng, (1, 1, 9, 7), real), "kernel": kernel, "bias": np.zeros(1, real)}
            yield Case(name=f"{operation}.tap_{name}", operation=operation, given=given)


def _layers(rng: np.random.Generator, real: Any, side: int, channels: int) -> Iterator[Case]:
    for name, shape in (("even", (2, 3, 12, 8)), ("odd", (2, 3, 13, 9))):
        yield Case(name=f"rectify.{name}", operation="rectify", given={"x": normal(rng, shape, real)})
        yield Case(name=f"pool.{name}", operation="pool", given={"x": normal(rng, shape, real)})
    for operation, low, high in (("amplitude_head", -60, 20), ("phase_head", -10, 10)):
        x = np.concatenate([rng.uniform(low, high, 2048), rng.uniform(-1, 1, 2048)]).astype(real)
        yield Case(name=operation, operation=operation, given={"x": x.reshape(1, 1, 64, 64)})
    inner, outer = normal(rng, (2, channels, side // 2, side // 2), real), normal(rng, (2, channels, side, side), real)
    yield Case(name="join.inner", operation="join", given={"inner": inner, "outer": np.zeros_like(outer)})
    yield Case(name="join.outer", operation="join", given={"inner": np.zeros_like(inner), "outer": 9 * outer})
    modulus, angle = normal(rng, (1, 2, 40, 30), real), rng.uniform(-np.pi, np.pi, (1, 2, 40, 30)).astype(real)
    yield Case(name="compose", operation="compose", given={"amplitude": modulus, "phase": angle})
    x = rng.gamma(2.0, size=(1, 2, 8, 6)).astype(real)
    for name, w in (("up", 3.3), ("down", -1.7)):
        given = {"x": x, "w": np.array(w, real)}
        yield Case(name=f"scaled_input.{name}", operation="scaled_input", given=given, settings={"scale": 31.25})


def _physics(rng: np.random.Generator, real: Any) -> Iterator[Case]:
    for name, side in (("even", 64), ("odd", 33)):
        given = {"objects": waves(rng, (2, 2, side, side), real), "probe": waves(rng, (2, side, side), real)}
        for operation in ("exit_wave", "intensity", "amplitude"):
            yield Case(name=f"{operation}.{name}", operation=operation, given=given)


def _assembly(rng: np.random.Generator, real: Any, gridsize: int) -> Iterator[Case]:
    for name, side, step in (("whole", 16, 1.0), ("quarters", 16, 0.25), ("odd", 17, 0.25), ("any", 16, 1e-9)):
        relative = offsets(rng, gridsize, step)
        settings = {"canvas": side + 14, "side": side}
        given = {"coords_relative": relative, "like": np.zeros(1, real)}
        yield Case(name=f"placements.{name}", operation="placements", given=given, settings=settings)
        canvas, patches = waves(rng, (2, side + 14, side + 14), real), waves(rng, (2, gridsize**2, side, side), real)
        given = {"canvas": canvas, "coords_relative": relative}
        yield Case(name=f"extract.{name}", operation="extract", given=given, settings={"side": side})
        given, settings = {"patches": patches, "coords_relative": relative}, {"gridsize": gridsize}
        yield Case(name=f"assemble.{name}", operation="assemble", given=given, settings=settings)


def _loss(rng: np.random.Generator, real: Any, *, masks: bool) -> Iterator[Case]:
    rate, counts = rng.gamma(2.0, 3e4, size=(1, 2, 32, 16)), rng.poisson(5e4, size=(1, 2, 32, 16)).astype(np.float64)
    counts[0, 0, :3], rate[0, 0, 1:5] = 0, 1e-13
    poisson = {"rate": rate, "counts": counts}
    # The gradient to the counts is the logarithm itself, one value for each element.
    yield Case(name="log", operation="nll", given=poisson, settings={"epsilon": LIMIT}, to="counts")
    yield Case(name="nll", operation="nll", given=poisson, settings={"epsilon": LIMIT})
    yield Case(name="deviance", operation="deviance", given=poisson, settings={"epsilon": LIMIT})
    observed = rng.gamma(2.0, size=rate.shape)
    given, scale = {"rate": rate, "diffraction": observed}, {"scale": 31.25}
    yield Case(name="mae", operation="mae", given=given, settings=scale)
    # And this gradient is the root's.
    yield Case(name="root", operation="mae", given=given, settings=scale, to="rate")
    yield Case(name="variation", operation="variation", given={"patches": waves(rng, (2, 2, 12, 9), real)})
    given = {
        "intensity": rng.gamma(2.0, size=(2, 2, 9, 8)).astype(real),
        "patches": waves(rng, (2, 2, 9, 8), real),
        "diffraction": rng.gamma(2.0, size=(2, 2, 9, 8)).astype(np.float32),
        "log_scale": np.array(3.3, real),
    }
    settings = {"scale": 31.25, "mae_weight": 0.3, "tv_weight": 0.2}
    yield Case(name="terms", operation="terms", given=given, settings=settings)
    if masks:
        good = np.random.default_rng(0x4D).random((2, 2, 9, 8)) > _BAD
        hidden: dict[str, Array] = {**given, "good": good}
        hidden["diffraction"] = np.where(good, given["diffraction"], np.float32(0))
        settings |= {"good_share": 1 - _BAD}
        yield Case(name="terms.masked", operation="terms", given=hidden, settings=settings)


def corners(request: "Request") -> list[Case]:
    """The questions of R2b: gradients at zero, at ties, in the tails, and where a modulus is negative."""
    real = REAL[request.precision]
    return [
        *_layer_corners(real),
        *_joints(real, request.model.side),
        *_complex_corners(real),
        *_loss_corners(real, masks=request.masked),
    ]


def _layer_corners(real: Any) -> Iterator[Case]:
    def image(*values: float) -> Array:
        return np.array(values, real).reshape(1, 1, 2, -1)

    yield Case(name="rectify", operation="rectify", given={"x": image(-1, 0, 1, 2)}, to="x")
    for name, values in (("tie", (1, 1, 1, 1)), ("two", (0, 3, 3, 1)), ("zero", (0, 0, -1, 0))):
        yield Case(name=f"pool.{name}", operation="pool", given={"x": image(*values)}, to="x")
    tails = image(0, 1000, -1000, 0)
    yield Case(
        name="amplitude_head", operation="amplitude_head", given={"x": tails}, to="x", upstream=image(2, 1, 1, 4)
    )
    yield Case(name="phase_head", operation="phase_head", given={"x": tails}, to="x")
    polar = {"amplitude": image(-0.5, 0, 0.25, -2), "phase": image(0, 0, 0, 1)}
    for part, upstream in (("real", 1), ("imaginary", 1j)):
        weights = np.full((1, 1, 2, 2), upstream, np.result_type(real, np.complex64))
        for to in polar:
            yield Case(name=f"compose.{part}.{to}", operation="compose", given=polar, to=to, upstream=weights)


def _joints(real: Any, side: int) -> Iterator[Case]:
    given = {"inner": np.zeros((1, 1, side // 2, side // 2), real), "outer": np.zeros((1, 1, side, side), real)}
    given["outer"][0, 0, 0, 1:3] = 1000, -1000
    for to in given:
        yield Case(name=f"join.{to}", operation="join", given=given, to=to)


def _complex_corners(real: Any) -> Iterator[Case]:
    dtype = np.result_type(real, np.complex64)
    nothing, light = np.zeros((1, 1, 2, 2), dtype), np.ones((1, 2, 2), dtype)
    broken = np.full_like(nothing, np.nan)
    for operation in ("intensity", "amplitude"):
        for name, objects, probe in (
            ("dark_object", nothing, light),
            ("dark_probe", nothing + 1, light * 0),
            ("nan", broken, light),
        ):
            given = {"objects": objects, "probe": probe}
            yield Case(name=f"{operation}.{name}", operation=operation, given=given, to="objects")
    # A flat object: all light is in one pixel, and the other three are exactly zero.
    given = {"objects": nothing + 2, "probe": light}
    yield Case(name="amplitude.flat", operation="amplitude", given=given, to="objects")
    for name, patches in (("flat", nothing + 1j), ("nan", broken)):
        yield Case(name=f"variation.{name}", operation="variation", given={"patches": patches}, to="patches")


def _loss_corners(real: Any, *, masks: bool) -> Iterator[Case]:
    def line(*values: float) -> Array:
        return np.array(values, np.float64).reshape(1, 1, 1, -1)

    rate = line(0, 0, 1e-320, LIMIT / 2, LIMIT, 2 * LIMIT, 4, np.inf)
    poisson = {"rate": rate, "counts": line(0, 3, 3, 3, 3, 0, 4, 3)}
    # The mean of eight: ones become ones again.
    eight = np.array(8.0)
    epsilon = {"epsilon": LIMIT}
    for to in ("rate", "counts"):
        given = poisson if to == "rate" else {**poisson, "rate": np.minimum(rate, 1.0)}
        yield Case(name=f"nll.{to}", operation="nll", given=given, settings=epsilon, to=to, upstream=eight)
    root = {"rate": line(0, 0, 1, 1, 4, 4, 1e-320, 0), "diffraction": line(1e-6, 1, 0, 2, 1, 3, 1, 0)}
    yield Case(name="mae", operation="mae", given=root, settings={"scale": 1.0}, to="rate", upstream=eight)
    # ε follows the type of the intensity: 5e-9 is below one of the two only.
    intensity = np.array([0, 5e-9, 2e-8, 1.0]).astype(real).reshape(1, 1, 2, 2)
    given = {
        "intensity": intensity,
        "patches": np.ones((1, 1, 2, 2), np.result_type(real, np.complex64)),
        "diffraction": np.full((1, 1, 2, 2), 2.0, np.float32),
        "log_scale": np.array(0.0, real),
    }
    settings = {"scale": 1.0, "mae_weight": 0.0, "tv_weight": 0.0}
    total = np.array([0.0, 0.0, 0.0, 4.0, 0.0])
    for to in ("intensity", "patches"):
        wanted = total if to == "intensity" else np.array([0.0, 0.0, 1.0, 0.0, 0.0])
        weights = settings if to == "intensity" else {**settings, "tv_weight": 1.0}
        yield Case(name=f"terms.{to}", operation="terms", given=given, settings=weights, to=to, upstream=wanted)
    if masks:
        good = np.array([True, False, True, False]).reshape(1, 1, 2, 2)
        hidden: dict[str, Array] = {**given, "good": good}
        hidden["diffraction"] = np.where(good, given["diffraction"], np.float32(0))
        weights = {**settings, "mae_weight": 0.25, "good_share": 1.0}
        yield Case(
            name="terms.masked", operation="terms", given=hidden, settings=weights, to="intensity", upstream=total
        )
