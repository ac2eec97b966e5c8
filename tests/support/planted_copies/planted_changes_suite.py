"""
Changes of one line planted into copies of the code, for which a real adapter answers: each must get its word.

The plain copy is asked once, every changed one once, in processes of their own: the whole rungs of the first seed, and
of further seeds the rungs up to the first one that moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.isolation import revision, source_overlay
from harness.isolation.source_overlay import Edit
from harness.parity.compare.response import Answer
from harness.parity.drift import compiled, judge, words
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.ways_run import LIMIT_S
from harness.parity.drift.words import Word
from harness.parity.exchange import backend_client, collect
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.reference import problem
from harness.record import directory
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT
from tests.support.golden_step0 import FIXTURE

SEEDS = (42, 7, 11)


@dataclass(frozen=True, kw_only=True)
class PlantedChange:
    """
    A planted change.

    Attributes:
        name: in words.
        file: of the repository.
        old: text that is there once.
        new: what takes its place.
        word: the worst word of any rung.
        rung: the lowest rung that is not identical; "" if all are.
        word_there: the word of that rung, where a higher one is worse.
    """

    name: str
    file: str
    old: str
    new: str
    word: Word
    rung: str = ""
    word_there: Word | None = None

    @property
    def edits(self) -> list[Edit]:
        """The change as an edit of a copy."""
        return [Edit(file=self.file, old=self.old, new=self.new)]


@dataclass(frozen=True, kw_only=True)
class CopyBench:
    """
    A backend that is asked from copies of the code.

    Attributes:
        side: backend.
        folder: for the copies.
        kept: the run.
        events: its log.
    """

    side: str
    folder: Path
    kept: RunRoot
    events: EventLog

    @classmethod
    def at(cls, side: str, folder: Path) -> "CopyBench":
        """One with a run of its own below a folder."""
        kept = directory.create(folder / "harness")
        return cls(side=side, folder=folder, kept=kept, events=kept.open_events())

    def ask(
        self, name: str, edits: Sequence[Edit], paths: Sequence[Path], limit_s: float = backend_client.ADAPTER_TIMEOUT_S
    ) -> list[Answer]:
        """The answers of a copy with changes; each must be whole."""
        tree = source_overlay.copy(ROOT, self.folder / name, revision.PACKAGES)
        source_overlay.apply(edits, tree)
        party = Party(side=self.side, import_root=tree, version=name)
        done = backend_client.ask(party, paths, name, self.kept, self.events, Interruption(), timeout_s=limit_s)
        for answer in done.answers:
            assert (answer.refusals, answer.failures) == ((), {})
        return list(done.answers)


def question(folder: Path, gridsize: int, seed: int, rungs: Sequence[str]) -> Question:
    """A question of the ladder in float64, whose file is written."""
    asked = problem.request(
        gridsize=gridsize, seed=seed, scan=FIXTURE, steps=1, precision="f64", quantities=tuple(rungs), masked=True
    )
    path = folder / f"request-{seed}.npz"
    asked.save(path)
    return Question(gridsize=gridsize, precision="f64", seed=seed, request=asked, path=path)


def sorted_into(
    changes: Sequence[PlantedChange], *, side: str, folder: Path, gridsize: int, rungs: Sequence[str]
) -> dict[tuple[str, int], tuple[Word, str]]:
    """
    The worst word, and the lowest rung that moved, of each change at each seed.

    Args:
        changes: to plant, one after the other.
        side: backend whose adapter is asked.
        folder: for copies and answers.
        gridsize: g.
        rungs: that are asked for, in their order.
    """
    bench = CopyBench.at(side, folder)
    questions = [question(folder, gridsize, seed, rungs) for seed in SEEDS]
    before = bench.ask("old", [], [one.path for one in questions])
    oracle = [collect.expect(one) for one in questions]
    found = {}
    for number, change in enumerate(changes):
        asked = [questions[0], *(_up_to(change, one, folder, number) for one in questions[1:])]
        after = bench.ask(f"new-{number}", change.edits, [one.path for one in asked])
        for one, old, new, law in zip(asked, before, after, oracle, strict=True):
            found[change.name, one.seed] = _word(one, side, old, new, law)
    return found


def sorted_when_compiled(
    changes: Sequence[PlantedChange], *, side: str, folder: Path, rungs: Sequence[str] = compiled.RUNGS
) -> dict[str, tuple[Word, str]]:
    """
    The worst word of the compiled way against the plain one of the unchanged code, and the lowest rung with that word.

    Args:
        changes: to plant, one after the other; the unchanged code is asked first, under the name "".
        side: backend.
        folder: for copies and answers.
        rungs: that are asked for.
    """
    bench = CopyBench.at(side, folder)
    path = folder / "request.npz"
    asked = compiled.question(gridsize=1, precision="f64", seed=SEEDS[0], scan=FIXTURE, path=path, quantities=rungs)
    (plain,) = bench.ask("plain", [], [path])
    oracle = compiled.expected(collect.expect(asked))
    compiled.request(asked).save(folder / "compiled.npz")
    found = {}
    for number, change in enumerate((None, *changes)):
        edits = change.edits if change else []
        (answer,) = bench.ask(f"compiled-{number}", edits, [folder / "compiled.npz"], limit_s=LIMIT_S)
        given = {OLD: plain, NEW: compiled.proved(answer)}
        rows = judge.compare(asked, oracle, given, side)
        worst = min((row.word for row in rows), key=words.WORST_FIRST.index)
        first = next(row.climbed.rung.name for row in rows if row.word is worst)
        found[change.name if change else ""] = worst, first
    return found


def expected(changes: Sequence[PlantedChange]) -> dict[tuple[str, int], tuple[Word, str]]:
    """What `sorted_into` must return."""
    return {
        (change.name, seed): (change.word if seed == SEEDS[0] else change.word_there or change.word, change.rung)
        for change in changes
        for seed in SEEDS
    }


def _up_to(change: PlantedChange, whole: Question, folder: Path, number: int) -> Question:
    """The same question about no more than the rungs up to the first one that moves; about all if none does."""
    rungs = whole.request.quantities
    asked = replace(whole.request, quantities=rungs[: rungs.index(change.rung) + 1] if change.rung else rungs)
    path = folder / f"request-{whole.seed}-{number}.npz"
    asked.save(path)
    return replace(whole, request=asked, path=path)


def _word(asked: Question, side: str, old: Answer, new: Answer, oracle: OracleAnswer) -> tuple[Word, str]:
    rows = judge.compare(asked, oracle, {OLD: old, NEW: new}, side)
    moved = [row for row in rows if row.word is not Word.IDENTICAL]
    worst = min((row.word for row in rows), key=words.WORST_FIRST.index)
    return worst, moved[0].climbed.rung.name if moved else ""
