"""
Expected values of single operations (R2), and their bounds.

A bound follows from the operation and not from what a backend happens to reach: a sum of n products errs by about √n
units in the last place of what it adds, a fast transform by log2 of its length, a copy not at all. Only the elementary
functions are bounded by what their libraries reach; that table has a reason a row.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.parity.reference import formulas
from harness.parity.reference.formulas import Wide, wide
from ptycho.parity.case import Case
from ptycho.parity.operations import cases
from ptycho.parity.request import Request

DOUBLE = 2.0**-53
"""Unit roundoff of float64, in which the loss is computed whatever the precision of the run."""

UNIT = {"f64": DOUBLE, "f32": 2.0**-24, "bf16": 2.0**-24}

_NARROW = 0.0 if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else 2.0
"""Added to limits in units in the last place where NumPy has nothing wider than float64 to judge it by."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """
    Error that an elementary function may have.

    Attributes:
        f64: units in the last place in float64.
        f32: the same in float32.
        reason: what is behind the figures.
    """

    f64: float
    f32: float
    reason: str


ACCURACIES = {
    "amplitude_head": Accuracy(f64=4, f32=9, reason="a sigmoid: 2.3 and, in TensorFlow's float32, 6.1 at most"),
    "phase_head": Accuracy(f64=9, f32=8, reason="a tanh times π: TensorFlow 5.6 and 4.8 at most, PyTorch 1.8"),
    "join": Accuracy(f64=6, f32=12, reason="a sigmoid and a product: TensorFlow 3.2 and 8.5 at most, PyTorch 2.3"),
    "compose": Accuracy(f64=3, f32=4, reason="cosine or sine, and a product: 1.5 and 2.2 at most"),
    "scaled_input": Accuracy(f64=4, f32=4, reason="an exponential, a quotient and a product: 1.5 at most"),
    "log": Accuracy(f64=3, f32=3, reason="float64 whatever the run's precision: 1.5 at most"),
    "root": Accuracy(f64=5, f32=5, reason="roots and quotients are exactly rounded, and four follow each other"),
}
"""By operation or case: float64, float32. Largest errors over 300,000 arguments on CPU builds of TensorFlow 2.21 and
PyTorch 2.13, with a half more: another build may take another polynomial, none may take a cheaper type."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """
    Requirement on one answer.

    Attributes:
        value: in the widest type.
        dtype: type of the answer.
        scale: what the error is divided by: an array element by element, or one number if `norm`.
        limit: largest |error| / scale that passes (≤); 0 for a copy.
        norm: 1 or 2 if the error is taken as a whole by that norm, None element by element.
        reason: why this limit.
    """

    value: Wide
    dtype: np.dtype[Any]
    scale: Wide
    limit: float
    norm: int | None = None
    reason: str


def expected(request: Request) -> dict[str, Expectation]:
    """Return what every case of R2 must give, by `R2/NAME`."""
    unit = UNIT[request.precision]
    return {f"R2/{case.name}": _RULES[case.operation](case, unit) for case in cases(request)}


def _copy(value: Wide, case: Case) -> Expectation:
    dtype = np.dtype(next(iter(case.given.values())).dtype)
    one = wide(np.max(np.abs(value), initial=0.0) or 1.0)
    return Expectation(value=value, dtype=dtype, scale=one, limit=0.0, reason="a copy of values is exact")


def _close(value: Wide, case: Case, dtype: Any) -> Expectation:
    """To some units in the last place."""
    accuracy = ACCURACIES[case.name if case.name in ACCURACIES else case.operation]
    single = np.dtype(dtype) in (np.float32, np.complex64)
    real = np.float32 if single else np.float64
    rounded = np.abs(np.stack([value.real, value.imag])).max(axis=0) if np.iscomplexobj(value) else np.abs(value)
    return Expectation(
        value=value,
        dtype=np.dtype(dtype),
        scale=wide(np.spacing(rounded.astype(real))),
        limit=accuracy.f32 if single else accuracy.f64 + _NARROW,
        reason=accuracy.reason,
    )


def _convolution(case: Case, unit: float) -> Expectation:
    x, kernel, bias = (wide(case.given[name]) for name in ("x", "kernel", "bias"))
    x = formulas.doubled(x) if case.operation == "upsampled" else x
    value = formulas.convolve(x, kernel, bias)
    if "tap" in case.name:
        return _copy(value, case)
    added = kernel[0].size + 1
    size = formulas.convolve(np.abs(x), np.abs(kernel), np.abs(bias))
    return _summed(value, size, added, unit, case.given["x"].dtype)


def _summed(value: Any, size: Any, added: int, unit: float, dtype: Any) -> Expectation:
    """A sum: `size` is the same sum over absolute values."""
    return Expectation(
        value=wide(value),
        dtype=np.dtype(dtype),
        scale=wide(unit) * size,
        limit=2 * math.sqrt(added),
        reason=f"2·√n rounding units of what is added up, n = {added}",
    )


def _rectified(case: Case, _unit: float) -> Expectation:
    return _copy(np.maximum(wide(case.given["x"]), 0), case)


def _pooled(case: Case, _unit: float) -> Expectation:
    return _copy(formulas.pooled(wide(case.given["x"])), case)


def _amplitude_head(case: Case, _unit: float) -> Expectation:
    return _close(formulas.sigmoid(wide(case.given["x"])), case, case.given["x"].dtype)


def _phase_head(case: Case, _unit: float) -> Expectation:
    pi = np.arccos(np.longdouble(-1))
    return _close(pi * np.tanh(wide(case.given["x"])), case, case.given["x"].dtype)


def _joined(case: Case, _unit: float) -> Expectation:
    inner, outer = wide(case.given["inner"]), wide(case.given["outer"])
    side = outer.shape[-1]
    value = outer * formulas.sigmoid(outer) * (1 - formulas.centre(side))
    value[..., side // 4 : side - side // 4, side // 4 : side - side // 4] += inner
    return _close(value, case, case.given["inner"].dtype) if np.any(outer) else _copy(value, case)


def _composed(case: Case, _unit: float) -> Expectation:
    amplitude, phase = wide(case.given["amplitude"]), wide(case.given["phase"])
    value = amplitude * (np.cos(phase) + 1j * np.sin(phase))
    return _close(value, case, np.result_type(case.given["phase"].dtype, np.complex64))


def _scaled(case: Case, _unit: float) -> Expectation:
    value = wide(case.given["x"]) * wide(case.settings["scale"]) / np.exp(wide(case.given["w"]))
    return _close(value, case, case.given["x"].dtype)


def _illuminated(case: Case, unit: float) -> Expectation:
    objects, probe = wide(case.given["objects"]), wide(case.given["probe"])
    value = objects[:, :, None] * probe
    return Expectation(
        value=value,
        dtype=case.given["objects"].dtype,
        scale=wide(unit) * np.abs(value),
        limit=math.sqrt(5),
        reason="√5 rounding units for a complex product (Brent, Percival & Zimmermann 2007)",
    )


def _diffracted(case: Case, unit: float) -> Expectation:
    power = formulas.intensity(wide(case.given["objects"]), wide(case.given["probe"]))
    transform = 2 * math.log2(power.shape[-1])
    root = case.operation == "amplitude"
    return Expectation(
        value=np.sqrt(power) if root else power,
        dtype=np.zeros((), case.given["objects"].dtype).real.dtype,
        scale=wide(unit) * (np.sqrt(np.sum(power)) if root else np.sum(power)),
        # Squaring doubles a relative error; by Cauchy and Schwarz that of the sum is bounded by the transform's.
        limit=transform + 2 if root else 2 * transform + 4,
        norm=2 if root else 1,
        reason="log2(N²) rounding units for the transform, by norm, twice that for its square, and a few for the rest",
    )


def _reach(case: Case, canvas: int, side: int, unit: float) -> tuple[Wide, Wide]:
    """Tents, widened by the two roundings in them (float64 whatever the precision) unless positions are quarters."""
    rows, columns = formulas.tents(canvas, side, wide(case.given["coords_relative"]))
    blur = wide(2 * DOUBLE / unit if case.name.endswith("any") else 0.0)
    return rows + blur * (rows > 0), columns + blur * (columns > 0)


def _placed(case: Case, unit: float) -> Expectation:
    canvas, side = (int(case.settings[name]) for name in ("canvas", "side"))
    value = np.stack(formulas.tents(canvas, side, wide(case.given["coords_relative"])))
    real = case.given["like"].dtype
    if not case.name.endswith("any"):
        return Expectation(value=value, dtype=real, scale=wide(1.0), limit=0.0, reason="quarters of a pixel are exact")
    scale = wide(unit) * np.stack(_reach(case, canvas, side, unit))
    return Expectation(value=value, dtype=real, scale=scale, limit=4.0, reason="three differences and a cast")


def _extracted(case: Case, unit: float) -> Expectation:
    canvas, side = case.given["canvas"], int(case.settings["side"])
    value = formulas.extracted(wide(canvas), wide(case.given["coords_relative"]), side)
    if case.name.endswith("whole"):
        return _copy(value, case)
    rows, columns = _reach(case, canvas.shape[-1], side, unit)
    size = formulas.placed(np.abs(wide(canvas))[:, None], rows.swapaxes(-1, -2), columns.swapaxes(-1, -2))
    return _summed(value, size, 16, unit, canvas.dtype)


def _assembled(case: Case, unit: float) -> Expectation:
    patches, gridsize = case.given["patches"], int(case.settings["gridsize"])
    side, relative = patches.shape[-1], wide(case.given["coords_relative"])
    value = formulas.assembled(wide(patches), relative, gridsize)
    mask, canvas = formulas.centre(side), formulas.canvas_side(side, gridsize)
    count = formulas.placed(mask, *formulas.tents(canvas, side, relative)).sum(axis=1) + wide(formulas.MASK_FLOOR)
    size = formulas.placed(np.abs(wide(patches)) * mask, *_reach(case, canvas, side, unit)).sum(axis=1) / count
    return _summed(value, size, 16 * gridsize**2, unit, patches.dtype)


def _likelihood(case: Case, _unit: float) -> Expectation:
    rate, counts, epsilon = wide(case.given["rate"]), wide(case.given["counts"]), case.settings["epsilon"]
    logarithm = np.log(np.maximum(rate, wide(epsilon)))
    if case.to == "counts":
        return _close(-logarithm / counts.size, case, np.float64)
    size = np.mean(rate + counts * np.abs(logarithm))
    return _summed(np.mean(formulas.nll(rate, counts, epsilon)), size, counts.size, DOUBLE, np.float64)


def _deviance_size(rate: Wide, counts: Wide, epsilon: float, mean: Callable[[Wide], Wide] = np.mean) -> Wide:
    logarithms = (np.abs(np.log(np.maximum(values, wide(epsilon)))) for values in (rate, counts))
    return np.asarray(2 * mean(rate + counts + counts * sum(logarithms)))


def _deviance(case: Case, _unit: float) -> Expectation:
    rate, counts, epsilon = wide(case.given["rate"]), wide(case.given["counts"]), case.settings["epsilon"]
    value = np.mean(formulas.deviance(rate, counts, epsilon))
    return _summed(value, _deviance_size(rate, counts, epsilon), counts.size, DOUBLE, np.float64)


def _amplitude_error(case: Case, _unit: float) -> Expectation:
    rate, observed, scale = wide(case.given["rate"]), wide(case.given["diffraction"]), wide(case.settings["scale"])
    root = np.sqrt(rate + wide(formulas.ROOT_FLOOR))
    if case.to == "rate":
        value = np.sign(root / scale - observed) / (2 * scale * root) / rate.size
        return _close(value, case, np.float64)
    value = np.mean(np.abs(root / scale - observed))
    return _summed(value, np.mean(root / scale + observed), rate.size, DOUBLE, np.float64)


def _variation(case: Case, unit: float) -> Expectation:
    patches = wide(case.given["patches"])
    value = _variation_of(patches)
    return _summed(value, _variation_size(value, patches, unit), patches.size, DOUBLE, np.float64)


def _variation_of(patches: Wide) -> Wide:
    return np.asarray(sum(np.mean(part) for part in formulas.lengths(patches)))


def _variation_size(value: Wide, patches: Wide, unit: float) -> Wide:
    """In float64's units: differences round in the precision of the run, to 2 units of it, all the rest in float64."""
    return value * wide(max(1.0, 2 * unit / DOUBLE / (2 * math.sqrt(patches.size))))


def _terms(case: Case, unit: float) -> Expectation:
    given, settings = {name: wide(value) for name, value in case.given.items() if name != "good"}, case.settings
    mean = _mean_of_good(case)
    epsilon = 1e-12 if case.given["intensity"].dtype == np.float64 else 1e-8
    rate, scale = given["intensity"] * np.exp(2 * given["log_scale"]), wide(settings["scale"])
    observed, patches = given["diffraction"], given["patches"]
    counts = (observed * scale) ** 2
    root = np.sqrt(rate + wide(formulas.ROOT_FLOOR)) / scale
    variation = _variation_of(patches)
    values = [mean(formulas.nll(rate, counts, epsilon)), mean(np.abs(root - observed)), variation]
    logarithm = np.abs(np.log(np.maximum(rate, wide(epsilon))))
    sizes = [mean(rate + counts * logarithm), mean(root + observed), _variation_size(variation, patches, unit)]
    weights = [wide(settings[name]) for name in ("mae_weight", "tv_weight")]
    for items in (values, sizes):
        items.append(items[0] + weights[0] * items[1] + weights[1] * items[2])
    values.append(mean(formulas.deviance(rate, counts, epsilon)))
    sizes.append(_deviance_size(rate, counts, epsilon, mean))
    return _summed(np.stack(values), np.stack(sizes), patches.size, DOUBLE, np.float64)


def _mean_of_good(case: Case) -> Callable[[Wide], Wide]:
    """A mean over all pixels; under a mask, the sum over good ones by how many the share says there are."""
    good = case.given.get("good")
    if good is None:
        return lambda values: np.asarray(np.mean(values))
    counted = wide(case.settings["good_share"]) * good.size
    return lambda values: np.asarray(np.sum(values[good]) / counted)


_RULES: Mapping[str, Callable[[Case, float], Expectation]] = {
    "convolve": _convolution,
    "upsampled": _convolution,
    "rectify": _rectified,
    "pool": _pooled,
    "amplitude_head": _amplitude_head,
    "phase_head": _phase_head,
    "join": _joined,
    "compose": _composed,
    "scaled_input": _scaled,
    "exit_wave": _illuminated,
    "intensity": _diffracted,
    "amplitude": _diffracted,
    "placements": _placed,
    "extract": _extracted,
    "assemble": _assembled,
    "nll": _likelihood,
    "deviance": _deviance,
    "mae": _amplitude_error,
    "variation": _variation,
    "terms": _terms,
}
