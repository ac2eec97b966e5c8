"""
One judgement of R2 or R2c again, from the request and the few answers that it rests on.

Other rungs compare one tensor with one of the oracle's; a law ties several answers together, and an operation has a
bound of its own for every element. Both follow from the request, so that a replay needs it and those answers only.
"""

from collections.abc import Mapping

import numpy as np

from harness.parity.compare.comparison import Array, Judgement
from harness.parity.judge import operation_bounds
from harness.parity.reference import invariants, operations
from ptycho.errors import UsageError
from ptycho.parity.request import Request

RUNGS = ("R2", "R2c")


def needs(request: Request, tensor: str) -> tuple[str, ...]:
    """
    Names, as `RUNG/NAME`, of the answers on which a judgement rests.

    Raises:
        UsageError: neither an operation nor a law of this request has the name.
    """
    if tensor in operations.expected(request):
        return (tensor,)
    for law in invariants.laws(request):
        if tensor == f"R2c/{law.name}":
            return tuple(f"R2c/{name}" for name in law.needs)
    raise UsageError(f"{tensor!r} is not an operation and no law of this request; allowed: names of R2 and R2c")


def judge(request: Request, tensor: str, answers: Mapping[str, Mapping[str, Array]]) -> Judgement:
    """
    Judge again.

    Args:
        request: the question.
        tensor: name of the judgement.
        answers: arrays by side and `RUNG/NAME`; those of `needs` count.

    Raises:
        UsageError: from `needs`.
    """
    wanted = needs(request, tensor)
    given = {side: {name: arrays[name] for name in wanted if name in arrays} for side, arrays in answers.items()}
    if tensor.startswith("R2/"):
        only = {tensor: operations.expected(request)[tensor]}
        return operation_bounds.judge(only, given)[0]
    (law,) = (law for law in invariants.laws(request) if tensor == f"R2c/{law.name}")
    return invariants.judge([law], given)[0]


def reference(request: Request, tensor: str) -> Array | None:
    """Return what an operation must give for a picture, in double precision; None for a law, which has several."""
    found = operations.expected(request).get(tensor)
    if found is None:
        return None
    return np.asarray(found.value).astype(np.complex128 if np.iscomplexobj(found.value) else np.float64)
