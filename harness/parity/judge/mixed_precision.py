"""
Judges of a backend in bf16 besides the rungs: which tensors may be narrow, and what follows from its own patches.

In bf16 only convolutions may compute in bfloat16. Behind them their rounding hides what a hidden cast would add, so
that two things are judged that it does not touch. The width of a tensor is read off its values: what went through
bfloat16 has sixteen zero bits at its end. And the physics, the loss and its derivative are computed again from the
backend's own patches, and must agree as closely as in float32.
"""

from collections.abc import Mapping
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.comparison import Array, Judgement, judge, judge_exact
from harness.parity.compare.floors import Floors
from harness.parity.compare.rungs import RUNGS
from harness.parity.judge.in_situ import MARK, WIDTH, quantity_of
from harness.parity.judge.ladder import FloorsJudge, limit
from harness.parity.reference import objective
from harness.parity.reference.objective import Evaluation
from harness.parity.reference.rounding_noise import of_precision, to_bfloat16
from ptycho.parity.measure import ALL_WEIGHTS
from ptycho.parity.request import Request

NARROW, WIDE = "bfloat16", "float32"

_FEWEST = 16
"""Values that are neither 0 nor infinite, from which on a width is read off."""

_WHOLLY, _PARTLY = 0.99, 0.02
"""Shares of values that bfloat16 holds exactly. Of honest float32 values one in 65,536 is such a value."""

_RESTORED = 2.0**-21
"""Of a weight that is put together from its start and its change: both were rounded to float32."""

_CHANCE = 3
"""So many such values may be chance, in one of hundreds of small tensors."""


def judges(request: Request) -> dict[str, FloorsJudge]:
    """Judges of the rungs of a question in bf16, besides comparing tensor with tensor."""
    own = OwnPatchesJudge(request)
    return {rung: partial(_judge, own, rung) for rung in ("R4", "R5", "R6", "R7", "R8")}


def _judge(
    own: "OwnPatchesJudge", rung: str, answers: Mapping[str, Mapping[str, Array]], floors: Floors
) -> list[Judgement]:
    return [*own.judge_widths(rung, answers), *own.judge(rung, answers, floors)]


def width(array: NDArray[np.generic], slack: float = 0.0) -> str | None:
    """
    The type whose values an array holds: `float32`, `bfloat16`, or a part of it.

    Args:
        array: float32 or complex64.
        slack: distance from a value of bfloat16, relative, that still counts as one.

    Returns:
        None where there are too few values to say.
    """
    if array.dtype not in (np.float32, np.complex64):
        return None
    parts = np.ascontiguousarray(array).view(np.float32).ravel()
    parts = parts[np.isfinite(parts) & (parts != 0)]
    if parts.size < _FEWEST:
        return None
    held = int(np.count_nonzero(np.abs(parts - to_bfloat16(parts)) <= slack * np.abs(parts)))
    share = held / parts.size
    return NARROW if share >= _WHOLLY else WIDE if held <= _CHANCE or share < _PARTLY else f"{share:.0%} {NARROW}"


def wanted_width(tensor: str) -> str | None:
    """
    The width that a tensor must have; None where either is right.

    Args:
        tensor: `RUNG/NAME`.
    """
    rung, _, name = tensor.partition("/")
    if rung == "R4":
        if name == "code" or name.endswith(".out"):
            return NARROW
        return None if name.endswith(".in") else WIDE
    if rung == "R6":
        return WIDE if name in ("object", "probe") else None
    if rung == "R8":
        return WIDE if name[:1].isdigit() and not name.endswith(f".{ALL_WEIGHTS}") else None
    return WIDE if rung == "R7" else None


_LABELS, _TERMS = ("plain", "weighted"), ("nll", "mae", "variation", "total", "deviance")
_OWN = {
    "R4": ("patches", "exit_wave", "intensity"),
    "R5": tuple(f"{label}.{term}" for label in _LABELS for term in _TERMS),
    "R6": ("object", "probe"),
}
"""Quantities that are computed again from what the backend itself gave."""


class OwnPatchesJudge:
    """
    The oracle from a backend's own patches on.

    Args:
        request: the question.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    def judge_widths(self, rung: str, answers: Mapping[str, Mapping[str, Array]]) -> list[Judgement]:
        """Judge the width of every tensor of a rung that must have one."""
        names = dict.fromkeys(name for arrays in answers.values() for name in arrays if name.startswith(f"{rung}/"))
        found = []
        for name in names:
            wanted = wanted_width(name)
            if wanted is None:
                continue
            widths = {side: self._width(name, arrays[name]) for side, arrays in answers.items() if name in arrays}
            known = {side: one for side, one in widths.items() if one is not None}
            if known:
                found.append(judge_exact(name.replace("/", WIDTH, 1), known, dict.fromkeys(known, wanted)))
        return found

    def _width(self, tensor: str, array: Array) -> str | None:
        if not tensor.startswith("R8/"):
            return width(array)
        # The trajectory tells how a weight changed; what is stored is the weight.
        start = self._request.weights.get(tensor.partition(".")[2])
        if start is None or start.shape != array.shape:
            return None
        return width((start + array).astype(np.float32), slack=_RESTORED)

    def judge(self, rung: str, answers: Mapping[str, Mapping[str, Array]], floors: Floors) -> list[Judgement]:
        """Judge what a rung asks behind the network, within the limits of float32."""
        (row,) = (one for one in RUNGS if one.name == rung)
        found = []
        for name in _OWN.get(rung, ()):
            for side in answers:
                tensor = f"{rung}{MARK}{name}.{side}"
                sides, expected = self.comparison(tensor, answers)
                if expected is not None:
                    allowed = limit(row, quantity_of(tensor), self._request.model.gridsize, "f32", floors)
                    found.append(judge(tensor, sides, expected, allowed))
        return found

    def comparison(
        self, tensor: str, answers: Mapping[str, Mapping[str, Array]]
    ) -> tuple[dict[str, Array], Array | None]:
        """
        Return what a side gave, by side, and what the oracle computes in its place.

        Args:
            tensor: name of the judgement, `RUNG/in_situ.NAME.SIDE`.
            answers: arrays by side and `RUNG/NAME`.

        Returns:
            None for the oracle where the side has not given what it is computed from.
        """
        rung, _, rest = tensor.partition(MARK)
        name, _, side = rest.rpartition(".")
        made = answers[side].get(f"{rung}/{name}")
        expected = None if made is None else self._expected(rung, name, answers[side])
        return ({}, None) if made is None or expected is None else ({side: made}, expected)

    def _expected(self, rung: str, name: str, arrays: Mapping[str, Array]) -> Array | None:
        request = self._request
        if name == "patches":
            amplitude, phase = (arrays.get(f"R4/{head}") for head in ("amplitude", "phase"))
            if amplitude is None or phase is None or amplitude.shape != phase.shape:
                return None
            return np.asarray(amplitude.astype(np.float64) * np.exp(1j * phase.astype(np.float64)))
        patches = arrays.get("R4/consistent")
        if patches is None or patches.shape != self._clean.patches.shape:
            return None
        own = objective.of_patches(request, self._clean, patches.astype(np.complex128))
        if rung == "R4":
            return np.asarray(own.patches[:, :, None] * request.probe if name == "exit_wave" else own.intensity)
        if rung == "R5":
            label, _, term = name.partition(".")
            weights = (0.0, 0.0) if label == _LABELS[0] else (request.mae_weight, request.tv_weight)
            return np.array(objective.terms(request, request.first, own, *weights)[term])
        _, to_object, to_probe = objective.physics_gradients(request, request.first, request.weights, own)
        return np.asarray(to_object if name == "object" else to_probe)

    @cached_property
    def _clean(self) -> Evaluation:
        request = self._request
        return objective.evaluate(request, request.first, request.weights, of_precision(request.precision))
