"""
Learning rates again, from the description: the schedule's part of R7.

Written as a walk over the whole past instead of a state that is carried along, so that a state that is reset or kept
wrongly cannot be copied here.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ptycho.parity.core import RAMPS, losses
from ptycho.parity.request import Request

FACTOR, PATIENCE, MINIMUM = 0.5, 2, 1e-4
STARTS = (1e-3, 5e-5)


def expected(request: Request) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Every schedule by name."""
    for name, stream in losses(request.scan.seed).items():
        for start in STARTS:
            yield f"plateau.{name}.{start:g}", np.array(plateau(stream.tolist(), start))
    for total, warmup, cosine in RAMPS:
        parts = [range(first, first + total // 3 + 1) for first in (0, total // 2)]
        yield f"ramp.{total}.{warmup}.{cosine}", np.array([[ramp(k, total, warmup, cosine) for k in p] for p in parts])


def plateau(stream: Sequence[float], start: float) -> list[float]:
    """
    The rate after each validation loss.

    It drops at the second epoch in a row that is no better than the best before, and again two epochs later; never
    below 1e-4, and where it starts below, never at all.
    """
    rates, rate, waited = [], start, 0
    for epoch, loss in enumerate(stream):
        waited = 0 if loss < min(stream[:epoch], default=math.inf) else waited + 1
        if waited == PATIENCE:
            waited = 0
            rate = rate if rate <= MINIMUM else max(rate * FACTOR, MINIMUM)
        rates.append(rate)
    return rates


def ramp(step: int, total: int, warmup: int, cosine: bool) -> float:
    """Factor of a step from 0: linear to 1 at the end of the warm-up, times a half cosine (Loshchilov & Hutter)."""
    rising = (step + 1) / warmup if step + 1 < warmup else 1.0
    return rising * ((1 + math.cos(math.pi * step / total)) / 2 if cosine else 1.0)
