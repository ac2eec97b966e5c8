"""
Compares two recorded models: structure, weights, each layer, loss, gradients, states, updates, in that order.

A layer is named if its inputs agree and its outputs do not; and, wherever an operation has an oracle, also behind an
earlier difference: then the first model's operation is applied to what entered the second one's. Which side is wrong is
said only where an oracle says it: a side that does not do what its own settings say.
"""

from collections.abc import Iterator

import numpy as np

from harness.attach import oracles, pairing, updates
from harness.attach.calls import Call
from harness.attach.findings import ModelDifference, StepStage, in_order
from harness.attach.layer_map import OWN, LayerMap
from harness.attach.pair_of_runs import ALLOWED, ArrayDistance, PairOfRuns
from harness.attach.recording import Recording
from harness.attach.settings import differing
from harness.parity.compare.number_format import readable
from harness.parity.output import factor, resemblance


def compare(one: Recording, two: Recording, layer_map: LayerMap, precision: str) -> list[ModelDifference]:
    """Every difference, the first one first."""
    run = PairOfRuns(one, two, layer_map, precision)
    found = [*_structure(run), *_weights(run)]
    forward = [*_layers(run)]
    found += forward
    parted = [finding for finding in forward if "distance" in finding.figures]
    if not parted:
        loss = list(_loss(run))
        explained = {finding.name.rsplit(".", 1)[0] for finding in forward if "share kept" in finding.name}
        found += [*loss, *_gradients(run, _factor_of(run) if loss else 1.0)]
        found += [f for f in _states(run) if f.name.removesuffix(".state").rsplit(".", 1)[0] not in explained]
    else:
        found += [*_frozen(run)]
    found += updates.compare(run, gradients_agree=not any(f.stage <= StepStage.GRADIENT for f in found if f.figures))
    found += [finding for finding in _types(one, two, layer_map) if finding.name not in {f.name for f in found}]
    return in_order(_distinct(found))


def _distinct(found: list[ModelDifference]) -> list[ModelDifference]:
    return list({finding.name: finding for finding in reversed(found)}.values())


def called(calls: tuple[Call, Call]) -> str:
    """Both names of a call, or the one that they share."""
    one, two = (call.name for call in calls)
    return one if one == two else f"{one} / {two}"


def _structure(run: PairOfRuns) -> Iterator[ModelDifference]:
    rest = pairing.unpaired(run.one, run.two, run.map.weights)
    for side, names in zip((run.one, run.two), rest, strict=True):
        for name in names:
            yield ModelDifference(
                name=f"{name}.unpaired",
                stage=StepStage.STRUCTURE,
                order=0,
                place=name,
                sentence=f"{side.side} has the weight {name}, and the other model has none that fits it; repair the "
                "map, or the model",
            )


def _weights(run: PairOfRuns) -> Iterator[ModelDifference]:
    """Of models that keep their own weights: those that differ."""
    for order, entry in enumerate(run.map.weights if run.map.mode == OWN else ()):
        measured = run.of_weight("weight/", entry.one, entry.two)
        if measured is None or measured.distance == 0:
            continue
        if measured.distance > 1e-6:
            yield ModelDifference(
                name=f"{entry.two}.value",
                stage=StepStage.WEIGHTS,
                order=order,
                place=_names(entry.one, entry.two),
                sentence=f"the weights differ, D = {readable(measured.distance)}{_explained(measured)}",
                figures={"distance": measured.distance},
            )


def _names(one: str, two: str) -> str:
    return one if one == two else f"{one} / {two}"


def _explained(measured: ArrayDistance, near: float = 1e-6) -> str:
    axes = tuple(f"axis {k}" for k in range(measured.two.ndim))
    said = resemblance.explain(measured.two, measured.one, max(near, measured.floor), axes)
    return f": the second is {said.replace('what is expected', 'the first')}" if said else ""


def _layers(run: PairOfRuns) -> Iterator[ModelDifference]:
    parted = False
    before: tuple[Call, Call] | None = None
    order_said = False
    for place, calls in enumerate(run.calls):
        entering, leaving = run.of_call(calls, "in/0"), run.of_call(calls, "out/0")
        said = differing(*calls, entering_alike=entering is not None)
        local = _local(run, calls, entering, leaving) or _coarse(run, calls, leaving)
        if local is not None or said:
            yield _layer_finding(run, calls, place, local, said)
        elif leaving is not None and not leaving.agrees and not parted:
            follows = entering is not None and not entering.agrees
            yield _between(before, calls, place, entering if follows else leaving, shapes=entering is None)
        if leaving is not None and not leaving.agrees:
            if not parted and not order_said and (swap := _swap(run, place)) is not None:
                yield swap
                order_said = True
            parted = True
        before = calls


def _local(
    run: PairOfRuns, calls: tuple[Call, Call], entering: ArrayDistance | None, leaving: ArrayDistance | None
) -> ArrayDistance | None:
    """Return what a layer adds to the difference by itself; None where it adds none, or that cannot be known."""
    if leaving is None:
        return None
    if entering is not None and entering.agrees:
        return None if leaving.agrees else leaving
    if leaving.agrees:
        return None
    if entering is None and [run.does_as_it_says(position, calls) for position in (0, 1)].count(False) == 1:
        # One side pads before the layer, so that what enters cannot be compared; its own oracle can still be asked.
        return leaving
    for position in (1, 0):
        if run.does_as_the_other_says(position, calls) is False:
            return leaving
    return None


def _coarse(run: PairOfRuns, calls: tuple[Call, Call], leaving: ArrayDistance | None) -> ArrayDistance | None:
    """An element-wise layer of which one side loses digits that it need not: noise of the layers before hides it."""
    alike = calls[0].kind == calls[1].kind and calls[0].kind in oracles.ELEMENTWISE
    if leaving is None or run.precision != "f32" or not alike:
        return None
    exact = [run.does_as_it_says(position, calls, exactly=True) for position in (0, 1)]
    return leaving if exact.count(False) == 1 and exact.count(True) == 1 else None


def _layer_finding(
    run: PairOfRuns, calls: tuple[Call, Call], place: int, local: ArrayDistance | None, said: list[tuple[str, str]]
) -> ModelDifference:
    kind = calls[0].kind if calls[0].kind == calls[1].kind else f"{calls[0].kind} / {calls[1].kind}"
    parts = [f"{kind}:"]
    wrong = ""
    if local is not None:
        parts.append(f"what leaves it differs, {readable(local.units)} noise units{_explained(local)};")
        honest = [run.does_as_it_says(position, calls, exactly=local.agrees) for position in (0, 1)]
        sides = (run.one.side, run.two.side)
        if honest.count(False) == 1 and honest.count(True) == 1:
            wrong = sides[honest.index(False)]
            parts.append(f"{wrong} does not do what its settings say, {sides[honest.index(True)]} does;")
        elif honest == [True, True]:
            parts.append("each side does what its settings say;")
    if said:
        listed = ", ".join(sentence for _, sentence in said)
        parts.append(f"settings differ ({run.one.side} against {run.two.side}): {listed}")
    elif local is not None and not wrong:
        parts.append("no setting that is recorded differs: the weights' layout, or the code inside the layer")
    names = "+".join(name for name, _ in said)
    return ModelDifference(
        name=f"{calls[1].name}.{names or 'output'}",
        stage=StepStage.FORWARD,
        order=place,
        place=called(calls),
        sentence=" ".join(parts).rstrip(";"),
        figures={} if local is None else local.figures,
        wrong=wrong,
    )


def _between(
    before: tuple[Call, Call] | None,
    calls: tuple[Call, Call],
    place: int,
    measured: ArrayDistance | None,
    *,
    shapes: bool,
) -> ModelDifference:
    """The code between two layers parts: what left the one before agrees, what enters this one does not."""
    start = "the batch" if before is None else called(before)
    units = "" if measured is None else f", {readable(measured.units)} noise units{_explained(measured)}"
    sentence = f"what enters {called(calls)} differs{units}; every recorded layer before it agrees: the code between"
    if shapes:
        # Nothing that enters can be laid over the other: a side that pads before the layer, for one.
        each = " against ".join(str(call.inputs[0][0]) if call.inputs else "nothing" for call in calls)
        sentence = (
            f"what enters {called(calls)} has another shape ({each}), and what leaves it differs{units}; every "
            "recorded layer before it agrees: the padding, or other code between"
        )
    return ModelDifference(
        name=f"{calls[1].name}.input",
        stage=StepStage.FORWARD,
        order=place - 0.5,
        place=f"between {start} and {called(calls)}",
        sentence=sentence,
        figures={"distance": 1.0} if measured is None else measured.figures,
    )


def _swap(run: PairOfRuns, place: int) -> ModelDifference | None:
    """Two layers that the models call in opposite order, at or after a place where they part."""
    calls = run.calls
    later = [k for k in range(len(calls)) if calls[k][1].number < calls[place][1].number and k > place]
    later += [k for k in range(len(calls)) if k < place and calls[k][1].number > calls[place][1].number]
    if not later:
        return None
    other = calls[later[0]]
    first, second = sorted((calls[place], other), key=lambda pair: pair[0].number)
    return ModelDifference(
        name=f"{calls[place][1].name}.order",
        stage=StepStage.FORWARD,
        order=place - 0.75,
        place=f"{called(first)} and {called(second)}",
        sentence=f"{run.one.side} calls {first[0].name} before {second[0].name}, {run.two.side} after it: two layers "
        "are exchanged",
        figures={"distance": 1.0},
    )


def _factor_of(run: PairOfRuns) -> float:
    measured = run.of_loss()
    return 1.0 if measured is None or not measured.one.any() else float((measured.two / measured.one).ravel()[0])


def _loss(run: PairOfRuns) -> Iterator[ModelDifference]:
    measured = run.of_loss()
    if measured is None or measured.agrees:
        return
    ratio, counts = _factor_of(run), _counts(run)
    named = next((words for number, words in counts.items() if abs(ratio - number) < 1e-6 * number), "")
    named = named or next((f"1 / {w}" for n, w in counts.items() if abs(ratio * n - 1) < 1e-6), "")
    sentence = f"every layer agrees and the loss does not: {run.two.side} has {factor.spoken(ratio)} × {run.one.side}"
    if named:
        sentence += f", which is {named}: another reduction"
    yield ModelDifference(
        name="loss", stage=StepStage.LOSS, order=0, place="the loss", sentence=sentence, figures=measured.figures
    )


def _counts(run: PairOfRuns) -> dict[int, str]:
    """Numbers that a sum has more than a mean."""
    found: dict[int, str] = {}
    for array in (*run.two.batch, *(measured.two for c in run.calls[-1:] if (measured := run.of_call(c, "out/0")))):
        if array.ndim and array.shape[0] > 1:
            found.setdefault(array.size, "the number of elements")
            found.setdefault(array.shape[0], "the size of the batch")
            found.setdefault(array.size // array.shape[0], "the number of elements of a sample")
    return {number: words for number, words in found.items() if number > 1}


def tied(run: PairOfRuns, scale: float = 1.0) -> set[str]:
    """
    Names, on the second side, of calls whose gradient differs without effect: no call before them and no weight has it.

    Behind a rectifier a pool has equal elements, and passes the gradient to one or the other.
    """
    units = [(calls, run.of_call(calls, "grad/0")) for calls in run.calls]
    agreeing = [(calls, m, run._measured(m.one * scale, m.two, m.floor).agrees) for calls, m in units if m is not None]
    weights = [run.of_weight("grad/", entry.one, entry.two) for entry in run.map.weights]
    if any(w is not None and not run._measured(w.one * scale, w.two, w.floor).agrees for w in weights):
        return set()
    earliest = next((place for place, (_, _, agrees) in enumerate(agreeing) if agrees), len(agreeing))
    return {calls[1].name for calls, _, agrees in agreeing[earliest:] if not agrees}


def _gradients(run: PairOfRuns, scale: float) -> Iterator[ModelDifference]:
    yield from _frozen(run)
    parted = False
    without_effect = tied(run, scale)
    for place, calls in enumerate(reversed(run.calls)):
        measured = run.of_call(calls, "grad/0")
        if measured is None:
            continue
        scaled = run._measured(measured.one * scale, measured.two, measured.floor)
        if not scaled.agrees and not parted and calls[1].name not in without_effect:
            parted = True
            yield ModelDifference(
                name=f"{calls[1].name}.gradient",
                stage=StepStage.GRADIENT,
                order=place,
                place=called(calls),
                sentence=f"every output agrees; on the way back the gradient of what leaves {called(calls)} is the "
                f"first that differs, {readable(scaled.units)} noise units{_explained(scaled)}: what comes after it "
                "has another derivative",
                figures=scaled.figures,
            )
    for place, entry in enumerate(run.map.weights):
        measured = run.of_weight("grad/", entry.one, entry.two)
        if measured is None or parted:
            continue
        scaled = run._measured(measured.one * scale, measured.two, measured.floor)
        if not scaled.agrees:
            yield ModelDifference(
                name=f"{entry.two}.gradient",
                stage=StepStage.GRADIENT,
                order=1000 + place,
                place=_names(entry.one, entry.two),
                sentence=f"the gradient differs, {readable(scaled.units)} noise units{_explained(scaled)}",
                figures=scaled.figures,
            )


def _frozen(run: PairOfRuns) -> Iterator[ModelDifference]:
    """Weights that one side trains and the other does not."""
    first, second = run.one.weights, run.two.weights
    for place, entry in enumerate(run.map.weights):
        trained = [
            weights[name].trainable and side.array(run.precision, f"grad/{name}") is not None
            for side, weights, name in ((run.one, first, entry.one), (run.two, second, entry.two))
        ]
        if first[entry.one].trainable is None or trained[0] == trained[1]:
            continue
        side = (run.one, run.two)[trained.index(False)].side
        yield ModelDifference(
            name=f"{entry.two}.trained",
            stage=StepStage.GRADIENT,
            order=-1000 + place,
            place=_names(entry.one, entry.two),
            sentence=f"{side} gives it no gradient, the other side does: frozen, or cut off",
        )


def _states(run: PairOfRuns) -> Iterator[ModelDifference]:
    for place, entry in enumerate(run.map.weights):
        measured = run.of_weight("state/", entry.one, entry.two)
        if measured is None or measured.agrees:
            continue
        yield ModelDifference(
            name=f"{entry.two}.state",
            stage=StepStage.STATE,
            order=place,
            place=_names(entry.one, entry.two),
            sentence=f"one training step changes it otherwise, {readable(measured.units)} noise units"
            f"{_explained(measured)}{_bessel(run, entry.two, measured)}",
            figures=measured.figures,
        )


def _bessel(run: PairOfRuns, name: str, measured: ArrayDistance) -> str:
    """Whether one side divides a variance by n − 1 and the other by n."""
    for calls in run.calls:
        if name.startswith(f"{calls[1].layer}.") and calls[1].kind == "batch_norm" and "var" in name.rsplit(".", 1)[-1]:
            shape = calls[1].outputs[0][0]
            count = 1
            for side in shape:
                count *= side
            n = count // measured.two.size
            before = run.two.array(run.precision, f"weight/{name}")
            share = calls[1].settings.get("share kept")
            if before is None or share is None or n < 2:
                return ""
            new = [change / (1 - share) + before for change in (measured.one, measured.two)]
            for position in (0, 1):
                # As a whole: the variance of a channel that never varies is rounding.
                whole, wanted = new[position], new[1 - position] * (n / (n - 1))
                near = max(1e-6, ALLOWED * measured.floor)
                if float(np.linalg.norm(whole - wanted)) < near * float(np.linalg.norm(wanted)):
                    sample = (run.one, run.two)[position].side
                    return f": {sample} divides the variance by n − 1 = {n - 1}, the other side by n"
    return ""


def _types(one: Recording, two: Recording, layer_map: LayerMap) -> Iterator[ModelDifference]:
    """Types of the run as its maintainers run it, in float32."""
    if "f32" not in one.calls or "f32" not in two.calls:
        return
    for place, calls in enumerate(layer_map.calls(one, two, "f32")):
        types = [call.outputs[0][1] if call.outputs else "" for call in calls]
        if types[0] != types[1]:
            yield ModelDifference(
                name=f"{calls[1].name}.dtype",
                stage=StepStage.FORWARD,
                order=place + 0.1,
                place=called(calls),
                sentence=f"what leaves it is {types[0]} in {one.side} and {types[1]} in {two.side}",
            )
            return
