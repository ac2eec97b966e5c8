"""
Each layer again, on the input that the backend itself recorded in its forward pass: R3 from the other direction.

R3 gives every layer the oracle's input, in isolation. Here the layer is inside the network, and the oracle is given the
backend's own input instead. Two faults that cancel each other in one layer's surroundings pass the first and not the
second; a layer that is wrong only in isolation, which is then no fault of the network, the other way round.
"""

from collections.abc import Mapping

import numpy as np

from harness.parity.compare.comparison import Array, Judgement, judge
from harness.parity.compare.floors import Floors
from harness.parity.compare.rungs import RUNGS
from harness.parity.judge.ladder import limit
from harness.parity.reference.rounding_noise import of_precision
from ptycho.parity.request import Request
from ptycho.physics import network

MARK, WIDTH = "/in_situ.", "/width."
PREFIX = f"R3{MARK}"

(_LAYERS,) = (rung for rung in RUNGS if rung.name == "R3")


def judge_layers(request: Request, answers: Mapping[str, Mapping[str, Array]], floors: Floors) -> list[Judgement]:
    """
    Judge what each side's layers made of what they were given.

    Args:
        request: the question, with weights and with the layers' names.
        answers: arrays by side and `RUNG/NAME`; the forward pass (R4) counts. A checkpoint that is missing there fails
            there.
        floors: of the devices that answered.
    """
    found = []
    for name in request.inputs:
        for side in answers:
            tensor = f"{PREFIX}{name}.{side}"
            sides, expected = comparison(request, tensor, answers)
            if expected is None:
                continue
            allowed = limit(_LAYERS, quantity_of(tensor), request.model.gridsize, request.precision, floors)
            found.append(judge(tensor, sides, expected, allowed))
    return found


def quantity_of(tensor: str) -> str:
    """The quantity that a judgement is about: `R4/patches` of `R4/in_situ.patches.torch` and of `R4/width.patches`."""
    rung, mark, rest = tensor.partition(MARK)
    return f"{rung}/{rest.rpartition('.')[0]}" if mark else tensor.replace(WIDTH, "/", 1)


def comparison(
    request: Request, tensor: str, answers: Mapping[str, Mapping[str, Array]]
) -> tuple[dict[str, Array], Array | None]:
    """
    Return what a layer in situ is compared with.

    Args:
        request: the question.
        tensor: name of the judgement, `R3/in_situ.LAYER.SIDE`.
        answers: arrays by side and `RUNG/NAME`.

    Returns:
        What the side's layer made, by side, and what the oracle makes of the same input; None where the forward pass
        has no such checkpoint.
    """
    name, _, side = tensor.removeprefix(PREFIX).rpartition(".")
    given, made = (answers[side].get(f"R4/{name}.{end}") for end in ("in", "out"))
    if given is None or made is None:
        return {}, None
    rounded = of_precision(request.precision)
    return {side: made}, network.stage(name, request.weights, rounded)(np.asarray(given, dtype=np.float64)).output
