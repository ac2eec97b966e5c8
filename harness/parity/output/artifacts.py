"""Keeps the comparison that decided a failure, as a file to judge again, and as a picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.axes import axes
from harness.parity.compare.comparison import Array, Judgement
from harness.parity.compare.elements import apart, extent, gap
from harness.parity.compare.floors import of_kinds
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.judge import in_situ, ladder, mixed_precision, rejudge
from harness.parity.judge.ladder import JudgedRung
from harness.parity.output import diagnosis, diff_image, replay
from harness.parity.output.evidence import Evidence
from harness.parity.output.resemblance import explain
from harness.parity.reference import invariants
from harness.record.directory import RunRoot
from ptycho.parity.request import Request, below


def keep(climbed: Sequence[JudgedRung], heard: Sequence[AnsweredQuestion], kept: RunRoot) -> Evidence:
    """
    Keep the comparison that decided, and draw it.

    Args:
        climbed: every rung.
        heard: every question with its answers.
        kept: the run.

    Returns:
        Paths, a command and what the values resemble; empty where nothing failed, or only plain values, which are in
        the report itself.
    """
    failed = ladder.first_failure(climbed)
    chosen = None if failed is None else diagnosis.decisive(failed)
    if failed is None or chosen is None or not chosen.figures:
        return Evidence()
    item = next(item for item in heard if _was_climbed_on(item, failed))
    tensor = chosen.tensor
    drawn = item.question.drawn
    where = "" if drawn is None else f"-N-{drawn.model.side}-seed-{drawn.seed}"
    stem = f"{failed.precision}-gridsize-{failed.gridsize}{where}-{tensor.replace('/', '-')}"
    arrays = {side: answer.arrays for side, answer in item.answers.items()}
    sides = {side: given.get(tensor) for side, given in arrays.items()}
    question = item.question
    if failed.rung.name in rejudge.RUNGS:
        file = replay.save_with_request(kept.path / f"{stem}.npz", tensor, question.path, question.request, arrays)
        expected = rejudge.reference(question.request, tensor)
        if expected is None:
            sides, expected = _pair(question.request, chosen, arrays)
    else:
        expected = item.expected.arrays.get(tensor)
        if tensor.startswith(in_situ.PREFIX):
            made, expected = in_situ.comparison(question.request, tensor, arrays)
            sides = dict(made)
        elif in_situ.MARK in tensor:
            made, expected = mixed_precision.OwnPatchesJudge(question.request).comparison(tensor, arrays)
            sides = dict(made)
        derived = of_kinds(answer.kind for answer in item.answers.values())[0].derived
        place, precision = kept.path / f"{stem}.npz", failed.precision
        file = replay.save(
            place, tensor, failed.gridsize, sides, expected, precision, derived=derived, drawn=drawn is not None
        )
    # A picture without the side at fault would show nothing but white.
    shapes = [value.shape for side, value in sides.items() if side in chosen.guilty and value is not None]
    shown = expected is not None and expected.shape in shapes
    picture = diff_image.save(kept.pictures / f"{stem}.png", tensor, sides, expected) if shown else None
    return Evidence(
        replay=str(file),
        picture=str(picture) if picture else None,
        command=replay.command(file),
        resembles=relations(chosen, sides, expected),
        extent=_extent(chosen, sides, expected),
        size=0 if expected is None else int(expected.size),
    )


def _pair(
    request: Request, chosen: Judgement, arrays: Mapping[str, Mapping[str, Array]]
) -> tuple[dict[str, Array | None], Array | None]:
    """Of a law, what the first side at fault made and what that must be."""
    for law in invariants.laws(request):
        if chosen.tensor == f"R2c/{law.name}":
            for side in chosen.guilty:
                found = invariants.pair(law, below(arrays[side], "R2c/"))
                if found is not None:
                    return {side: found[0]}, found[1]
    return {}, None


def relations(chosen: Judgement, sides: Mapping[str, Array | None], expected: Array | None) -> tuple[str, ...]:
    """
    Return what the wrong tensors are, one sentence each where a relation to the expected one explains it.

    Where only one index along an axis is wrong, a single channel for example, that part alone is looked at, too.
    """
    if expected is None:
        return ()
    made = []
    tolerance = _tolerance(chosen)
    names = axes(chosen.tensor, expected.ndim)
    for side in chosen.guilty:
        value = sides.get(side)
        if value is None:
            continue
        found = explain(value, expected, tolerance, names)
        if found:
            made.append(f"{side} is {found}")
        elif value.shape == expected.shape and expected.ndim > 1:
            where = apart(gap(value, expected), expected, tolerance)
            part = _single(where)
            found = "" if part is None else explain(value[part], expected[part], tolerance, _left(names, part))
            if found:
                made.append(f"{side} in {extent(chosen.tensor, _along(where, part))} is {found}")
    return tuple(made)


def _tolerance(chosen: Judgement) -> float:
    """Largest D; of an operation, whose limit is in rounding units, some of these."""
    is_relative = chosen.tolerance is not None and not chosen.tensor.startswith("R2/")
    return float(chosen.tolerance) if is_relative and chosen.tolerance is not None else 1e-12


Part = tuple[int | slice, ...]
Mask = NDArray[np.bool_]


def _single(where: Mask) -> Part | None:
    """The part of an array in which everything that differs lies, along the axes where that is a single index."""
    found: list[int | slice] = []
    for axis in range(where.ndim):
        others = tuple(k for k in range(where.ndim) if k != axis)
        indices = np.flatnonzero(where.any(axis=others))
        found.append(int(indices[0]) if len(indices) == 1 and where.shape[axis] > 1 else slice(None))
    chosen = tuple(found)
    return chosen if any(isinstance(item, int) for item in chosen) and np.size(where[chosen]) > 3 else None


def _left(names: tuple[str, ...], part: Part | None) -> tuple[str, ...]:
    return tuple(name for name, item in zip(names, part or (), strict=True) if not isinstance(item, int))


def _along(where: Mask, part: Part | None) -> Mask:
    filled = np.zeros_like(where)
    filled[part or ()] = True
    return filled


def _extent(chosen: Judgement, sides: Mapping[str, Array | None], expected: Array | None) -> str:
    """Return where everything that differs lies, of the first side at fault."""
    value = next((sides.get(side) for side in chosen.guilty if sides.get(side) is not None), None)
    if expected is None or value is None or value.shape != expected.shape:
        return ""
    return extent(chosen.tensor, apart(gap(value, expected), expected, _tolerance(chosen)))


def _was_climbed_on(heard: AnsweredQuestion, climbed: JudgedRung) -> bool:
    """Whether a rung was climbed on this question's answers."""
    question = heard.question
    same = (question.gridsize, question.precision, question.problem) == climbed.conditions
    return same and climbed.rung.name in question.request.quantities
