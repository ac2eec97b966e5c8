"""
Judge what a physics adapter made of known arrays: exactly right, or what it resembles, in words.

Every candidate is a known array with some deviations (mirrored, squared, masked, another norm …). The one with the
fewest deviations that explains the answer names the mistake; a factor is fitted and named apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.attach.known_arrays import KnownArrays
from harness.attach.stitched import judge_stitch
from harness.parity.compare.comparison import distance
from harness.parity.compare.number_format import readable
from harness.parity.output import factor, resemblance
from harness.parity.reference import formulas

Array = NDArray[Any]
NEAR = 2e-4
"""Distance that is float32's own, with room for the sums of a transform."""

PROBE_SCALE = 4.0


@dataclass(frozen=True, kw_only=True)
class PhysicsResult:
    """
    The result of one function.

    Attributes:
        function: `stitch`, `diffract`, `load` or `normalise_probe`.
        result: `pass`, `fail`, or `not exposed`.
        sentences: what is wrong, one each.
        names: short names of it, for tables and tests.
        figures: distance and factor, as far as there are any.
    """

    function: str
    result: str
    sentences: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


def judge(function: str, answers: Mapping[str, Array], known: KnownArrays) -> PhysicsResult:
    """
    Judge one function.

    Args:
        function: its name.
        answers: what it gave, by case.
        known: what it was given.
    """
    found: list[tuple[str, str]] = []
    figures: dict[str, float] = {}
    if function == "stitch":
        found, figures = judge_stitch(answers["scan"], known)
    elif function == "diffract":
        found, figures = judge_diffract(answers, known)
    elif function == "load":
        found = list(judge_load(answers, known))
    else:
        found = list(judge_probe(answers, known))
    sentences = tuple(sentence for _, sentence in found)
    names = tuple(name for name, _ in found)
    return PhysicsResult(
        function=function, result="fail" if found else "pass", sentences=sentences, names=names, figures=figures
    )


def shape_problem(answer: Array, shape: tuple[int, ...]) -> str:
    """Return what makes an answer incomparable; empty if nothing does."""
    if answer.shape != shape:
        return f"it has shape {answer.shape}, expected {shape}"
    bad = int(np.sum(~np.isfinite(answer)))
    return f"{bad} of its values are NaN or infinite" if bad else ""


SHIFTS = (
    ("", ()),
    ("a missing or an extra fftshift", (-2, -1)),
    ("an fftshift along axis 0 missing or extra", (-2,)),
    ("an fftshift along axis 1 missing or extra", (-1,)),
)
TURNS = (
    ("", lambda a: a),
    ("conjugated (the pattern is turned by 180° about its centre)", lambda a: _about_centre(a, (-2, -1))),
    ("transposed", lambda a: np.swapaxes(a, -1, -2)),
    ("mirrored along y (axis 0)", lambda a: _about_centre(a, (-2,))),
    ("mirrored along x (axis 1)", lambda a: _about_centre(a, (-1,))),
)
MODES = (("", False), ("modes are summed before squaring", True))
POWERS = (("", 2.0), ("amplitude instead of intensity", 1.0), ("intensity squared", 4.0))
MASKS = (("", False), ("a central mask on the exit wave", True))


def _about_centre(a: Array, axes: tuple[int, ...]) -> Array:
    return np.roll(np.flip(a, axes), [1 - a.shape[axis] % 2 for axis in axes], axes)


def patterns(waves: Array) -> Iterator[tuple[tuple[str, ...], Array]]:
    """Every candidate pattern with its deviations, those with few of them first."""
    many = len(waves) > 1
    options = list(product(SHIFTS, TURNS, MODES if many else MODES[:1], POWERS, MASKS))
    options.sort(key=lambda chosen: sum(bool(entry[0]) for entry in chosen))
    for (shift, axes), (turn, turned), (modes, coherent), (power, exponent), (mask, masked) in options:
        psi = waves * np.asarray(formulas.centre(waves.shape[-1]), np.float64) if masked else waves
        far = np.asarray(formulas.far_field(formulas.wide(psi)), np.complex128)
        intensity = np.abs(far.sum(axis=0)) ** 2 if coherent else np.sum(np.abs(far) ** 2, axis=0)
        pattern = turned(intensity ** (exponent / 2))
        if axes:
            pattern = np.fft.ifftshift(pattern, axes=axes)
        yield tuple(name for name in (shift, turn, modes, power, mask) if name), pattern


def judge_diffract(answers: Mapping[str, Array], known: KnownArrays) -> tuple[list[tuple[str, str]], dict[str, float]]:
    """Against Σ|FFT ψ|² / N², its zero frequency in the centre, energy kept."""
    for case, waves in (("two", known.waves), ("one", known.waves[:1])):
        answer = np.squeeze(answers[case])
        if (problem := shape_problem(answer, waves.shape[-2:])) or np.iscomplexobj(answer):
            return [("shape", f"the pattern: {problem or 'it is complex, expected intensity'}")], {}
    answer = np.squeeze(answers["two"]).astype(np.float64)
    best: tuple[float, tuple[str, ...], float] = (np.inf, (), 1.0)
    for deviations, pattern in patterns(known.waves):
        scale = _scale(answer, pattern)
        apart = distance(answer, scale * pattern)
        if apart < best[0]:
            best = (apart, deviations, scale)
        if apart <= NEAR:
            break
    apart, deviations, scale = best
    figures = {"distance": apart, "factor": scale}
    if apart > NEAR:
        nearest = f"nearest: {', '.join(deviations) or 'the formula itself'}, D = {readable(apart)}"
        return [("unexplained", f"the pattern is explained by no single mistake; {nearest}")], figures
    found = [(name, name) for name in deviations]
    if abs(scale - 1) > NEAR:
        found.append(("factor", _norm(scale, known.side, deviations)))
    return found, figures


def _scale(actual: Array, expected: Array) -> float:
    return float(np.vdot(expected, actual).real / np.vdot(expected, expected).real)


def _norm(scale: float, side: int, deviations: Sequence[str]) -> str:
    """A factor in the words of a transform's norm, where it is one."""
    exponent = 0.5 if any(name.startswith("amplitude") for name in deviations) else 1.0
    for name, value in (
        ("no norm (a forward transform that is not divided)", side**2),
        ("divided by N² twice", side**-2),
    ):
        if abs(scale / float(value) ** exponent - 1) < NEAR:
            return f"wrong FFT norm: {factor.spoken(round(scale, 12))} × what is expected: {name}"
    return f"{factor.spoken(_rounded(scale))} × what is expected"


def _rounded(value: float) -> float:
    """A factor without what float32 adds to it: the whole number, or one over it, that it is nearly."""
    for number in (value, 1 / value if value else 0.0):
        if number >= 0.5 and abs(number - round(number)) < NEAR * number:
            return float(round(number)) if number == value else 1 / round(number)
    return float(f"{value:.6g}")


AXES: Mapping[str, tuple[str, ...]] = {
    "diffraction": ("pattern", "row", "column"),
    "xcoords": ("position",),
    "ycoords": ("position",),
    "probe": ("row", "column"),
    "object": ("row", "column"),
}


def judge_load(answers: Mapping[str, Array], known: KnownArrays) -> Iterator[tuple[str, str]]:
    """Each array that the loader gives, against the file's own."""
    wanted = {
        "diffraction": known.file["diffraction"],
        "xcoords": known.file["xcoords"],
        "ycoords": known.file["ycoords"],
        "probe": known.file["probeGuess"],
        "object": known.file["objectGuess"],
    }
    if not set(answers) & set(wanted):
        yield "keys", f"load gave {', '.join(answers) or 'nothing'}; allowed: {', '.join(wanted)}"
        return
    x, y = (answers.get(name) for name in ("xcoords", "ycoords"))
    if x is not None and y is not None and _same(x, wanted["ycoords"]) and _same(y, wanted["xcoords"]):
        yield "coordinates exchanged", "xcoords and ycoords are exchanged"
        wanted = {name: value for name, value in wanted.items() if "coords" not in name}
    for name, right in wanted.items():
        if name not in answers:
            continue
        given = np.squeeze(answers[name])
        if not _same(given, right):
            wide = _wide(given, right)
            said = resemblance.explain(wide[0], wide[1], NEAR / 100, AXES[name])
            sentence = f"{name} is {said}" if said else f"{name} is not what the file holds{_shapes(given, right)}"
            yield name, sentence


def _wide(*arrays: Array) -> list[Array]:
    return [a.astype(np.complex128 if np.iscomplexobj(a) else np.float64) for a in arrays]


def _same(given: Array, right: Array) -> bool:
    given = np.squeeze(given)
    return given.shape == right.shape and distance(*_wide(given, right)) <= NEAR / 100


def _shapes(given: Array, right: Array) -> str:
    if given.shape != right.shape:
        return f": shape {given.shape}, expected {right.shape}"
    return f": D = {readable(distance(*_wide(given, right)))}"


def judge_probe(answers: Mapping[str, Array], known: KnownArrays) -> Iterator[tuple[str, str]]:
    """Against P / (4 · mean(disk·|P|)), |P|² summed over modes; and whether it depends on the probe's scale."""
    for case, probe in (("one", known.probe[:1]), ("two", known.probe)):
        answer = answers[case].reshape(-1, *answers[case].shape[-2:]) if answers[case].ndim >= 2 else answers[case]
        if problem := shape_problem(answer, probe.shape):
            yield "shape", f"the normalised probe: {problem}"
            return
        right = np.asarray(formulas.normalised_probe(formulas.wide(probe), PROBE_SCALE), np.complex128)
        given = answer.astype(np.complex128)
        if distance(given, right) <= NEAR:
            continue
        yield from _wrong_probe(given, right, probe)
        return
    if not _same_scale(answers):
        yield "scale", "a probe three times as strong is normalised to something else: the norm depends on its scale"


def _same_scale(answers: Mapping[str, Array]) -> bool:
    one, other = (answers[case].astype(np.complex128) for case in ("two", "tripled"))
    return one.shape == other.shape and distance(other, one) <= NEAR


def _wrong_probe(given: Array, right: Array, probe: Array) -> Iterator[tuple[str, str]]:
    mask = np.asarray(formulas.disk(probe.shape[-1]), np.float64)
    each = np.concatenate(
        [np.asarray(formulas.normalised_probe(formulas.wide(p[None]), PROBE_SCALE), np.complex128) for p in probe]
    )
    candidates = (
        ("conjugated", "the complex conjugate", right.conj()),
        ("masked", "cut to the central disk", right * mask),
        ("modes apart", "normalised mode by mode: their powers are lost", each),
        ("not normalised", "the probe as it was given", probe.astype(np.complex128)),
        ("shifted", "shifted by half its length (an fftshift)", np.fft.fftshift(right, axes=(-2, -1))),
        ("transposed", "transposed", np.swapaxes(right, -1, -2)),
    )
    for name, sentence, candidate in candidates:
        if distance(given, candidate) <= NEAR:
            yield name, f"the normalised probe is {sentence}"
            return
    scale = complex(np.vdot(right, given) / np.vdot(right, right))
    if distance(given, scale * right) <= NEAR:
        if abs(scale.imag) > NEAR * abs(scale):
            yield "phase", f"the normalised probe is turned by a phase of {np.angle(scale):.4g} rad"
        else:
            spoken = factor.spoken(_rounded(scale.real))
            yield (
                "factor",
                f"{spoken} × what is expected: the object comes out {factor.spoken(_rounded(1 / scale.real))} ×",
            )
        return
    apart = readable(distance(given, right))
    yield "unexplained", f"the normalised probe is explained by no single mistake, D = {apart}"
