"""
Changes of one line planted into copies of a backend, for which its real adapter answers: each must get its word.

The plain copy is asked once, every changed one once, in processes of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from harness.isolation import revision, source_overlay
from harness.isolation.source_overlay import Edit
from harness.parity.compare.response import Answer
from harness.parity.drift import judge, words
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.words import Drift, Word
from harness.parity.exchange import backend_client, collect
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.reference import problem
from harness.record import directory
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT
from tests.support.golden_step0 import FIXTURE

SIDE = "torch"
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


POWER = "power = (spectrum.real.square() + spectrum.imag.square()).sum(dim=2)"


CHANGES: Sequence[Change] = (
    Change(
        name="text alone: a sum of two is the same the other way round",
        file="physics.py",
        old=POWER,
        new="power = (spectrum.imag.square() + spectrum.real.square()).sum(dim=2)",
        word=Word.IDENTICAL,
    ),
    Change(
        name="another kernel: up-sampling before the convolution",
        file="network.py",
        old="        split = functional.conv2d(x, fold_upsampling(self.weight), bias, padding=1)\n"
        "        return functional.pixel_shuffle(split, 2)",
        new="        x = functional.interpolate(x, scale_factor=2)\n"
        "        return functional.conv2d(x, self.weight, self.bias, padding=1)",
        word=Word.ROUNDING,
        rung="R2",
    ),
    Change(
        name="order of a sum",
        file="loss.py",
        old="return (rate - counts * at_least(rate, epsilon).log()).mean()",
        new="return (rate - counts * at_least(rate, epsilon).log()).flatten().flip(0).cumsum(0)[-1] / rate.numel()",
        word=Word.ROUNDING,
        rung="R2",
    ),
    Change(
        name="one unit in the last place of the input's scale",
        file="network.py",
        old="code = x.to(real) * (self.scale / torch.exp(self.log_intensity_scale))",
        new="code = x.to(real) * (self.scale * (1 + 2**-52) / torch.exp(self.log_intensity_scale))",
        word=Word.ROUNDING,
        rung="R2",
    ),
    Change(
        name="an epsilon under a root",
        file="loss.py",
        old="    return ((rate + EPSILON_F64).sqrt() / scale - diffraction).abs().mean()",
        new="    return ((rate + 1e-3).sqrt() / scale - diffraction).abs().mean()",
        word=Word.REGRESSION,
        rung="R2",
    ),
    Change(
        name="where Adam's epsilon is added",
        file="optimizer.py",
        old="(second / correction).sqrt_().add_(EPSILON)",
        new="(second / correction).add_(EPSILON).sqrt_()",
        word=Word.REGRESSION,
        rung="R7",
    ),
    Change(
        name="a cast there and back",
        file="physics.py",
        old=POWER,
        new="power = (spectrum.real.square() + spectrum.imag.square()).sum(dim=2).float().double()",
        word=Word.REGRESSION,
        rung="R2",
    ),
    Change(
        name="a constant",
        file="network.py",
        old="    return math.pi * torch.tanh(x)",
        new="    return 3.14159 * torch.tanh(x)",
        word=Word.REGRESSION,
        rung="R2",
    ),
    Change(
        name="a norm of the transform",
        file="physics.py",
        old='norm="ortho"',
        new='norm="backward"',
        word=Word.REGRESSION,
        rung="R0",
    ),
    Change(
        name="a default",
        file="engine.py",
        old="mae_weight: float = 0.0,",
        new="mae_weight: float = 0.1,",
        word=Word.REGRESSION,
        rung="R0",
    ),
    Change(
        name="a sign",
        file="network.py",
        old="amplitude * phase.sin()",
        new="-amplitude * phase.sin()",
        word=Word.REGRESSION,
        rung="R2",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A backend that is asked from copies of its code."""

    side: str
    folder: Path
    kept: RunRoot
    events: EventLog
    question: Question
    answer: Answer | None
    expected: OracleAnswer | None = None

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
        heard = AnsweredQuestion(
            number=0, question=self.question, answers=answers, expected=cast("OracleAnswer", self.expected)
        )
        return judge.judge(heard, self.side, oracle_moved=False)


@pytest.fixture
def plain(tmp_path: Path) -> "Bench":
    """The question, with the plain copy's answer and the oracle's."""
    folder = tmp_path
    kept = directory.create(folder / "harness")
    request = problem.request(
        gridsize=1, seed=42, scan=FIXTURE, steps=1, precision="f64", quantities=RUNGS, masked=True
    )
    question = Question(gridsize=1, precision="f64", seed=42, request=request, path=folder / "request.npz")
    request.save(question.path)
    bench = Bench(side=SIDE, folder=folder, kept=kept, events=kept.open_events(), question=question, answer=None)
    answer = bench.ask("old", [])
    return replace(bench, answer=answer, expected=collect.expect(question))


@pytest.mark.deep
def test_planted_changes_are_sorted_rightly(plain: "Bench") -> None:
    found = {}
    for number, change in enumerate(CHANGES):
        rows = plain.judge(f"new-{number}", change)
        moved = [row for row in rows if row.word is not Word.IDENTICAL]
        worst = min((row.word for row in rows), key=words.WORST_FIRST.index)
        found[change.name] = (worst, moved[0].climbed.rung.name if moved else "")
    assert found == {change.name: (change.word, change.rung) for change in CHANGES}
