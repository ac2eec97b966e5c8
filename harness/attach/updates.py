"""
Compares optimisers: their settings, each side with its own oracle, and the first update that differs.

An update that only follows from gradients that differ is not a finding; each side's own oracle is asked in any case,
with that side's own gradients and learning rates.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness.attach import optimizers
from harness.attach.findings import ModelDifference, StepStage
from harness.attach.pair_of_runs import ALLOWED, PairOfRuns
from harness.attach.recording import Recording
from harness.attach.settings import _same
from harness.parity.compare.comparison import distance
from harness.parity.compare.number_format import readable

NEAR = {"f32": 1e-3, "f64": 1e-7}
"""Distance of an update from its oracle that is no other rule: a change of a weight has lost digits."""


def compare(run: PairOfRuns, *, gradients_agree: bool) -> list[ModelDifference]:
    """Differences of the optimisers."""
    first, second = run.one.optimizer, run.two.optimizer
    if first is None and second is None:
        return []
    if first is None or second is None:
        side = (run.one if first is None else run.two).side
        return [_finding("optimizer.missing", 0, f"{side} has no optimizer(), the other side has one")]
    honest = {side.side: _does_as_it_says(side, run.precision) for side in (run.one, run.two)}
    rounding = [s.side for s in (run.one, run.two) if honest[s.side] and not _does_as_it_says(s, run.precision, True)]
    wrong = [name for name, place in honest.items() if place and name not in rounding]
    found = [
        _finding(f"optimizer.{name}", 1, f"{name}: {_said(first.get(name))} against {_said(second.get(name))}")
        for name in sorted({*first, *second})
        if not _equal(first, second, name)
    ]
    found += [
        _finding(
            "optimizer.rule", 0, f"{name} does not do what its optimiser's settings say, from {honest[name]}", name
        )
        for name in wrong
    ]
    if len(rounding) == 1:
        sentence = f"{rounding[0]} corrects the bias with betas that are rounded to float32, the other side does not"
        found.append(_finding("optimizer.betas rounded", 1, sentence))
    found += _rates(run)
    if gradients_agree:
        found += list(_first_update(run, explained=bool(found)))
    return found


def _equal(first: Mapping[str, Any], second: Mapping[str, Any], name: str) -> bool:
    return name in first and name in second and _same(first[name], second[name])


def _said(value: Any) -> str:
    return "nothing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _finding(name: str, order: float, sentence: str, wrong: str = "", **figures: float) -> ModelDifference:
    return ModelDifference(
        name=name,
        stage=StepStage.UPDATE,
        order=order,
        place="the optimiser",
        sentence=sentence,
        wrong=wrong,
        figures=figures,
    )


def _rates(run: PairOfRuns) -> Iterator[ModelDifference]:
    rates = [[float(step["rate"]) for step in side.steps[run.precision]] for side in (run.one, run.two)]
    for number, (one, two) in enumerate(zip(*rates, strict=False), start=1):
        if not np.isclose(one, two, rtol=1e-6, atol=0):
            if number > 1:
                sentence = f"learning rate {one:.6g} against {two:.6g} at step {number}: another schedule"
                yield _finding("optimizer.schedule", 2, sentence)
            return


def _first_update(run: PairOfRuns, *, explained: bool) -> Iterator[ModelDifference]:
    for step in range(len(run.one.steps[run.precision])):
        for entry in run.map.weights:
            measured = run.of_weight(f"step/{step}/", entry.one, entry.two)
            if measured is None or measured.agrees or measured.distance < 1e-13:
                continue
            sides = ((run.one, entry.one), (run.two, entry.two))
            if len({side.array(run.precision, f"stepgrad/{step}/{name}") is None for side, name in sides}) == 2:
                continue  # One side does not train it, which is a finding of its own.
            gradient = run.of_weight(f"stepgrad/{step}/", entry.one, entry.two)
            if step and gradient is not None and not gradient.agrees:
                continue
            because = "the settings above explain it" if explained else "no setting that is recorded differs"
            place = entry.one if entry.one == entry.two else f"{entry.one} / {entry.two}"
            yield ModelDifference(
                name="optimizer.update",
                stage=StepStage.UPDATE,
                order=5,
                place=place,
                sentence=f"the update of step {step + 1} differs first here, {readable(measured.units)} noise units; "
                f"{because}",
                figures=measured.figures,
            )
            return


def _does_as_it_says(side: Recording, precision: str, rounded: bool = False) -> str:
    """Return where a side's updates differ from its optimiser's settings; empty where they agree or none can say."""
    assert side.optimizer is not None
    steps = side.steps.get(precision, ())
    rates = [float(step["rate"]) for step in steps]
    for name, weight in side.weights.items():
        gradients = [side.array(precision, f"stepgrad/{k}/{name}") for k in range(len(steps))]
        changes = [side.array(precision, f"step/{k}/{name}") for k in range(len(steps))]
        start = side.array(precision, f"weight/{name}")
        if not weight.trainable or start is None or any(g is None for g in (*gradients, *changes)) or not steps:
            continue
        present = [g for g in gradients if g is not None]
        expected = optimizers.updates(side.optimizer, rates, present, start, rounded=rounded)
        if expected is None:
            return ""
        for step, (change, wanted) in enumerate(zip(changes, expected, strict=True), start=1):
            assert change is not None
            floor = side.floors.get(precision, {}).get(f"step/{step - 1}/{name}", 0.0)
            scale = 2.0**-29 if precision == "f64" else 1.0
            lost = 2.0**-24 * scale * float(np.linalg.norm(start)) / max(float(np.linalg.norm(wanted)), 1e-300)
            allowed = max(NEAR[precision], ALLOWED * max(lost, floor * scale))
            if distance(change, wanted) > allowed:
                return f"step {step} in {name} (D = {readable(distance(change, wanted))})"
    return ""
