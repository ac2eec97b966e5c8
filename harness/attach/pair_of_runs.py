"""
Two recordings of one precision side by side: arrays in one layout, their distance, and what rounding explains of it.

Floors are each side's own: its run with inputs, weights and every layer's output moved by one unit of float32. In
float64 a floor is that times 2^-29, the ratio of the unit roundoffs, as in the ladder of the harness.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.attach import oracles
from harness.attach.calls import Call
from harness.attach.layer_map import LayerMap
from harness.attach.layouts import ROLES, aligned, carried
from harness.attach.recording import Recording
from harness.parity.compare.comparison import distance, is_laundered
from harness.parity.compare.floors import SINGLE_TO_DOUBLE

Array = NDArray[Any]
UNIT = 2.0**-24
ALLOWED = 32.0
"""Noise units that pass, as on the float32 ladder."""

ROUNDED_AWAY = 1e-3
"""Share of an array from which on it may be so small because it cancels."""

ORACLE_NEAR = {"f32": 1e-5, "f64": 1e-10}
"""Distance from its oracle at which a layer does what its settings say."""


@dataclass(frozen=True, kw_only=True)
class ArrayDistance:
    """
    One array of both sides.

    Attributes:
        distance: ‖a − b‖ / ‖b‖, the larger of both ways round.
        floor: what rounding alone makes of it.
        one: of the first side, in the second's layout.
        two: of the second side.
    """

    distance: float
    floor: float
    one: Array
    two: Array

    @property
    def units(self) -> float:
        """The distance in noise units."""
        return self.distance / self.floor

    @property
    def agrees(self) -> bool:
        """Whether rounding explains it."""
        return self.units <= ALLOWED

    @property
    def figures(self) -> dict[str, float]:
        """For a finding."""
        return {"distance": self.distance, "noise units": self.units, "tolerance": ALLOWED * self.floor}


class PairOfRuns:
    """
    Two models' runs in one precision.

    Args:
        one: the first model.
        two: the second.
        layer_map: how they correspond.
        precision: `f64` or `f32`.
    """

    def __init__(self, one: Recording, two: Recording, layer_map: LayerMap, precision: str) -> None:
        self.one, self.two, self.map, self.precision = one, two, layer_map, precision
        self.calls = layer_map.calls(one, two, precision)
        self.other = one.framework != two.framework

    @cached_property
    def single(self) -> "PairOfRuns | None":
        """The same pair in float32, of a pair in float64; None where there is none."""
        if self.precision != "f64" or "f32" not in self.one.calls or "f32" not in self.two.calls:
            return None
        return PairOfRuns(self.one, self.two, self.map, "f32")

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """`(C, H, W)` of an image that the models flatten in other orders, or empty."""
        return next((entry.rows for entry in self.map.weights if entry.rows), ())

    def floor(self, name_one: str, name_two: str) -> float:
        """Return what rounding makes of an array, in this precision."""
        known = [self._floor_of_side(side, name) for side, name in ((self.one, name_one), (self.two, name_two))]
        return max(*known, UNIT) * (SINGLE_TO_DOUBLE if self.precision == "f64" else 1.0)

    def _floor_of_side(self, side: Recording, name: str) -> float:
        floor = side.floors.get(self.precision, {}).get(name, 0.0)
        if self.precision != "f64" or floor < ROUNDED_AWAY:
            return floor
        # An array that cancels is rounding in both precisions: what carries over is how large that is, and not its
        # share of the array.
        moved = side.floors.get("f32", {}).get(name, floor)
        sizes = [0.0 if x is None else float(np.linalg.norm(x)) for x in (side.array(p, name) for p in ("f32", "f64"))]
        return max(floor, moved * sizes[0] / sizes[1] if sizes[1] > 0 else 0.0)

    def of_call(self, calls: tuple[Call, Call], what: str) -> ArrayDistance | None:
        """
        The first array of two paired calls.

        Args:
            calls: the pair.
            what: `in/0`, `out/0` or `grad/0`.

        Returns:
            What was measured; None where a side has none or their shapes do not fit.
        """
        names = [f"call/{call.number}/{what}" for call in calls]
        mine, theirs = self.one.array(self.precision, names[0]), self.two.array(self.precision, names[1])
        if mine is None or theirs is None:
            return None
        moved = aligned(mine, theirs, other=self.other, rows=self.rows)
        return None if moved is None else self._measured(moved, theirs, self.floor(*names))

    def of_weight(self, prefix: str, one: str, two: str) -> ArrayDistance | None:
        """An array of two paired weights: `grad/`, `state/`, `step/0/` or `weight/` before their names."""
        mine, theirs = (
            side.array(self.precision, f"{prefix}{name}") for side, name in ((self.one, one), (self.two, two))
        )
        entry = next((e for e in self.map.weights if (e.one, e.two) == (one, two)), None)
        if mine is None or theirs is None or entry is None:
            return None
        moved = carried(mine, entry.axes, entry.rows)
        if moved.shape != theirs.shape:
            return None
        floor = self.floor(f"{prefix}{one}", f"{prefix}{two}")
        if prefix.startswith(("step/", "state/")):
            # A change is a difference of two weights: what they are rounded to is lost from it.
            floor = max(floor, self._cancelled(two, theirs))
        measured = self._measured(moved, theirs, floor)
        if self.single is None or measured.agrees:
            return measured
        plain = self.single.of_weight(prefix, one, two)
        return plain if plain is not None and _is_only_double(measured, plain) else measured

    def _cancelled(self, name: str, change: Array) -> float:
        weight, size = self.two.array(self.precision, f"weight/{name}"), float(np.linalg.norm(change))
        unit = UNIT * (SINGLE_TO_DOUBLE if self.precision == "f64" else 1.0)
        return 0.0 if weight is None or size == 0 else unit * float(np.linalg.norm(weight)) / size

    def of_loss(self, name: str = "loss") -> ArrayDistance | None:
        """The loss."""
        mine, theirs = self.one.array(self.precision, name), self.two.array(self.precision, name)
        if mine is None or theirs is None or mine.size != theirs.size:
            return None
        return self._measured(mine.reshape(theirs.shape), theirs, self.floor(name, name))

    @staticmethod
    def _measured(one: Array, two: Array, floor: float) -> ArrayDistance:
        a, b = (x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) for x in (one, two))
        return ArrayDistance(distance=max(_apart(a, b), _apart(b, a)), floor=floor, one=a, two=b)

    @property
    def cast(self) -> tuple[str, Call] | None:
        """The first call that leaves float32 values in float64 on one side and not on the other, with that side."""
        for pair in self.calls if self.precision == "f64" else ():
            arrays = [
                side.array("f64", f"call/{call.number}/out/0")
                for side, call in zip((self.one, self.two), pair, strict=True)
            ]
            if arrays[0] is None or arrays[1] is None or arrays[0].size < 16:
                continue
            for position, side in enumerate((self.one, self.two)):
                mine, theirs = arrays[position], arrays[1 - position]
                assert mine is not None
                assert theirs is not None
                if mine.dtype != theirs.dtype or is_laundered(mine, theirs):
                    return side.side, pair[position]
        return None

    @property
    def other_path(self) -> tuple[str, str] | None:
        """
        The first call at which the models part in float64 and not in float32, which could have shown it.

        Returns:
            Names of both calls: code there computes otherwise in float64 than its maintainers run it. None if there is
            no such call.
        """
        if self.single is None:
            return None
        plain = {(a.name, b.name): (a, b) for a, b in self.single.calls}
        for pair in self.calls:
            names = pair[0].name, pair[1].name
            for what in ("out/0", "grad/0") if names in plain else ():
                double = self.of_call(pair, what)
                if double is None or double.agrees:
                    continue
                again = self.single.of_call(plain[names], what)
                if again is not None and _is_only_double(double, again):
                    return names
        return None

    def expected(self, position: int, calls: tuple[Call, Call], settings_of: int) -> tuple[Array, Array] | None:
        """
        Return what an oracle makes of one side's input, and what that side gave; channels first.

        Args:
            position: 0 or 1: whose input, weights and output.
            calls: the pair.
            settings_of: 0 or 1: whose settings and kind.
        """
        side, call = (self.one, self.two)[position], calls[position]
        x, y = (side.array(self.precision, f"call/{call.number}/{end}/0") for end in ("in", "out"))
        said = calls[settings_of]
        if x is None or y is None or said.kind not in oracles.KINDS:
            return None
        last = self._is_last(side, x, y)
        if said.kind in oracles.SPATIAL and last:
            x = np.moveaxis(x, -1, 1)
        given = oracles.apply(said.kind, x, self._weights(side, call), said.settings, said.training)
        if given is None:
            return None
        if said.kind in oracles.SPATIAL and last:
            given = np.moveaxis(given, 1, -1)
        return (given, y) if given.shape == y.shape else None

    @staticmethod
    def _is_last(side: Recording, *_arrays: Array) -> bool:
        """Whether a side has its channels last."""
        return side.framework == "keras"

    def _weights(self, side: Recording, call: Call) -> dict[str, Array]:
        """Weights of a call's layer, by what they are for, kernels as (O, I, …)."""
        layer = next((entry for entry in side.layers if entry.name == call.layer), None)
        found: dict[str, Array] = {}
        for weight in () if layer is None else layer.weights:
            value = side.array(self.precision, f"weight/{weight.name}")
            if value is None:
                continue
            if weight.layout:
                wanted = "OI" + "".join(letter for letter in weight.layout if letter not in "OI")
                if call.kind == "conv_transpose":
                    wanted = "IO" + wanted[2:]
                value = np.transpose(value, [weight.layout.index(letter) for letter in wanted])
            found[ROLES.get(weight.role, weight.role)] = value
        return found

    def does_as_it_says(self, position: int, calls: tuple[Call, Call], *, exactly: bool = False) -> bool | None:
        """
        Whether a side's layer gives what its own settings ask for; None where no oracle can say.

        Args:
            position: 0 or 1: whose layer.
            calls: the pair.
            exactly: leave the noise of the layers before it out: it is in the layer's input already.
        """
        return self._near(self.expected(position, calls, position), 0.0 if exactly else self._floor_of(position, calls))

    def does_as_the_other_says(self, position: int, calls: tuple[Call, Call]) -> bool | None:
        """Whether a side's layer gives what the other side's settings ask for; None where no oracle can say."""
        return self._near(self.expected(position, calls, 1 - position), self._floor_of(position, calls))

    def _floor_of(self, position: int, calls: tuple[Call, Call]) -> float:
        name = f"call/{calls[position].number}/out/0"
        return self.floor(name, name) if position == 0 else self.floor("", name)

    def _near(self, both: tuple[Array, Array] | None, floor: float) -> bool | None:
        if both is None:
            return None
        return _apart(both[1].astype(np.float64), both[0]) <= max(ALLOWED * floor, ORACLE_NEAR[self.precision])


def _is_only_double(double: ArrayDistance, single: ArrayDistance) -> bool:
    """Whether float32 does not show a distance of float64 that is far above what it can show."""
    return single.agrees and double.distance > 2 * ALLOWED * single.floor


def _apart(a: Array, b: Array) -> float:
    with np.errstate(all="ignore"):
        return min(distance(a, b), 1e30) if np.isfinite(a).all() and np.isfinite(b).all() else math.inf


def choose_precision(one: Recording, two: Recording, layer_map: LayerMap) -> tuple[str, str]:
    """The precision that gates, and why it is not float64 if it is not."""
    for side in (one, two):
        if "f64" in side.failures:
            return "f32", f"{side.side} does not run in float64: {side.failures['f64'].splitlines()[0][:200]}"
        if "f64" not in side.calls:
            return "f32", f"{side.side} was not recorded in float64"
    run = PairOfRuns(one, two, layer_map, "f64")
    if (found := run.cast) is not None:
        return "f32", f"{found[0]} casts to float32 inside {found[1].name} although float64 is asked for"
    if (names := run.other_path) is not None:
        place = " / ".join(dict.fromkeys(names))
        return "f32", f"{place} computes otherwise in float64 than in float32, where both sides agree"
    return "f64", ""
