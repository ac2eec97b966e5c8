"""
The judge of two states of the code: one word a rung, from the ladder's judgements and the bits.

The two states are the sides of the ladder here: its judges hold both against the oracle, with the limits of every other
run. What is added is whether the answers are equal to the bit, and which state is outside the limits.
"""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import numpy as np

from harness.parity.compare.comparison import Judgement, Result, distance, in_units
from harness.parity.compare.failure import FailureKind
from harness.parity.compare.floors import Floors
from harness.parity.compare.response import Answer
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.words import WORST_FIRST, Drift, RungChange, Word, name_of
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.exchange.plan import Question
from harness.parity.judge import in_situ, ladder, rejudge
from harness.parity.judge.ladder import JudgedRung, OracleAnswer
from ptycho.errors import UsageError
from ptycho.parity.request import Request
from ptycho.verdict import Verdict

EXACT = ("R2c/core.", "R7/schedule.")
"""Beginnings of what the core computes in NumPy, on both sides the same one: there a difference is not rounding."""

CONTRACT = "R0"
"""The rung at which a name that one state lacks is a change, and not a question that it could not be asked."""

NOISE, ROUNDOFF = "noise units", "rounding units"
_ROUNDOFF = {4: 2.0**-24, 8: 2.0**-53}
"""Unit roundoff by the bytes of a real number."""


STATES: Mapping[str, str] = {OLD: "the commit", NEW: "the working tree"}
"""The two states in a sentence, unless something else than two states of the code is compared."""


def judge(
    heard: AnsweredQuestion, side: str, *, oracle_moved: bool, version: str = "", states: Mapping[str, str] = STATES
) -> list[Drift]:
    """
    Judge the two answers of one backend to one question.

    Args:
        heard: the question, with the answers of `SIDE-old` and `SIDE-new`, and the oracle's.
        side: backend.
        oracle_moved: whether the oracle is another one than the old code had.
        version: the framework's version that gave the new answer, where both are of the same code.
        states: `old` and `new` in a sentence.
    """
    given = {state: heard.answers[name_of(side, state)] for state in (OLD, NEW)}
    return compare(
        heard.question, heard.expected, given, side, oracle_moved=oracle_moved, version=version, states=states
    )


def compare(
    question: Question,
    expected: OracleAnswer,
    given: Mapping[str, Answer],
    side: str,
    *,
    oracle_moved: bool = False,
    way: str = "",
    version: str = "",
    states: Mapping[str, str] = STATES,
) -> list[Drift]:
    """
    Judge two answers to one question.

    Args:
        question: what was asked.
        expected: the oracle's answer.
        given: by `old` and `new`.
        side: backend.
        oracle_moved: whether the oracle is another one than the old code had.
        way: the way of running that gave the new answer, where both are of the same code.
        version: the framework's version that gave it.
        states: `old` and `new` in a sentence.
    """
    exact = expected.exact.get(side, {})
    climbed = ladder.climb(
        question.gridsize,
        given,
        replace(expected, exact=dict.fromkeys(given, exact)),
        question.request.quantities,
        precision=question.precision,
    )
    made = []
    for item in climbed:
        rung = _ComparedRung(item=item, given=given, request=question.request, oracle_moved=oracle_moved, states=states)
        findings = rung.findings()
        units, unit, largest = rung.units()
        made.append(
            Drift(
                side=side,
                climbed=item,
                seed=question.seed,
                finding=min(findings, key=lambda one: WORST_FIRST.index(one.word)),
                compared=len(rung.common),
                differing=tuple(rung.differing),
                units=units,
                unit=unit,
                largest=largest,
                alike=rung.alike,
                way=way,
                version=version,
            )
        )
    return made


def values(answer: Answer, rung: str) -> dict[str, Any]:
    """Everything that an answer says of a rung, plain values and arrays, by `RUNG/NAME` in the order of measurement."""
    plain = {f"{rung}/{name}": value for name, value in answer.exact.get(rung, {}).items()}
    return plain | {name: value for name, value in answer.arrays.items() if name.startswith(f"{rung}/")}


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal to the bit: of arrays type, shape and bytes, so that −0 is not 0 and NaN is NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    return type(one) is type(other) and repr(one) == repr(other)


class _ComparedRung:
    """
    One rung under both states of the code.

    Args:
        item: the ladder's judgement.
        given: answers by state.
        request: the question.
        oracle_moved: whether the old code had another oracle.
        states: `old` and `new` in a sentence.
    """

    def __init__(
        self,
        item: JudgedRung,
        given: Mapping[str, Answer],
        request: Request,
        *,
        oracle_moved: bool,
        states: Mapping[str, str],
    ) -> None:
        self._item, self._given, self._request, self._moved = item, given, request, oracle_moved
        self._words = states
        self.name = item.rung.name
        self._values = {version: values(answer, self.name) for version, answer in given.items()}
        old, new = self._values[OLD], self._values[NEW]
        self.common = [name for name in new if name in old]
        self.differing = [name for name in self.common if not same(old[name], new[name])]
        self._alone = {OLD: [n for n in old if n not in new], NEW: [n for n in new if n not in old]}
        self.alike = False

    def findings(self) -> list[RungChange]:
        """Everything that the rung shows; that it is identical only if nothing else."""
        silent = [*self._unanswered()]
        judged = [*self._judged(partial=bool(silent))]
        found = [*silent, *(self._one_sided() if not silent else ()), *judged, *self._moves(judged)]
        if not found and not self.common:
            found = [self._absent("neither state answered anything", "")]
        return found or [RungChange(word=Word.IDENTICAL)]

    def units(self) -> tuple[float | None, str, str]:
        """The largest difference that rounding may explain, its unit, and its tensor."""
        floors, largest = Floors.load(), (0.0, "", "")
        for name in self._inexact(self.differing):
            old, new = self._values[OLD][name], self._values[NEW][name]
            if (old.dtype, old.shape) != (new.dtype, new.shape):
                continue
            floor = floors.of(in_situ.quantity_of(name), self._item.gridsize, self._item.precision)
            wide = np.complex128 if np.iscomplexobj(new) else np.float64
            part = new.real.dtype.itemsize
            unit = floor or _ROUNDOFF.get(part, _ROUNDOFF[8])
            found = in_units(distance(new.astype(wide), old.astype(wide)), unit)
            if not largest[2] or found > largest[0] or math.isnan(found):
                largest = (found, NOISE if floor else ROUNDOFF, name)
        return (largest[0], largest[1], largest[2]) if largest[2] else (None, "", "")

    def _inexact(self, names: Sequence[str]) -> list[str]:
        """Names of arrays whose last bits rounding may change."""
        return [
            name
            for name in names
            if not name.startswith(EXACT)
            and all(
                isinstance(value := self._values[version][name], np.ndarray) and value.dtype.kind in "fc"
                for version in (OLD, NEW)
            )
        ]

    def _absent(self, why: str, tensor: str, cause: Verdict = Verdict.INFRA) -> RungChange:
        return RungChange(word=Word.NOT_ANSWERED, tensor=tensor, reason=why, cause=cause)

    def _unanswered(self) -> Sequence[RungChange]:
        """Return which state did not answer the whole rung, and why; a state that raises where the other answers."""
        found = []
        whys = {version: answer.failures.get(self.name) for version, answer in self._given.items()}
        for version, answer in self._given.items():
            words = self._words[version]
            if answer.refusals:
                found.append(self._absent(f"the answer of {words} does not count: {answer.refusals[0]}", ""))
            elif (why := whys[version]) is None:
                continue
            elif version == NEW and why.verdict is Verdict.FAIL and whys[OLD] is None:
                reason = f"{words} {why.sentence}"
                tensor = next((j.tensor for j in self._item.judgements if NEW in j.guilty), self.name)
                found.append(RungChange(word=Word.REGRESSION, tensor=tensor, reason=reason, attributed=NEW))
            else:
                cause = Verdict.INFRA if why.verdict is Verdict.FAIL else why.verdict
                found.append(self._absent(f"not answered by {words}: {why.sentence}", "", cause))
        return found

    def _one_sided(self) -> Sequence[RungChange]:
        """Return what one state gave and the other did not, though neither says that it could not."""
        found = []
        for version, names in self._alone.items():
            if not names:
                continue
            silent = OLD if version == NEW else NEW
            listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            reason = f"not answered by {self._words[silent]}: {listed}"
            if self.name == CONTRACT:
                alone = f"only {self._words[version]} has {listed}"
                found.append(RungChange(word=Word.CHANGED, tensor=names[0], reason=alone))
            elif version == NEW or not any(NEW in item.guilty and item.is_missing for item in self._item.judgements):
                found.append(self._absent(reason, names[0]))
        return found

    def _judged(self, *, partial: bool) -> Sequence[RungChange]:
        """
        Return what the ladder refuses of one state or both, where their bits differ.

        Args:
            partial: whether a state did not answer the whole rung: then only what both answered is looked at.
        """
        found, done = [], set()
        for item in self._item.judgements:
            key = self._key(item)
            if item.result not in (Result.FAIL, Result.UNVERIFIED) or key in done:
                continue
            done.add(key)
            mine = [one for one in self._item.judgements if self._key(one) == key]
            guilty = {side for one in mine if one.result is Result.FAIL for side in one.guilty}
            basis = self._basis(item)
            lacking = any(name in names for names in self._alone.values() for name in basis)
            if item.tensor.endswith(_WITHOUT_ANSWER) or (lacking and (partial or self._is_told(guilty))):
                continue  # that it was not answered is reported already
            if not self._touched(item):
                self.alike = True
                continue
            reason = "; ".join(dict.fromkeys(sentence for one in mine for sentence in one.reasons))
            if item.result is Result.UNVERIFIED:
                found.append(RungChange(word=Word.UNVERIFIED, tensor=item.tensor, reason=reason))
            elif guilty == {NEW}:
                found.append(RungChange(word=Word.REGRESSION, tensor=item.tensor, reason=reason, attributed=NEW))
            elif guilty == {OLD}:
                exact = not self._inexact([name for name in basis if name in self.differing])
                word = Word.CHANGED if exact or self._moved else Word.FIXED
                found.append(RungChange(word=word, tensor=item.tensor, reason=reason, attributed=OLD))
            else:
                found.append(RungChange(word=Word.OUTSIDE, tensor=item.tensor, reason=reason))
        return found

    def _moves(self, judged: Sequence[RungChange]) -> Sequence[RungChange]:
        """Return what differs and passes: of exact quantities a change, of the others rounding."""
        if not self.differing:
            return []
        inexact = self._inexact(self.differing)
        named = {item.tensor for item in judged}
        exact = [name for name in self.differing if name not in inexact]
        found = []
        if exact and (name := next((n for n in exact if n not in named), None)) is not None:
            old, new = (_shown(self._values[version][name]) for version in (OLD, NEW))
            found.append(RungChange(word=Word.CHANGED, tensor=name, reason=f"old {old}, new {new}"))
        loose = {item.tensor for item in self._item.judgements if item.result is Result.NOT_GATED}
        if inexact and all(name in loose for name in inexact):
            reason = "it differs only where nothing is judged: rounding alone parts correct backends there"
            found.append(RungChange(word=Word.UNVERIFIED, tensor=inexact[0], reason=reason))
        elif inexact:
            found.append(RungChange(word=Word.ROUNDING, tensor=inexact[0], reason="both are within the oracle's limit"))
        return found

    def _is_told(self, guilty: AbstractSet[str]) -> bool:
        """Whether a fault of what one state alone gave is reported as such: all but a change of the contract."""
        return guilty == {OLD} and self.name != CONTRACT

    def _key(self, item: Judgement) -> str:
        """A layer in situ is judged once a state: both are one matter."""
        return item.tensor.rpartition(".")[0] if in_situ.MARK in item.tensor else item.tensor

    def _basis(self, item: Judgement) -> tuple[str, ...]:
        """Names of the answers on which a judgement rests."""
        if item.tensor.startswith(in_situ.PREFIX):
            layer = self._key(item).removeprefix(in_situ.PREFIX)
            return (f"R4/{layer}.in", f"R4/{layer}.out")
        if (subject := in_situ.quantity_of(item.tensor)) != item.tensor:
            return (subject, "R4/consistent", "R4/amplitude", "R4/phase")
        if self.name in rejudge.RUNGS and item.tensor not in self._values[NEW]:
            try:
                return rejudge.needs(self._request, item.tensor)
            except UsageError:
                return (item.tensor,)
        return (item.tensor,)

    def _touched(self, item: Judgement) -> bool:
        """Whether anything that a judgement rests on differs between the states, or one of them lacks it."""
        if item.tensor.endswith(_STRANGE):
            return bool(self.differing or self._alone[OLD] or self._alone[NEW])
        old, new = (answer.arrays for answer in (self._given[OLD], self._given[NEW]))
        return any(
            name in self.differing
            or name in self._alone[OLD]
            or name in self._alone[NEW]
            or (name.startswith("R4/") and name in old and name in new and not same(old[name], new[name]))
            for name in self._basis(item)
        )


_WITHOUT_ANSWER = tuple(f"/{kind.replace(' ', '-')}" for kind in FailureKind)
"""Endings of judgements that say why there is no answer."""

_STRANGE = "/not-comparable"
"""Ending of a judgement about an answer that cannot even be compared."""


def _shown(value: Any) -> str:
    """A value in a sentence: short ones whole."""
    text = f"{value.dtype} array of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
