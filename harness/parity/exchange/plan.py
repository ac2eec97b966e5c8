"""
Plans the requests of one run and their order: the low rungs of everything before the high ones of anything.

A contract that differs or an operation that is wrong is known within seconds and explains what fails above it; the
trajectory, which takes most of the time, comes last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.parity.reference import drawn, problem
from harness.parity.reference.drawn import DrawnProblem
from ptycho.parity.request import QUANTITIES, Request

FIRST_HIGH = "R3"
LOW = QUANTITIES[: QUANTITIES.index(FIRST_HIGH)]
HIGH = QUANTITIES[QUANTITIES.index(FIRST_HIGH) :]
LOW_IN_SINGLE = ("R0", "R2", "R2b")
"""In float32 the contract, the operations and their corners say something new; data and laws do not."""

LOW_IN_MIXED = ("R0",)
"""In bf16 the operations are those of float32; what is low is that parameters stay float32."""

SINGLE_STEPS = 10
"""Length of the float32 trajectory: beyond this, rounding alone has parted correct backends."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """
    One request of a run.

    Attributes:
        gridsize: g.
        precision: `f64` or `f32`.
        seed: seed of the problem.
        request: what is asked.
        path: its file.
        drawn: the drawn problem that it is about; None: the ladder's own.
    """

    gridsize: int
    precision: str
    seed: int
    request: Request
    path: Path
    drawn: DrawnProblem | None = None

    @property
    def is_low(self) -> bool:
        """Whether it asks for rungs below R3."""
        return self.request.quantities[0] in LOW

    @property
    def problem(self) -> str:
        """Name of the drawn problem; empty for the ladder's own."""
        return "" if self.drawn is None else self.drawn.name

    @property
    def rungs(self) -> dict[str, str]:
        """Labels of its rungs in the event log, by rung."""
        side = None if self.drawn is None else self.drawn.model.side
        return {name: label(name, self.precision, self.gridsize, self.seed, side) for name in self.request.quantities}

    @property
    def label(self) -> str:
        """Its name for people and files."""
        first, last = self.request.quantities[0], self.request.quantities[-1]
        where = "" if self.drawn is None else f"-N-{self.drawn.model.side}-seed-{self.seed}"
        return f"{self.precision}-gridsize-{self.gridsize}{where}-{first}-{last}"


def rungs(precision: str, answered: Sequence[str] = QUANTITIES) -> tuple[str, ...]:
    """Rungs that are asked for in one precision, of those that every party answers."""
    low = {"f32": LOW_IN_SINGLE, "bf16": LOW_IN_MIXED}.get(precision, LOW)
    asked = (*low, *HIGH)
    return tuple(name for name in asked if name in answered)


def label(rung: str, precision: str, gridsize: int, seed: int, side: int | None = None) -> str:
    """A rung's name in the event log; `side` is the N of a drawn problem."""
    about = "" if side is None else f" N {side}"
    return f"{rung} {precision} gridsize {gridsize}{about} seed {seed}"


def plan(
    *,
    gridsizes: Sequence[int],
    precisions: Sequence[str],
    seeds: Sequence[int],
    scan: Path,
    steps: int,
    folder: Path,
    answered: Sequence[str] = QUANTITIES,
    masked: bool = True,
) -> list[Question]:
    """
    Write every request of a run.

    Args:
        gridsizes: which g.
        precisions: of `f64`, `f32`, `bf16`.
        seeds: seeds of the problems; each is a whole ladder.
        scan: file for R1.
        steps: length of the float64 trajectory.
        folder: for the files.
        answered: rungs that every party answers; the others are not asked for.
        masked: whether bad pixels are asked for.
    """
    made: list[Question] = []
    for seed in seeds:
        for quantities in (LOW, HIGH):
            for precision in precisions:
                for gridsize in gridsizes:
                    wanted = tuple(name for name in quantities if name in rungs(precision, answered))
                    if not wanted:
                        continue
                    request = problem.request(
                        gridsize=gridsize,
                        seed=seed,
                        scan=scan,
                        steps=steps if precision == "f64" else min(steps, SINGLE_STEPS),
                        precision=precision,
                        quantities=wanted,
                        masked=masked,
                    )
                    path = folder / f"request-{len(made):03d}.npz"
                    request.save(path)
                    made.append(Question(gridsize=gridsize, precision=precision, seed=seed, request=request, path=path))
    return made


def plan_drawn(
    problems: Sequence[DrawnProblem], *, scan: Path, folder: Path, answered: Sequence[str] = QUANTITIES
) -> list[Question]:
    """
    Write the request of each drawn problem.

    Args:
        problems: which.
        scan: a file, which these questions do not read.
        folder: for the files.
        answered: rungs that every party answers; the others are not asked for.
    """
    made: list[Question] = []
    for item in problems:
        request = drawn.request(item, scan)
        wanted = tuple(name for name in request.quantities if name in answered)
        if not wanted:
            continue
        path = folder / f"request-drawn-{item.model.side}-{item.seed}.npz"
        request = replace(request, quantities=wanted)
        request.save(path)
        made.append(
            Question(
                gridsize=item.model.gridsize,
                precision=request.precision,
                seed=item.seed,
                request=request,
                path=path,
                drawn=item,
            )
        )
    return made
