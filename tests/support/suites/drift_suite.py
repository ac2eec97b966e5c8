"""
Changes of one line planted into copies of a backend, which its real adapter answers for: each must get its word.

The plain copy is asked once, every changed one once, in processes of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from harness.isolation import revision, source_overlay
from harness.isolation.source_overlay import Edit
from harness.parity.compare.response import Answer
from harness.parity.drift import judge, words
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.words import Drift, Word
from harness.parity.exchange import backend_client, collect
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import Heard
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import Expected
from harness.parity.reference import problem
from harness.record import directory
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT
from tests.support.golden_step0 import FIXTURE

RUNGS = ("R0", "R2", "R3", "R4", "R5", "R6", "R7")


@dataclass(frozen=True, kw_only=True)
class Change:
    """
    A planted change.

    Attributes:
        name: in words.
        file: module of the backend's package.
        old: text that is there once.
        new: what takes its place.
        word: the worst word of any rung.
        rung: the lowest rung that is not identical; "" if all are.
    """

    name: str
    file: str
    old: str
    new: str
    word: Word
    rung: str = ""


class DriftSuite:
    """What a backend's tests fill in."""

    side: ClassVar[str]
    changes: ClassVar[Sequence[Change]]

    @pytest.fixture
    def plain(self, tmp_path: Path) -> "Bench":
        """The question, with the plain copy's answer and the oracle's."""
        folder = tmp_path
        kept = directory.create(folder / "harness")
        request = problem.request(
            gridsize=1, seed=42, scan=FIXTURE, steps=1, precision="f64", quantities=RUNGS, masked=True
        )
        question = Question(gridsize=1, precision="f64", seed=42, request=request, path=folder / "request.npz")
        request.save(question.path)
        bench = Bench(
            side=self.side, folder=folder, kept=kept, events=kept.open_events(), question=question, answer=None
        )
        answer = bench.ask("old", [])
        return replace(bench, answer=answer, expected=collect.expect(question))

    @pytest.mark.deep
    def test_planted_changes_are_sorted_rightly(self, plain: "Bench") -> None:
        found = {}
        for number, change in enumerate(self.changes):
            rows = plain.judge(f"new-{number}", change)
            moved = [row for row in rows if row.word is not Word.IDENTICAL]
            worst = min((row.word for row in rows), key=words.WORST_FIRST.index)
            found[change.name] = (worst, moved[0].climbed.rung.name if moved else "")
        assert found == {change.name: (change.word, change.rung) for change in self.changes}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A backend that is asked from copies of its code."""

    side: str
    folder: Path
    kept: RunRoot
    events: EventLog
    question: Question
    answer: Answer | None
    expected: Expected | None = None

    def ask(self, name: str, edits: Sequence[Edit]) -> Answer:
        """The answer of a copy with changes."""
        tree = source_overlay.copy(ROOT, self.folder / name, revision.PACKAGES)
        source_overlay.apply(edits, tree)
        party = Party(side=self.side, import_root=tree, version=name)
        done = backend_client.ask(party, [self.question.path], name, self.kept, self.events, Interruption())
        (answer,) = done.answers
        assert (answer.refusals, answer.failures) == ((), {})
        return answer

    def judge(self, name: str, change: Change) -> list[Drift]:
        """What the comparison says of a change."""
        edit = Edit(file=f"ptycho_{self.side}/{change.file}", old=change.old, new=change.new)
        answers: dict[str, Any] = {
            words.name_of(self.side, OLD): self.answer,
            words.name_of(self.side, NEW): self.ask(name, [edit]),
        }
        heard = Heard(number=0, question=self.question, answers=answers, expected=cast("Expected", self.expected))
        return judge.judge(heard, self.side, oracle_moved=False)
