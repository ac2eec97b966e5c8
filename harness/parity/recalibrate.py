"""
`python -m harness parity calibrate`: measure the floors again and say what would change; write only when asked to.

A floor that rises lets faults pass that died before, so that nobody raises one without saying why; the reason stays
beside it in the file.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.parity.compare import floors
from harness.parity.compare.floors import Floors, RaisedFloor
from harness.parity.judge import calibrate
from harness.system import tables
from harness.system.progress import Steps
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

SAME = 1e-3
"""Relative change below which a floor is what it was: the last digit of the file."""


@dataclass(frozen=True, kw_only=True)
class FloorChange:
    """
    One floor, before and after.

    Attributes:
        precision: `f32` or `f64`.
        gridsize: g.
        tensor: `RUNG/NAME`.
        old: None for a tensor that had no floor.
        new: None for a tensor that is not measured any more.
    """

    precision: str
    gridsize: int
    tensor: str
    old: float | None
    new: float | None

    @property
    def ratio(self) -> float | None:
        """New to old; None where there are not two."""
        if self.old is None or self.new is None:
            return None
        return self.new / self.old if self.old else math.inf if self.new else 1.0

    @property
    def is_raise(self) -> bool:
        """Whether more is allowed than before."""
        return self.ratio is not None and self.ratio > 1 + SAME


def changes(old: Floors, new: Floors) -> list[FloorChange]:
    """Every floor that is not what it was, the most raised first."""
    keys = dict.fromkeys(
        (precision, gridsize, tensor)
        for values in (old.values, new.values)
        for precision, sized in values.items()
        for gridsize, tensors in sized.items()
        for tensor in tensors
    )
    found = [
        FloorChange(precision=p, gridsize=g, tensor=t, old=_own(old, p, g, t), new=_own(new, p, g, t))
        for p, g, t in keys
    ]
    moved = [item for item in found if item.ratio is None or abs(item.ratio - 1) > SAME]
    return sorted(moved, key=lambda item: (-(item.ratio or 0.0), item.precision, item.gridsize, item.tensor))


def _own(held: Floors, precision: str, gridsize: int, tensor: str) -> float | None:
    return held.values.get(precision, {}).get(gridsize, {}).get(tensor)


def merged(old: Floors, new: Floors, reason: str | None) -> Floors:
    """
    The new floors with the reasons of those that were raised, now or before.

    Raises:
        UsageError: a floor rises and there is no reason.
    """
    raised = [item for item in changes(old, new) if item.is_raise]
    said = (reason or "").strip()
    if raised and not said:
        listed = "\n".join(f"  - {_line(item)}" for item in raised[:LISTED])
        raise UsageError(
            f"{len(raised)} floor(s) would rise, and nothing is written; "
            f"say why with --reason TEXT, or look for what rounds worse than before:\n{listed}"
        )
    kept = tuple(item for item in old.raised if _own(new, item.precision, item.gridsize, item.tensor) is not None)
    added = tuple(
        RaisedFloor(
            precision=item.precision,
            gridsize=item.gridsize,
            tensor=item.tensor,
            old=item.old or 0.0,
            new=item.new or 0.0,
            reason=said,
        )
        for item in raised
    )
    return replace(new, raised=(*kept, *added))


LISTED = 20
"""Changes that are printed; all of them count."""

HEADINGS = ("precision", "g", "tensor", "old", "new", "ratio")


def rows(moved: Sequence[FloorChange]) -> list[tuple[str, ...]]:
    """The table of changes without its headings."""
    return [
        (
            item.precision,
            str(item.gridsize),
            item.tensor,
            "none" if item.old is None else f"{item.old:.3e}",
            "none" if item.new is None else f"{item.new:.3e}",
            "–" if item.ratio is None else f"{item.ratio:.3g}",
        )
        for item in moved
    ]


def _line(item: FloorChange) -> str:
    precision, gridsize, tensor, old, new, ratio = rows([item])[0]
    return f"{tensor} at gridsize {gridsize} in {precision}: {old} -> {new} ({ratio} times)"


def show(moved: Sequence[FloorChange]) -> None:
    """Print what would change."""
    if not moved:
        print("every floor is what it was")
        return
    listed = [*moved] if len(moved) <= 2 * LISTED else [*moved[:LISTED], *moved[-LISTED:]]
    tables.show((HEADINGS, *rows(listed)))
    risen = sum(item.is_raise for item in moved)
    added = sum(item.old is None for item in moved)
    print(f"{len(moved)} floors differ: {risen} rise, {added} are new; {len(listed)} of them listed")


def beside(old: Floors, new: Floors, precision: str | None) -> Floors:
    """The new floors with the old ones of precisions that were not measured."""
    if precision is None:
        return new
    others = [part for part in old.measured.get("parts", []) if part["precision"] != precision]
    return replace(
        old,
        values={**old.values, **new.values},
        measured={**old.measured, "parts": [*others, *new.measured["parts"]], precision: _state(new)},
    )


def _state(measured: Floors) -> dict[str, Any]:
    return {name: measured.measured[name] for name in ("commit", "versions")}


def main(
    *,
    write: bool,
    reason: str | None,
    precision: str | None = None,
    path: Path = floors.PATH,
    quiet: bool = False,
    as_json: bool = False,
) -> int:
    """
    Measure, show, and write if that was asked for; returns the exit code.

    Args:
        write: replace the file.
        reason: why a floor may rise.
        precision: measure the floors of this one alone; None: all.
        path: the file.
        quiet: print only the result.
        as_json: print the changes as one JSON document.

    Raises:
        UsageError: a reason without writing, or a floor that would rise without a reason.
    """
    if reason is not None and not write:
        raise UsageError("--reason without --write; allowed: parity calibrate --write --reason TEXT")
    old = Floors.load(path)
    parts = [part for part in calibrate.PARTS if precision in (None, part.precision)]
    total = calibrate.count(parts)
    with Steps("floors", total, quiet=quiet or as_json, every=max(1, total // 10)) as steps:
        measured = calibrate.measure(parts, on_progress=lambda _done, _of: steps.done("runs of the perturbed oracle"))
    new = beside(old, measured, precision)
    moved = changes(old, new)
    if not as_json:
        show(moved)  # also where writing is then refused
    if write:
        merged(old, new, reason).write(path)
    if as_json:
        print(json.dumps({"changes": [asdict(item) for item in moved], "written": write}, indent=1), flush=True)
    else:
        print(f"written: {path}" if write else f"nothing was written; --write replaces {path}")
    return int(Verdict.PASS)
