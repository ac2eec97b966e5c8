"""Answers of two states of one backend to a small made-up question, and the oracle's: what the judges are tried on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.parity.compare.failure import AnswerFailure
from harness.parity.compare.response import Answer
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from ptycho.parity.request import QUANTITIES, Request

Array = NDArray[Any]

RNG = np.random.default_rng(21)
WAVE = RNG.normal(size=(4, 32, 32)) + 1j * RNG.normal(size=(4, 32, 32))
COUNTS = RNG.poisson(50, size=(4, 32, 32)).astype(np.float64)
KERNEL, INPUT = RNG.normal(size=(64, 64)), RNG.normal(size=(64, 64))
EPSILON = 1e-10


def layer(x: Array) -> Array:
    """A layer: a product of two matrices."""
    return np.asarray(KERNEL @ x)


def intensity(wave: Array) -> Array:
    """`(4, 32, 32)` of a wave, without a norm."""
    return np.asarray(np.abs(np.fft.fft2(wave)) ** 2)


def loss(rate: Array, epsilon: float = EPSILON) -> Array:
    """Poisson loss of rates of which some are zero."""
    return np.asarray(np.sum(rate - COUNTS * np.log(rate + epsilon)))


RATE = np.where(COUNTS > 60, 0.0, COUNTS + 1)
ARRAYS: dict[str, Array] = {
    "R2c/core.order": np.arange(12),
    "R2c/core.object": RNG.normal(size=(8, 8)),
    "R3/conv": layer(INPUT),
    "R4/exit_wave": WAVE * 0.5,
    "R4/intensity": intensity(WAVE),
    "R5/plain.nll": loss(RATE),
    "R6/conv.weight": RNG.normal(size=(64, 64)),
    "R7/1.conv.weight": RNG.normal(size=40),
    "R7/schedule.ramp": np.linspace(0, 1, 9),
    "R8/1.weights": RNG.normal(size=50),
}
EXACT: dict[str, dict[str, Any]] = {
    "R0": {"constant.epsilon": 1e-10, "option.batch_size": 16},
    "R1": {"raw": "aa", "batch.0.indices": "bb"},
    "R2": {"pad": "cc"},
    "R2b": {"root.zero": "finite"},
}
RUNGS = tuple(name for name in QUANTITIES if name in EXACT or any(key.startswith(f"{name}/") for key in ARRAYS))

Pair = Callable[..., AnsweredQuestion]


@pytest.fixture
def pair() -> Pair:
    """Make a question that both states of both backends answered; a state's changes are given by its name."""

    def make(
        *,
        side: str = "torch",
        old: Mapping[str, Any] | None = None,
        new: Mapping[str, Any] | None = None,
        without: Mapping[str, tuple[str, ...]] | None = None,
        failures: Mapping[str, Mapping[str, AnswerFailure]] | None = None,
        refused: Mapping[str, tuple[str, ...]] | None = None,
        precision: str = "f64",
    ) -> AnsweredQuestion:
        answers = {}
        for backend in ("torch", "tf"):
            for version, changed in (("old", old or {}), ("new", new or {})):
                name, changes = f"{backend}-{version}", changed if backend == side else {}
                lost = (without or {}).get(name, ())
                arrays = {key: changes.get(key, value) for key, value in ARRAYS.items() if key not in lost}
                arrays |= {key: v for key, v in changes.items() if isinstance(v, np.ndarray) and key not in lost}
                exact = {
                    rung: {
                        key: changes.get(f"{rung}/{key}", value)
                        for key, value in values.items()
                        if f"{rung}/{key}" not in lost
                    }
                    for rung, values in EXACT.items()
                }
                answers[name] = Answer(
                    exact=exact,
                    arrays=arrays,
                    refusals=(refused or {}).get(name, ()),
                    manifest={},
                    failures=(failures or {}).get(name, {}),
                )
        request = cast("Request", _Request(quantities=RUNGS))
        question = Question(gridsize=1, precision=precision, seed=42, request=request, path=Path("request.npz"))
        expected = OracleAnswer(exact={"torch": EXACT, "tf": EXACT}, arrays=ARRAYS)
        return AnsweredQuestion(number=0, question=question, answers=answers, expected=expected)

    return make


@dataclass(frozen=True)
class _Request:
    """In a request's place: no more than the judges look at."""

    quantities: tuple[str, ...]
