"""
Plants differences into a run's own answers, each of which must be seen: otherwise "identical" means nothing.

A comparison that has come to compare a file with itself finds every pair identical. So one unit in the last place, a
thousandth, and a lost array are planted into what the working tree answered, and judged by the same judges again.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.response import Answer
from harness.parity.drift import judge, words
from harness.parity.drift.versions import NEW
from harness.parity.drift.words import Word
from harness.parity.exchange.collect import AnsweredQuestion

Array = NDArray[Any]

RUNGS = ("R4", "R3")
"""Rungs at which differences are planted, the first of them that was answered: every float array there has a limit."""


COARSE = {"bf16": ("the double", 2.0)}
"""Planted in place of a thousandth, which is less than a unit of a number with eight bits."""


def check(heard: Sequence[AnsweredQuestion], sides: Sequence[str], seed: int, *, exchanged: bool = False) -> list[str]:
    """
    Plant into each backend's answer; returns what was not seen, one sentence each.

    Args:
        heard: the run's questions with everybody's answers.
        sides: backends.
        seed: seed of the draw of the array and the element.
        exchanged: whether two patterns change places, too: what was asked in another order is put back into the first.
    """
    generator = random.Random(seed)  # noqa: S311  # not for secrets
    return [sentence for side in sides for sentence in _check(heard, side, generator, exchanged=exchanged)]


def _check(heard: Sequence[AnsweredQuestion], side: str, generator: random.Random, *, exchanged: bool) -> Iterator[str]:
    name = words.name_of(side, NEW)
    found = next(
        ((item, rung, arrays) for rung in RUNGS for item in heard if (arrays := _floats(item.answers[name], rung))),
        None,
    )
    if found is None:
        return
    item, rung, arrays = found
    before = _word(item, side, rung, item.answers[name])
    if before not in (Word.IDENTICAL, Word.ROUNDING):
        return  # it is red or unsettled already: nothing has to be shown
    chosen = generator.choice(sorted(arrays))
    planted = [*_planted(arrays[chosen], generator, item.question.precision)]
    if exchanged:
        planted.append(("the exchange of two patterns", _swapped(arrays[chosen]), (Word.REGRESSION, Word.OUTSIDE)))
    for what, value, allowed in planted:
        made = {key: given for key, given in item.answers[name].arrays.items() if key != chosen}
        made |= {} if value is None else {chosen: value}
        word = _word(item, side, rung, replace(item.answers[name], arrays=made))
        if word not in allowed:
            yield f"{what} of {chosen} of {side} was planted and called {word}; it must be {' or '.join(allowed)}"


def _planted(
    value: Array, generator: random.Random, precision: str
) -> Iterator[tuple[str, Array | None, tuple[Word, ...]]]:
    """Yield each difference: in words, the array with it (None: it is lost), and what it may be called."""
    at = np.unravel_index(generator.randrange(value.size), value.shape)
    step = value.copy()
    step[at] = _next(step[at])
    yield "one unit in the last place", step, (Word.ROUNDING,)
    what, factor = COARSE.get(precision, ("a thousandth", 1.001))
    yield what, value * value.dtype.type(factor), (Word.REGRESSION, Word.OUTSIDE)
    yield "the loss", None, (Word.REGRESSION,)


def _swapped(value: Array) -> Array:
    """The first two patterns in each other's place."""
    made = value.copy()
    made[[0, 1]] = value[[1, 0]]
    return made


def _next(value: Any) -> Any:
    """The next larger number of the same type; of a complex one in its real part."""
    if np.iscomplexobj(value):
        return type(value)(complex(np.nextafter(value.real, np.inf), value.imag))
    return np.nextafter(value, type(value)(np.inf))


def _floats(answer: Answer, rung: str) -> Mapping[str, Array]:
    """Arrays of a rung that are not all zero and hold more than a few numbers: a thousandth of zero is nothing."""
    return {
        name: value
        for name, value in answer.arrays.items()
        if name.startswith(f"{rung}/") and value.dtype.kind in "fc" and value.size > 1 and np.any(value)
    }


def _word(item: AnsweredQuestion, side: str, rung: str, answer: Answer) -> Word:
    changed = replace(
        item,
        question=replace(item.question, request=replace(item.question.request, quantities=(rung,))),
        answers={**item.answers, words.name_of(side, NEW): answer},
    )
    (row,) = judge.judge(changed, side, oracle_moved=False)
    return row.word
