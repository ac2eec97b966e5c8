"""
Rounding floors of each tensor: the committed figures that float32 is judged by, and that noise units count.

They are in `floors.json`, measured by `harness.parity.judge.calibrate` and never typed. In float64 a floor is that of
float32 times 2^-29, the ratio of the two unit roundoffs; a trajectory grows otherwise, and has floors of its own there.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ptycho.errors import UsageError
from ptycho.files import write_text

SCHEMA = "ptycho-parity-floors/1"
PATH = Path(__file__).with_name("floors.json")
TRAJECTORY, OPTIMISER = "R8/", "R7/"

SINGLE_TO_DOUBLE = 2.0**-29

Values = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Floors by precision, gridsize and tensor."""


@dataclass(frozen=True, kw_only=True)
class RaisedFloor:
    """
    A floor that was raised, and why: the fault that it now lets pass must have been weighed by somebody.

    Attributes:
        precision: `f32` or `f64`.
        gridsize: g.
        tensor: `RUNG/NAME`.
        old: floor before.
        new: floor since.
        reason: why.
    """

    precision: str
    gridsize: int
    tensor: str
    old: float
    new: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Floors:
    """
    All floors, and how they came about.

    Attributes:
        values: by precision, gridsize and tensor.
        measured: runs, seeds, commit and versions.
        raised: reasons of floors that are higher than they have been.
        derived: whether a tensor without a floor is judged by what follows from float64 alone: these floors are of a
            kind of device that nobody has calibrated, or of a drawn problem.
        drawn: whether the answers are about a drawn problem.
    """

    values: Values = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    raised: tuple[RaisedFloor, ...] = ()
    derived: bool = False
    drawn: bool = False

    def of(self, tensor: str, gridsize: int, precision: str) -> float | None:
        """Floor of a tensor; None if there is none."""
        if precision == "bf16" and tensor.startswith(OPTIMISER):
            precision = "f32"  # weights and moments are float32 there, too
        own = self.values.get(precision, {}).get(gridsize, {}).get(tensor)
        if own is not None or precision != "f64" or tensor.startswith(TRAJECTORY):
            return own
        single = self.of(tensor, gridsize, "f32")
        return None if single is None else single * SINGLE_TO_DOUBLE

    @classmethod
    def load(cls, path: Path = PATH) -> "Floors":
        """
        The committed floors; none where there is no file, so that every float32 tensor is unverified.

        Raises:
            UsageError: the file is not one of this version.
        """
        return _load(path) if path.is_file() else cls()

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        plain = {
            "schema": SCHEMA,
            "measured": self.measured,
            "raised": [asdict(item) for item in self.raised],
            "floors": {
                precision: {str(gridsize): dict(sorted(tensors.items())) for gridsize, tensors in sized.items()}
                for precision, sized in self.values.items()
            },
        }
        write_text(path, json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        _load.cache_clear()


CALIBRATED = "cpu"
"""The kind of device that the committed floors were measured on."""

DERIVED = Floors(derived=True)
"""Of a kind of device that is not calibrated: floors are never borrowed from another kind."""


DRAWN = Floors(derived=True, drawn=True)
"""Of a drawn problem: floors are of the ladder's own."""


def of_kinds(kinds: Iterable[str]) -> tuple[Floors, tuple[str, ...]]:
    """
    The floors for the kinds of device that answered, and what must be said of them.

    Args:
        kinds: `cpu`, or the name of a GPU; of every side.
    """
    other = sorted({kind for kind in kinds if kind != CALIBRATED})
    if not other:
        return Floors.load(), ()
    sentence = (
        f"float32 on {', '.join(other)}: nobody has calibrated this kind of device, so that it is judged by derived "
        "limits only: those of operations, and elsewhere float64's tolerance times 2^29"
    )
    return DERIVED, (sentence,)


@cache
def _load(path: Path) -> Floors:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain["schema"] != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        values = {
            precision: {
                int(gridsize): {tensor: float(floor) for tensor, floor in tensors.items()}
                for gridsize, tensors in sized.items()
            }
            for precision, sized in plain["floors"].items()
        }
        return Floors(
            values=values, measured=plain["measured"], raised=tuple(RaisedFloor(**item) for item in plain["raised"])
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} holds no floors of this version ({error}); restore it, or measure again with "
            "`python -m harness parity calibrate --write --reason …`"
        ) from error
