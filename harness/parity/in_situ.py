"""
Each layer once more, on the input that the backend itself recorded in its forward pass: R3 from the other direction.

R3 gives every layer the oracle's input, in isolation. Here the layer stands where it works, and the oracle is given the
backend's own input instead. Two faults that cancel each other in one layer's surroundings pass the first and not the
second; a layer that is wrong only in isolation, which is then no fault of the network, the other way round.
"""

from collections.abc import Mapping

import numpy as np

from harness.parity.comparison import Array, Judgement, judge
from harness.parity.floors import Floors
from harness.parity.ladder import limit
from harness.parity.rungs import RUNGS
from ptycho import oracle_network
from ptycho.probe import Request

(_LAYERS,) = (rung for rung in RUNGS if rung.name == "R3")


def judge_layers(request: Request, answers: Mapping[str, Mapping[str, Array]]) -> list[Judgement]:
    """
    Judge what each side's layers made of what they were given.

    Args:
        request: the question, with weights and with the layers' names.
        answers: arrays by side and `RUNG/NAME`; the forward pass (R4) counts. A checkpoint that is missing there fails
            there.
    """
    floors = Floors.load()
    found = []
    for name in request.inputs:
        for side, arrays in answers.items():
            given, made = (arrays.get(f"R4/{name}.{end}") for end in ("in", "out"))
            if given is None or made is None:
                continue
            expected = oracle_network.stage(name, request.weights)(np.asarray(given, dtype=np.float64)).output
            allowed = limit(_LAYERS, f"R3/{name}", request.model.gridsize, request.precision, floors)
            found.append(judge(f"R3/in_situ.{name}.{side}", {side: made}, expected, allowed))
    return found
