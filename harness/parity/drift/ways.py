"""
Ways of running one backend on one question: the batch in another order, in parts, on another number of threads.

A pattern's result must not depend on its neighbours. So each way asks for the same patterns otherwise, and its answers
are put back into the order of the plain way before they are compared: concatenated along the batch where they are one
result a pattern, averaged where they are means over the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.response import Answer
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.reference import problem
from ptycho.parity.request import BATCH_FIELDS, Request
from ptycho.training.engine import Batch

GROUPS = 6
"""Groups of the plain batch."""

ORDER = (3, 0, 5, 1, 2, 4)
"""The batch in another order: no group is at its place."""

RUNGS = ("R4", "R5")
THREADS = (1, 2)
PLAIN = "plain"


@dataclass(frozen=True, kw_only=True)
class Way:
    """
    A way of running.

    Attributes:
        name: in the log.
        parts: groups of each batch, by their number in the plain one.
    """

    name: str
    parts: tuple[tuple[int, ...], ...]


WAYS = (
    Way(name=PLAIN, parts=(tuple(range(GROUPS)),)),
    Way(name="permuted", parts=(ORDER,)),
    Way(name="halves", parts=(tuple(range(3)), tuple(range(3, GROUPS)))),
    Way(name="pairs", parts=tuple((k, k + 1) for k in range(0, GROUPS, 2))),
)


def enlarged(request: Request, seed: int) -> Request:
    """A question of the ladder with more patterns: a batch that can be taken apart, and as many that follow it."""
    return replace(request, batch=problem.batch(request.model, 2 * GROUPS, seed), batch_size=GROUPS)


def requests(request: Request, way: Way, threads: int) -> list[Request]:
    """
    Return the questions of a way: one question a part, whose first batch is that part.

    Args:
        request: from `enlarged`.
        way: which.
        threads: of the framework.
    """
    return [_part(request, part, threads) for part in way.parts]


def _part(request: Request, part: Sequence[int], threads: int) -> Request:
    rest = [number for number in range(2 * GROUPS) if number not in part]
    order = [*part, *rest]
    batch = Batch(**{name: getattr(request.batch, name)[order] for name in BATCH_FIELDS})
    return replace(request, batch=batch, batch_size=len(part), threads=threads)


def is_compared(name: str) -> bool:
    """Whether a tensor is of the first batch alone: of what follows it, the ways ask for different patterns."""
    return not name.startswith(("R4/predicted.1", "R5/evaluated."))


def merged(way: Way, answers: Sequence[Answer]) -> Answer:
    """
    The answers of a way's parts as one, in the order of the plain way.

    Args:
        way: which.
        answers: one a part.
    """
    names = [name for name in answers[0].arrays if is_compared(name) and all(name in one.arrays for one in answers)]
    return Answer(
        exact={},
        arrays={name: _joined(way, name, [one.arrays[name] for one in answers]) for name in names},
        refusals=tuple(dict.fromkeys(sentence for one in answers for sentence in one.refusals)),
        manifest=answers[0].manifest,
        failures={rung: why for one in answers for rung, why in one.failures.items()},
    )


def _joined(way: Way, name: str, parts: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    if name.startswith("R5/"):
        # Means over equal parts; of one part nothing is computed, so that its bits stay.
        return parts[0] if len(parts) == 1 else np.asarray(np.mean(np.stack(parts), axis=0))
    order = [number for part in way.parts for number in part]
    whole = np.concatenate(parts)
    if len(whole) != len(order):
        return whole  # of a shape that the judges refuse
    return whole[np.argsort(order)]


def expected(found: OracleAnswer) -> OracleAnswer:
    """The oracle's answer without what the ways do not have in common."""
    return replace(found, arrays={name: value for name, value in found.arrays.items() if is_compared(name)})
