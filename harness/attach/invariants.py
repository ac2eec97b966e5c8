"""
Checks what must hold in every training, whatever it computes: in one recording alone, each breach with its names.

A weight with a gradient moves; the optimiser counts its steps and follows the schedule; each sample goes in once per
epoch; layers are in training mode; types stay; nothing is NaN or infinite.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.attach.findings import ModelDifference, StepStage
from harness.attach.recording import Recording

FEW = 4
Steps = Sequence[Mapping[str, Any]]

MOVING = 1e-6
"""Of the largest value of a weight: a gradient above it moves the weight at usual rates, one at rounding does not."""


def breaches(recording: Recording) -> list[ModelDifference]:
    """Every breach in one side's recording."""
    steps = recording.steps.get("f32", ())
    found = [*_unmoved(recording, len(steps)), *_of_steps(recording, steps, "the steps on one batch")]
    if recording.training is not None:
        found += _of_training(recording, recording.training)
    return list({finding.name: finding for finding in reversed(found)}.values())


def _finding(recording: Recording, what: str, place: str, sentence: str) -> ModelDifference:
    return ModelDifference(
        name=f"{recording.side}.{what}",
        stage=StepStage.RUNTIME,
        order=0,
        place=place,
        sentence=sentence,
        wrong=recording.side,
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more


def _unmoved(recording: Recording, count: int) -> Iterator[ModelDifference]:
    """Weights that have a gradient in the recorded steps, and do not move."""
    still = []
    for name in recording.weights if count else ():
        gradients = [recording.array("f32", f"stepgrad/{k}/{name}") for k in range(count)]
        changes = [recording.array("f32", f"step/{k}/{name}") for k in range(count)]
        # What lies below the rounding of the weight cannot move it: a bias before a norm has no other gradient.
        weight = recording.array("f32", f"weight/{name}")
        least = 0.0 if weight is None else MOVING * float(np.max(np.abs(weight), initial=0.0))
        pushed = any(g is not None and np.max(np.abs(g), initial=0.0) > least for g in gradients)
        if pushed and not any(c is not None and np.any(c) for c in changes):
            still.append(name)
    if still:
        sentence = (
            f"{_listed(still)}: there is a gradient, and no step moves it; give it to the optimiser, or freeze it"
        )
        yield _finding(recording, "unmoved", _listed(still), sentence)


def _of_steps(recording: Recording, steps: Steps, where: str) -> Iterator[ModelDifference]:
    """Yield what every kind of training must keep to."""
    if not steps:
        return
    if names := sorted({name for step in steps for name in step.get("not held", ())}):
        yield _finding(recording, "not-held", _listed(names), f"{_listed(names)}: trained, and no optimiser holds it")
    if names := sorted({name for step in steps for name in step.get("not finite", ())}):
        yield _finding(recording, "not-finite", _listed(names), f"{_listed(names)}: NaN or infinite in {where}")
    if names := _evaluating(steps):
        sentence = f"{_listed(names)}: in evaluation mode in {where}"
        yield _finding(recording, "evaluating", _listed(names), sentence)
    counts = [step["count"] for step in steps if step.get("count") is not None]
    wrong = [k for k in range(1, len(counts)) if counts[k] != counts[k - 1] + 1]
    if wrong:
        sentence = f"the optimiser counts {counts[wrong[0] - 1]} and then {counts[wrong[0]]} in {where}"
        yield _finding(recording, "count", "the optimiser", sentence)


def _evaluating(steps: Steps) -> list[str]:
    return sorted({name for step in steps for name in step.get("evaluating", ())})


def _of_training(recording: Recording, training: Mapping[str, Any]) -> Iterator[ModelDifference]:
    """The code base's own training, and what it was said that it should see."""
    steps: Steps = training["steps"]
    if not steps:
        yield _finding(recording, "no-step", "train()", "train() made no step of an optimiser")
        return
    yield from _of_steps(recording, steps, "train()")
    if names := training.get("gradient but no move"):
        sentence = f"{_listed(names)}: there is a gradient, and train() does not move it"
        yield _finding(recording, "unmoved", _listed(names), sentence)
    if names := training.get("not finite"):
        yield _finding(recording, "not-finite", _listed(names), f"{_listed(names)}: NaN or infinite after train()")
    types = {tuple(step["dtypes"]) for step in steps}
    if len(types) > 1 or any(kind not in ("float32", "complex64") for kinds in types for kind in kinds):
        listed = " then ".join(", ".join(kinds) for kinds in sorted(types))
        yield _finding(recording, "dtype", "train()", f"the weights are {listed} while train() runs")
    expected = recording.expected
    if "steps" in expected and int(expected["steps"]) != len(steps):
        sentence = f"train() makes {len(steps)} steps, STEPS says {expected['steps']}"
        yield _finding(recording, "steps", "train()", sentence)
    yield from _schedule(recording, steps)
    yield from _samples(recording, steps)


def _schedule(recording: Recording, steps: Steps) -> Iterator[ModelDifference]:
    wanted = recording.expected.get("learning_rates")
    if wanted is None:
        return
    rates = [float(step["rate"]) for step in steps]
    for number, (rate, right) in enumerate(zip(rates, wanted, strict=False), start=1):
        if not np.isclose(rate, right, rtol=1e-6, atol=0):
            sentence = f"step {number} has learning rate {rate:.6g}, LEARNING_RATES says {right:.6g}"
            yield _finding(recording, "schedule", "the learning rate", sentence)
            return


def _samples(recording: Recording, steps: Steps) -> Iterator[ModelDifference]:
    """Each sample once per epoch, where it was said how many samples and epochs there are."""
    size, epochs = recording.expected.get("samples"), int(recording.expected.get("epochs", 1))
    if size is None:
        return
    seen = [sample for step in steps for sample in step["samples"]]
    size = int(size)
    if len(seen) != size * epochs:
        sentence = f"{len(seen)} samples go in, SAMPLES × EPOCHS are {size * epochs}"
        yield _finding(recording, "samples", "the samples", sentence)
        return
    for epoch in range(epochs):
        counts = Counter(seen[epoch * size : (epoch + 1) * size])
        if len(counts) != size:
            twice = sum(1 for count in counts.values() if count > 1)
            sentence = f"epoch {epoch + 1}: {len(counts)} different samples of {size}; {twice} go in more than once"
            yield _finding(recording, "samples", "the samples", sentence)
            return
