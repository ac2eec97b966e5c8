"""
The core's part of R2c: what loading, drawing, scaling and stitching must give, from formulas and by counting.

Both backends are handed these by one core, so both fail where it is wrong; that is the diagnosis. What the core draws
at random is not drawn again here: a draw is judged by what it must fulfil whatever the generator.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.comparison import Array
from harness.parity.reference import formulas
from harness.parity.reference.formulas import Wide, wide
from harness.parity.reference.invariant import Given, Law, counted, law_of
from ptycho.parity import core
from ptycho.parity.case import Case
from ptycho.parity.invariants import landscape
from ptycho.parity.request import Request

LIMIT = 1e-13 * math.log2(64)
NEIGHBOURS, VALIDATION, CROP = 4, 0.05, 20
SIGMAS = 6.0
"""How far a kernel's moments may be from those of its law, in standard deviations: once in 5e8 draws by chance."""


def laws(request: Request, asked: Mapping[str, Case]) -> list[Law]:
    """
    Every law of the core for one request.

    Args:
        request: the question.
        asked: the cases of `ptycho.parity.invariants` by name: the oracle's physics answers some of them.
    """
    return [
        *_probe(),
        *_scales(),
        *_physics(asked),
        *_windows(),
        *_groups(request),
        *_splits(),
        *_orders(),
        *_initial(request),
        *_loaded(request),
        *_stitched(request),
    ]


def _is(name: str, expected: Wide | Any, says: str, limit: float = LIMIT) -> Law:
    """A law by which one of the core's answers has a known value."""
    answer = f"core.{name}"
    return law_of(answer, says, (answer,), itemgetter(answer), expected, limit)


def _count(name: str, says: str, answers: tuple[str, ...], violations: Callable[..., Any]) -> Law:
    """A law about some of the core's answers, which are handed over in order."""
    needs = tuple(f"core.{answer}" for answer in answers)

    def total(arrays: Given) -> float:
        return float(violations(*(arrays[need] for need in needs)))

    return counted(f"core.{name}", says, needs, total)


def _probe() -> Iterator[Law]:
    says = "P / (probe scale · mean(disk·|P|))"
    for side in (64, 33):
        yield _is(f"probe.{side}", formulas.normalised_probe(wide(core.modes(side))), says)
    modes = wide(core.modes(64))
    yield _is("probe.masked", formulas.normalised_probe(modes, 1.5, masked=True), says)
    yield _is("probe.single", formulas.normalised_probe(modes[:1]), says)
    yield _is("probe.brighter", formulas.normalised_probe(modes), "a probe's own brightness does not matter")


def _scales() -> Iterator[Law]:
    factors = []
    for given in (core.frames(1), core.counts()):
        energy = np.mean(np.sum(wide(given) ** 2, axis=(-2, -1)))
        factors.append(np.sqrt(wide(given.shape[-1]) ** 2 / 4 / energy))
    yield _is("normalisation", np.stack(factors), "√((N/2)² / mean ΣX²), of integers, too, whose squares overflow")
    normalised = core.frames(1) * np.float32(0.3)
    yield _count(
        "normalised",
        "X times the factor, rounded once to float32",
        ("normalised",),
        lambda a: a.dtype != np.float32 or not np.array_equal(a, normalised),
    )
    yield _is("roots", np.sqrt(wide(core.counts())), "amplitudes are roots of counts", 2.0**-52)
    scales = [formulas.intensity_scale(n, side) for n, side in ((1e9, 64), (core.NPHOTONS, 128))]
    yield _is("intensity_scale", scales, "S = √nphotons / (N/2)")


def _physics(asked: Mapping[str, Case]) -> Iterator[Law]:
    """The oracle's own physics: a fault in it would look like a fault of both backends."""
    light = formulas.intensity(*(wide(asked["light"].given[name]) for name in ("objects", "probe")))
    yield _is("light", light, "the far field of P·O, modes added as intensities, DC in the middle")
    yield _is("root", np.sqrt(light), "the amplitude is its root")
    given, settings = asked["assemble.any"].given, asked["assemble.any"].settings
    relative, gridsize = wide(given["coords_relative"]), int(settings["gridsize"])
    canvas = formulas.assembled(wide(given["patches"]), relative, gridsize)
    yield _is("assemble.any", canvas, "patches move by −coords_relative, averaged under their masks")
    given, settings = asked["extract.any"].given, asked["extract.any"].settings
    cut = formulas.extracted(wide(given["canvas"]), wide(given["coords_relative"]), int(settings["side"]))
    yield _is("extract.any", cut, "a patch is cut from where it was put")
    for name, formula in (("nll", formulas.nll), ("deviance", formulas.deviance)):
        questions = (core.poisson(number) for number in range(4))
        values = [np.mean(formula(wide(rate), wide(counts), eps)) for rate, counts, eps in questions]
        yield _is(name, np.stack(values), "the Poisson likelihood and deviance, with their floor under the logarithm")


def _windows() -> Iterator[Law]:
    row, column = np.ogrid[:40, :50]
    obj = wide(row * 100.0 + column + 1j * row * column)
    for name, shift in (("whole", 0.0), ("between", 0.25)):
        for side in (8, 7):
            places = zip((12, 33, 20), (9, 14, 30), strict=True)
            tops = [(y - side // 2, x - side // 2) for x, y in places]
            value = np.stack([_blended(obj, top, left, side, 2 * shift, shift) for top, left in tops])
            says = "window of (y, x): object[y − N//2 : …, x − N//2 : …], bilinear between pixels"
            yield _is(f"windows.{name}.{side}", value, says)
    cut = _blended(obj, 16 - 8, 20 - 8, 16, 0.625, 0.25)[4:12, 4:12]
    total, count = np.zeros((9, 9), cut.dtype), np.zeros((9, 9), np.longdouble)
    for down, fy in ((0, wide(0.375)), (1, wide(0.625))):
        for right, fx in ((0, wide(0.75)), (1, wide(0.25))):
            total[down : down + 8, right : right + 8] += fy * fx * cut
            count[down : down + 8, right : right + 8] += fy * fx
    says = "a patch between pixels is shared out bilinearly, and so is its count"
    yield _is("single.object", total / count, says)
    yield _is("single.overlap", count, says)
    yield _is("single.crop", [12, 21, 16, 25], "a reconstruction says where in the object it is", 0.0)


def _blended(obj: Wide, top: int, left: int, side: int, down: float, right: float) -> Wide:
    """The window at a whole pixel, moved by parts of one."""
    made = np.zeros((side, side), obj.dtype)
    for dy, fy in ((0, 1 - wide(down)), (1, wide(down))):
        for dx, fx in ((0, 1 - wide(right)), (1, wide(right))):
            made = made + fy * fx * obj[top + dy : top + dy + side, left + dx : left + dx + side]
    return made


def neighbours(x: Array, y: Array) -> NDArray[np.int64]:
    """`(M, 4)` nearest other points by (distance, index), from every distance."""
    squares = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
    np.fill_diagonal(squares, np.inf)
    return np.argsort(squares, axis=1, kind="stable")[:, :NEIGHBOURS]


def _wrong_groups(groups: Array, wanted: int, channels: int) -> int:
    """Seeds that repeat or are out of order, members that repeat, are not neighbours or not in order of distance."""
    x, y = core.raster()
    if groups.shape != (wanted, channels) or groups.dtype != np.int64:
        return int(groups.size) or 1
    near = neighbours(x, y)
    wrong = int(np.sum(np.diff(groups[:, 0]) <= 0)) + int(np.sum((groups < 0) | (groups >= len(x))))
    if wrong:
        return wrong
    for first, *others in groups.tolist():
        ranks = [near[first].tolist().index(k) if k in near[first] else -1 for k in others]
        wrong += ranks != sorted(set(ranks)) or -1 in ranks
    return wrong


def _groups(request: Request) -> Iterator[Law]:
    x, y = core.raster()
    channels = request.model.channels
    for name, wanted in (("all", len(x)), ("some", 11)):
        yield _count(
            f"groups.{name}",
            "seed points differ and ascend; members are among the four nearest by (distance, index), nearer ones first",
            (f"groups.{name}",),
            lambda a, wanted=wanted: _wrong_groups(a, wanted, channels),
        )
        groups = f"core.groups.{name}"
        for part in ("offsets", "relative"):
            answer = f"{groups}.{part}"
            yield _between(
                answer,
                "(x, y) of the group's mean, and −(coords − mean)",
                (groups, answer),
                itemgetter(answer),
                partial(_coordinates, groups, part),
            )
    yield _count(
        "groups.subset",
        "fewer groups are a subset of more",
        ("groups.all", "groups.some"),
        lambda every, some: len(set(some[:, 0].tolist()) - set(every[:, 0].tolist())),
    )
    if channels > 1:
        yield _count(
            "groups.drawn",
            "members are drawn, and are not always the nearest three",
            ("groups.all",),
            lambda a: np.array_equal(a[:, 1:], neighbours(x, y)[a[:, 0], : channels - 1]),
        )


def _coordinates(groups: str, part: str, arrays: Given) -> Wide:
    x, y = (wide(values)[arrays[groups]] for values in core.raster())
    coords = np.stack([x, y], axis=1)[:, None]
    mean = coords.sum(axis=-1, keepdims=True) / coords.shape[-1]
    return np.asarray(mean if part == "offsets" else mean - coords)


def _between(
    name: str, says: str, needs: tuple[str, ...], actual: Callable[[Given], Array], expected: Callable[[Given], Wide]
) -> Law:
    """A law whose expected value follows from another answer."""

    def residual(arrays: Given) -> float:
        return law_of(name, says, needs, actual, expected(arrays), LIMIT).residual(arrays)

    return Law(name=name, says=says, needs=needs, residual=residual, limit=LIMIT)


def _splits() -> Iterator[Law]:
    for n_groups, batch_size in core.SPLITS:
        held = min(max(math.ceil(VALIDATION * n_groups), batch_size), n_groups // 2)
        yield _count(
            f"split.{n_groups}.{batch_size}",
            f"{held} of {n_groups} groups validate, the others train, none is in both, and the draw is not a cut",
            (f"split.{n_groups}.{batch_size}.train", f"split.{n_groups}.{batch_size}.validation"),
            lambda train, validation, n=n_groups, held=held: (
                (len(validation) != held)
                + (sorted([*train.tolist(), *validation.tolist()]) != list(range(n)))
                + bool(np.any(np.diff(train) <= 0))
                + bool(np.any(np.diff(validation) <= 0))
                # The first or the last of a scan are one corner of the object, and no sample of it.
                + (n >= 40 and (int(validation.max()) < n // 2 or int(validation.min()) > n // 2))
            ),
        )


def _orders() -> Iterator[Law]:
    train = np.arange(0, 90, 3)
    yield _count(
        "orders.permuted",
        "every epoch visits every training group once",
        ("orders",),
        lambda a: a.shape != (core.EPOCHS, len(train)) or sum(sorted(row) != train.tolist() for row in a.tolist()),
    )
    yield _count(
        "orders.differ",
        "no two epochs, and no two seeds, visit them in one order, nor in the file's",
        ("orders", "orders.other_seed"),
        lambda a, other: len(a) + 2 - len({tuple(row) for row in [*a.tolist(), other.tolist(), train.tolist()]}),
    )


def _initial(request: Request) -> Iterator[Law]:
    yield _count(
        "initial.kernels",
        "kernels are uniform within ±√(6/(fan in + fan out)), by their extent and their moments",
        ("initial.kernels",),
        lambda a: sum(_unlike_glorot(*row) for row in a.tolist()),
    )
    yield _count("initial.biases", "biases are zero", ("initial.biases",), lambda a: a.size == 0 or bool(np.any(a)))
    yield _count("initial.twins", "one seed is one draw", ("initial.twins",), lambda a: a.size == 0 or not np.all(a))
    yield _count(
        "initial.strangers", "another seed is another", ("initial.strangers",), lambda a: a.size == 0 or np.any(a)
    )
    w = math.log(formulas.intensity_scale(core.NPHOTONS, request.model.side))
    yield _is("initial.scale", w, "w starts at ln S")


def _unlike_glorot(outputs: float, inputs: float, largest: float, mean: float, square: float, fourth: float) -> bool:
    """Whether a kernel's extent or moments are not those of its uniform law: 0, 1/3 and 1/5 in units of its limit."""
    limit = math.sqrt(6 / ((inputs + outputs) * 9))
    n = inputs * outputs * 9
    found = ((mean / limit, 0, 1 / 3), (square / limit**2, 1 / 3, 4 / 45), (fourth / limit**4, 1 / 5, 16 / 225))
    unlike = any(abs(value - wanted) > SIGMAS * math.sqrt(spread / n) for value, wanted, spread in found)
    # The largest of n uniform values is below 1 − t with probability e^(−n·t).
    return unlike or largest > limit or largest < limit * (1 - 20 / n)


def _loaded(request: Request) -> Iterator[Law]:
    probe = formulas.normalised_probe(wide(core.modes(64).astype(np.complex64)))
    yield _is("loaded.probe", probe, "training gets the file's probe, normalised once")
    yield _is("loaded.inference_probe", probe, "inference gets the same")
    nphotons = [core.NPHOTONS] * 2
    yield _is("loaded.nphotons", nphotons, "photons are the file's, and at inference those of the training", 0.0)
    frames = wide(core.frames(request.scan.seed))
    energy = np.sum(frames**2, axis=(-2, -1))

    def factors(arrays: Given) -> Wide:
        members = sorted(set(arrays["core.loaded.groups"][arrays["core.loaded.train"]].ravel().tolist()))
        return np.stack([np.sqrt(wide(32.0**2) / np.mean(energy[members])), wide(0.5)])

    yield _between(
        "core.loaded.normalisation",
        "the mean is over patterns that train, each once; inference takes the training's factor",
        ("core.loaded.groups", "core.loaded.train", "core.loaded.normalisation"),
        itemgetter("core.loaded.normalisation"),
        factors,
    )


def _stitched(request: Request) -> Iterator[Law]:
    x, y = (values.astype(int) for values in core.raster())
    channels = request.model.channels
    yield _count(
        "stitched.groups",
        "inference reconstructs every pattern of a scan at least once",
        ("stitched.groups",),
        lambda a: a.shape != (len(x), channels) or sorted(a[:, 0].tolist()) != list(range(len(x))),
    )
    halved = core.frames(request.scan.seed) * np.float32(0.5)
    yield _count(
        "stitched.seen",
        "every pattern reaches the network under its own index, at the training's scale",
        ("stitched.seen",),
        lambda a: a.shape != halved.shape or np.sum(np.any(a != halved, axis=(-2, -1))),
    )
    half = CROP // 2
    top, left = int(y.min()) - half, int(x.min()) - half
    bottom, right = int(y.max()) + half, int(x.max()) + half
    yield _is("stitched.crop", [top, bottom, left, right], "the extent is that of the corrected positions", 0.0)

    def overlap(arrays: Given) -> Wide:
        count = np.zeros((bottom - top, right - left))
        for k in arrays["core.stitched.groups"].ravel().tolist():
            count[y[k] - half - top : y[k] + half - top, x[k] - half - left : x[k] + half - left] += 1
        return wide(count)

    needs = ("core.stitched.groups",)
    yield _between(
        "core.stitched.overlap",
        "each patch counts once on its central 20 × 20 pixels",
        (*needs, "core.stitched.overlap"),
        itemgetter("core.stitched.overlap"),
        overlap,
    )
    obj = landscape(np.arange(top, bottom)[:, None], np.arange(left, right))
    yield _between(
        "core.stitched.object",
        "true patches through store, batches and stitcher are the object",
        (*needs, "core.stitched.object"),
        itemgetter("core.stitched.object"),
        lambda a: wide(np.where(overlap(a) > 0, obj, 0)),
    )
