"""
The laws of the physics (R2c): what a backend's answers must fulfil together, whatever the other backend says.

Two backends that share a mistake agree with each other. A law does not compare them: each side is held against energy
conservation, the shift theorem, its own adjoint, or a formula that imports no core.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import itemgetter

import numpy as np

from harness.parity.compare.comparison import Array, Judgement, Result, stray
from harness.parity.compare.elements import Element, apart, gap, listed
from harness.parity.compare.number_format import readable
from harness.parity.reference import core_invariants, formulas
from harness.parity.reference.formulas import wide
from harness.parity.reference.invariant import Given, Law, agree, counted, law_of
from ptycho.parity.case import Case
from ptycho.parity.invariants import FLUX, SCALE, SHIFT, SIDE, cases, landscape
from ptycho.parity.request import Request, below

LIMIT = 1e-13 * math.log2(SIDE)
"""Of a residual: a few hundred rounding units, and as many more as a transform has stages."""


def laws(request: Request) -> list[Law]:
    """Every law for one request, names beginning with `R2c/`."""
    asked = {case.name: case for case in cases(request)}
    return [
        *_far_field(asked),
        *_flux(asked),
        *(_masks(asked) if request.masked else ()),
        *_adjoints(asked),
        *_assembly(asked, request),
        *_probe(asked, request),
        *core_invariants.laws(request, asked),
    ]


def judge(all_laws: Sequence[Law], answers: Mapping[str, Mapping[str, Array]]) -> list[Judgement]:
    """
    Judge every law on every side.

    Args:
        all_laws: from `laws`.
        answers: arrays by side and name; names of other rungs are ignored.
    """
    given = {side: below(arrays, "R2c/") for side, arrays in answers.items()}
    known = set(chain.from_iterable(law.needs for law in all_laws))
    strays = {name: [side for side in given if name in given[side]] for a in given.values() for name in a}
    return [
        *(_judge(law, given) for law in all_laws),
        *(stray(f"R2c/{name}", sides) for name, sides in strays.items() if name not in known),
    ]


def _judge(law: Law, given: Mapping[str, Given]) -> Judgement:
    figures: dict[str, float] = {}
    reasons: list[str] = []
    guilty: list[str] = []
    beyond = False
    for side, arrays in given.items():
        missing = [name for name in law.needs if name not in arrays]
        try:
            figure = math.inf if missing else law.residual(arrays)
        except (ValueError, IndexError, TypeError) as error:
            # An answer of another shape or type cannot even be put into the law, and fails it.
            reasons.append(f"{side} gave something that cannot be put into it ({error})")
            figure = math.inf
        # A law may not look at every element of its answers; none of them may be no number.
        unreal = [name for name in law.needs if name in arrays and _has_nan(arrays[name])]
        figure = math.inf if math.isnan(figure) or unreal else figure
        if unreal:
            reasons.append(f"{side} gave NaN in {', '.join(unreal)}")
        elif missing:
            reasons.append(f"{side} did not give {', '.join(missing)}")
        elif figure == math.inf:
            reasons.append(f"{side} breaks it beyond any limit: {law.says}")
        elif figure > law.limit:
            reasons.append(f"{side} breaks it by {readable(figure)}; allowed {readable(law.limit)}: {law.says}")
        if figure > law.limit:
            guilty.append(side)
        beyond = beyond or figure == math.inf
        figures[side] = figure
    worst, differing = _worst(law, given[guilty[0]], guilty[0]) if guilty else ((), None)
    return Judgement(
        tensor=f"R2c/{law.name}",
        result=Result.FAIL if guilty else Result.PASS,
        reasons=tuple(reasons),
        figures=figures,
        tolerance=law.limit,
        guilty=tuple(guilty),
        shared=law.name.startswith("core.") and len(guilty) > 1,
        worst=worst,
        differing=differing,
        beyond_tolerance=beyond,
    )


def pair(law: Law, arrays: Given) -> tuple[Array, Array] | None:
    """Return what was made and what a law requires, in double precision; None where the law has no such pair."""
    if law.pair is None or any(name not in arrays for name in law.needs):
        return None
    try:
        made, expected = (np.asarray(array) for array in law.pair(arrays))
    except (ValueError, IndexError, TypeError):
        return None  # the judgement says that it cannot be put into the law
    if made.shape != expected.shape or made.dtype.kind not in "fc":
        return None
    double = np.complex128 if np.iscomplexobj(made) or np.iscomplexobj(expected) else np.float64
    return made.astype(double), expected.astype(double)


def _worst(law: Law, arrays: Given, side: str) -> tuple[tuple[Element, ...], int | None]:
    found = pair(law, arrays)
    if found is None:
        return (), None
    made, expected = found
    gaps = gap(made, expected)
    differing = apart(gaps, expected, law.limit)
    return listed(f"R2c/{law.name}", {side: made, "law": expected}, gaps, differing), int(np.sum(differing))


def _has_nan(array: Array) -> bool:
    return array.dtype.kind in "fc" and bool(np.isnan(array).any())


def _far_field(asked: Mapping[str, Case]) -> Iterator[Law]:
    plain = asked["light"].given
    yield law_of(
        "light.formula",
        "the far field of P·O, modes added as intensities, DC in the middle",
        ("light",),
        itemgetter("light"),
        formulas.intensity(wide(plain["objects"]), wide(plain["probe"])),
        LIMIT,
    )
    energy = np.sum(np.abs(plain["objects"][:, :, None] * plain["probe"]) ** 2, axis=(-3, -2, -1))
    yield law_of(
        "light.parseval",
        "the intensity adds up to that of |P·O|² (Parseval)",
        ("light",),
        lambda a: a["light"].sum(axis=(-2, -1)),
        energy,
        LIMIT,
    )
    for name, says in (
        ("object_ramp", "a phase ramp on the object moves the far field to higher frequencies"),
        ("probe_ramp", "a phase ramp on the probe moves it the same way: neither is conjugated or transposed"),
    ):
        yield agree(f"light.{name}", says, ("light", f"light.{name}"), partial(_moved, f"light.{name}"), LIMIT)
    yield agree(
        "light.rolled",
        "moving probe and object together moves nothing",
        ("light", "light.rolled"),
        lambda a: (a["light.rolled"], a["light"]),
        LIMIT,
    )
    yield agree(
        "light.conjugate",
        "conjugating probe and object turns the far field about its middle",
        ("light", "light.conjugate"),
        lambda a: (a["light.conjugate"], np.roll(a["light"][..., ::-1, ::-1], (1, 1), axis=(-2, -1))),
        LIMIT,
    )
    yield agree(
        "light.modes",
        "incoherent modes add as intensities",
        ("light", "light.first_mode", "light.second_mode"),
        lambda a: (a["light"], a["light.first_mode"] + a["light.second_mode"]),
        LIMIT,
    )
    yield agree(
        "light.brighter",
        "k times the flux is k times the intensity",
        ("light", "light.brighter"),
        lambda a: (a["light.brighter"], FLUX * a["light"]),
        LIMIT,
    )
    yield agree("root", "the amplitude is its root", ("light", "root"), lambda a: (a["root"] ** 2, a["light"]), LIMIT)


def _moved(name: str, arrays: Given) -> tuple[Array, Array]:
    return arrays[name], np.roll(arrays["light"], SHIFT, axis=(-2, -1))


def _half_the_difference(one: str, other: str, arrays: Given) -> Array:
    return np.asarray((arrays[one] - arrays[other]) / 2)


def _flux(asked: Mapping[str, Case]) -> Iterator[Law]:
    given = {name: wide(value) for name, value in asked["terms"].given.items()}
    counts = (given["diffraction"] * wide(SCALE)) ** 2
    lost = float(np.mean(counts)) * FLUX * math.log(FLUX)
    names = ("nll", "mae", "variation", "total", "deviance")
    position = {name: index for index, name in enumerate(names)}

    def term(arrays: Given, name: str, which: str) -> Array:
        return np.asarray(arrays[name][position[which]])

    both = ("terms", "terms.brighter")
    yield agree(
        "terms.nll",
        "k times the flux: k·(likelihood − mean counts·ln k)",
        both,
        lambda a: (term(a, both[1], "nll"), FLUX * term(a, both[0], "nll") - lost),
        LIMIT,
    )
    yield agree(
        "terms.deviance",
        "k times the flux is k times the deviance",
        both,
        lambda a: (term(a, both[1], "deviance"), FLUX * term(a, both[0], "deviance")),
        LIMIT,
    )
    # ε under the root does not grow with the flux, and moves it by this much.
    yield agree(
        "terms.mae",
        "k times the flux leaves the amplitude's relative error as it is",
        both,
        lambda a: (term(a, both[1], "mae"), term(a, both[0], "mae")),
        LIMIT + 1e-12,
    )
    yield agree(
        "terms.total",
        "the total is the likelihood and the weighted others",
        ("terms",),
        lambda a: (
            term(a, "terms", "total"),
            term(a, "terms", "nll") + 0.3 * term(a, "terms", "mae") + 0.2 * term(a, "terms", "variation"),
        ),
        LIMIT,
    )
    size = float(np.mean((wide(asked["terms.perfect"].given["diffraction"]) * wide(SCALE)) ** 2))
    yield Law(
        name="terms.perfect",
        says="a perfect fit has no deviance",
        needs=("terms.perfect",),
        residual=lambda a: float(abs(term(a, "terms.perfect", "deviance"))) / size,
        limit=LIMIT,
    )


def _masks(asked: Mapping[str, Case]) -> Iterator[Law]:
    """Yield what is under a mask counts nowhere, and the parts on both sides of it add up to the whole."""
    share = asked["masked"].settings["good_share"]
    good = asked["masked"].given["good"]
    yield agree(
        "masked.other",
        "another prediction under the mask changes no bit of any term",
        ("masked", "masked.other"),
        lambda a: (a["masked.other"], a["masked"]),
        0.0,
    )
    yield agree(
        "masked.sum",
        "the mean over all pixels is that over good ones and that over the rest, each by its share",
        ("masked", "masked.rest", "masked.whole"),
        lambda a: (share * a["masked"] + (1 - share) * a["masked.rest"], a["masked.whole"]),
        LIMIT,
    )
    yield counted(
        "masked.slope",
        "the gradient to a prediction under the mask is exactly 0, to any other it is not",
        ("masked.slope",),
        lambda a: float(np.count_nonzero((a["masked.slope"] != 0) != good)),
    )


def _adjoints(asked: Mapping[str, Case]) -> Iterator[Law]:
    """Re⟨A·x, y⟩ = Re⟨x, A*·y⟩, A* being what the framework differentiates backwards."""
    for to in ("objects", "probe"):
        pull = asked[f"light.{to}.pull"]
        step = asked[f"light.{to}.ahead"].given[to] - pull.given[to]
        assert pull.upstream is not None
        yield _dot(
            f"light.{to}.adjoint",
            (f"light.{to}.ahead", f"light.{to}.behind"),
            partial(_half_the_difference, f"light.{to}.ahead", f"light.{to}.behind"),
            pull.upstream,
            step,
            f"light.{to}.pull",
        )
    for name, case in asked.items():
        if case.to is None or name.startswith(("light.", "masked.")):
            continue
        value = name.removesuffix(".pull") if name.removesuffix(".pull") in asked else case.operation
        assert case.upstream is not None
        yield _dot(
            f"{name.removesuffix('.pull')}.adjoint",
            (value,),
            itemgetter(value),
            case.upstream,
            case.given[case.to],
            name,
        )


def _dot(
    name: str, needs: tuple[str, ...], forward: Callable[[Given], Array], upstream: Array, step: Array, pull: str
) -> Law:
    def residual(arrays: Given) -> float:
        made, back = forward(arrays), arrays[pull]
        if made.shape != upstream.shape or back.shape != step.shape:
            raise ValueError(f"shapes {made.shape} and {back.shape}, expected {upstream.shape} and {step.shape}")
        ahead, behind = np.sum((upstream.conj() * made).real), np.sum((back.conj() * step).real)
        # Relative to the norms and not to the products, which may cancel.
        size = np.linalg.norm(made.ravel()) * np.linalg.norm(upstream.ravel())
        return float(abs(ahead - behind) / size)

    says = "the gradient is the adjoint of the operation: ⟨A·x, y⟩ = ⟨x, A*·y⟩"
    return Law(name=name, says=says, needs=(*needs, pull), residual=residual, limit=LIMIT)


def _assembly(asked: Mapping[str, Case], request: Request) -> Iterator[Law]:
    gridsize = request.model.gridsize
    for step in ("whole", "any"):
        given = {name: wide(value) for name, value in asked[f"assemble.{step}"].given.items()}
        canvas = formulas.assembled(given["patches"], given["coords_relative"], gridsize)
        cut = asked[f"extract.{step}"].given
        patches = formulas.extracted(wide(cut["canvas"]), wide(cut["coords_relative"]), SIDE)
        agreed = given["patches"] if gridsize == 1 else formulas.extracted(canvas, given["coords_relative"], SIDE)
        for name, value, says in (
            (
                "assemble",
                canvas,
                "patches move by −coords_relative, x along columns, and are averaged under their masks",
            ),
            ("extract", patches, "a patch is cut from where it was put"),
            ("consistent", agreed, "patches that agree are assembled and cut again; a single one stays what it is"),
        ):
            answer = f"{name}.{step}"
            yield law_of(f"{answer}.formula", says, (answer,), itemgetter(answer), value, LIMIT)
    yield from _true_patches(asked, gridsize)


def _true_patches(asked: Mapping[str, Case], gridsize: int) -> Iterator[Law]:
    """Patches of one object, each at its own place, are that object again: no checkerboard, no mirror, no seam."""
    given = asked["true.assemble"].given
    side = formulas.canvas_side(SIDE, gridsize)
    rows, columns = formulas.tents(side, SIDE, wide(given["coords_relative"]))
    count = formulas.placed(formulas.centre(SIDE), rows, columns).sum(axis=1)
    axis = np.arange(side) - side // 2
    obj = landscape(50 + axis[:, None], 70 + axis)
    yield law_of(
        "true.assembled",
        "true patches are put together to the object",
        ("true.assemble",),
        itemgetter("true.assemble"),
        obj * (count / (count + wide(formulas.MASK_FLOOR))),
        LIMIT,
    )
    middle = slice(SIDE // 2 - 4, SIDE // 2 + 4)
    share = count / (count + wide(formulas.MASK_FLOOR)) if gridsize > 1 else count * 0 + 1
    weights = formulas.extracted(share, wide(given["coords_relative"]), SIDE)
    yield law_of(
        "true.agreed",
        "patches that agree already are left as they are",
        ("true.consistent",),
        lambda a: a["true.consistent"][..., middle, middle],
        (given["patches"] * weights)[..., middle, middle],
        LIMIT,
    )


def _probe(asked: Mapping[str, Case], request: Request) -> Iterator[Law]:
    single = request.precision != "f64"
    objects = wide(asked["illumination"].given["objects"])[:, :, None]
    given = law_of(
        "illumination.given",
        "the engine illuminates with the probe that it was given, scaled no second time",
        ("illumination",),
        itemgetter("illumination"),
        objects * request.probe,
        2.0**-23 if single else LIMIT,
    )
    # What is shown is the probe alone: the result of it is not recognised under the object.
    yield replace(given, pair=lambda a: (wide(a["illumination"]) / objects, request.probe + 0 * objects))

    def scale(arrays: Given) -> float:
        power = np.abs(wide(arrays["illumination"]) / objects) ** 2
        share = np.mean(formulas.disk(power.shape[-1]) * np.sqrt(np.sum(power, axis=2)))
        return float(abs(share * request.model.probe_scale - 1))

    yield Law(
        name="illumination.scale",
        says="probe scale times the mean of |P| over the disk is 1: it was normalised, and once",
        needs=("illumination",),
        residual=scale,
        limit=2.0**-23 if single else LIMIT,
    )
