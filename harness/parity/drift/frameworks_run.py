"""
`python -m harness parity --versions SIDE=V,V`: the same code in other versions of a framework, against the locked one.

Environments are found or made first. Then each version is asked in its own, from one copy of the working tree, and
judged against the float64 oracle and against the interpreter of the lock. A version that is the locked one is asked
again like any other: it must be identical, which shows that nothing but the version moves the figures.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.isolation import revision, source_overlay
from harness.parity.compare.failure import AnswerFailure, FailureKind
from harness.parity.compare.response import Answer
from harness.parity.drift import frame, judge, plant, report, words
from harness.parity.drift.report import DriftReport
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.words import Drift
from harness.parity.exchange import backend_client, collect, plan
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import ORACLE, AnsweredQuestion
from harness.parity.exchange.plan import Question
from harness.parity.judge.ladder import OracleAnswer
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.system import pool
from harness.system.signals import Interruption
from harness.targets import framework_versions
from harness.targets.framework_versions import InstalledFramework
from harness.targets.version_option import LOCKED, NEWEST
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

FILE = "versions.json"


@dataclass(frozen=True, kw_only=True)
class VersionsOptions(frame.Conditions):
    """
    Options of the command; `pythons` are the interpreters of the locks, of the sides that are compared.

    Attributes:
        versions: by side; `locked` and `newest` stand for the one of the lock, and for the newest there is.
        steps: length of the trajectory.
        lock_of: commit whose locks are the base; None for those of the working tree.
    """

    versions: Mapping[str, tuple[str, ...]]
    steps: int
    lock_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class FrameworkCandidate:
    """
    A version of a framework and its environment.

    Attributes:
        side: backend.
        version: of the framework.
        locked: whether it is the base of its side, the interpreter of the lock.
        python: interpreter; None where it cannot be had.
        installed: what the environment holds.
        moved: packages that have another version than beside the locked one, with both.
        why: why there is none.
        commit: whose lock it is of; None for the working tree's.
    """

    side: str
    version: str
    locked: bool = False
    python: str | None = None
    installed: InstalledFramework | None = None
    moved: tuple[str, ...] = ()
    why: str = ""
    commit: str | None = None

    @property
    def name(self) -> str:
        """Its name among all who are asked."""
        return words.name_of(self.side, LOCKED if self.locked else self.version)

    @property
    def sentence(self) -> str:
        """Describe it in a sentence."""
        name = f"{self.side} {self.version}"
        if self.installed is None:
            return f"{name} cannot be installed: {self.why}"
        moved = f"; moved with it: {', '.join(self.moved)}" if self.moved else ""
        return f"{self.lock if self.locked else name}: {self.installed.build}{moved}"

    @property
    def lock(self) -> str:
        """Describe it as a base."""
        of = f" of commit {self.commit[:12]}" if self.commit else ""
        return f"the locked {self.side} {self.version}{of}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"sentence": self.sentence, **asdict(self)}


def run(options: VersionsOptions, interruption: Interruption) -> tuple[DriftReport, Path]:
    """
    Compare.

    Returns:
        The report, and the `versions.json` that holds it.

    Raises:
        UsageError: the base is not a commit.
        InfrastructureError: an interpreter has not the version of its lock, the base cannot be had, or the working tree
            is not known.
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    commit = None if options.lock_of is None else revision.resolve(options.lock_of, ROOT)
    present = {side: _of_lock(side, options.pythons[side]) for side in options.versions}
    bases = {side: _base(present[side], commit, options, interruption) for side in present}
    others = [one for side in bases for one in _others(bases[side], present[side], options, interruption)]
    everybody = [*bases.values(), *others]
    asked = [candidate for candidate in everybody if candidate.python is not None]
    expected = RequiredResults(
        rungs=options.labels([f"{one.side} {one.version}" for one in others], plan.rungs),
        adapters=tuple(f"adapter-{candidate.name}" for candidate in asked),
        left_out=options.left_out,
    )
    with frame.logged(options, kind="versions", expected=expected) as (kept, events, finish):
        for candidate in everybody:
            events.write("note", message=candidate.sentence)
        questions = plan.plan(
            gridsizes=options.gridsizes,
            precisions=options.precisions,
            seeds=(options.seed,),
            scan=options.scan,
            steps=options.steps,
            folder=kept.path,
        )
        # A copy: an edit or a commit while it is asked would be another source than its answers name.
        tree = source_overlay.copy(ROOT, kept.scratch / "trees" / "head", revision.PACKAGES)
        answers, figures = _ask(asked, tree, questions, kept, events, interruption, quiet=options.quiet)
        rows, complaints = list[Drift](), list[str]()
        for other in others:
            base = bases[other.side]
            heard = [_heard(q, number, base, other, answers, figures[number]) for number, q in enumerate(questions)]
            rows += _judge(heard, base, other, events)
            complaints += plant.check(heard, [other.side], options.seed)
        made = DriftReport(
            base=", ".join(base.lock for base in bases.values()),
            rows=report.in_order(rows),
            parties={
                question.label: {name: dict(given[number].manifest) for name, given in answers.items()}
                for number, question in enumerate(questions)
            },
            complaints=complaints,
            versions=[candidate.as_dict() for candidate in everybody],
            seed=options.seed,
            seconds=time.monotonic() - clock,
        )
        return made, finish(made, FILE)


def _of_lock(side: str, python: str) -> FrameworkCandidate:
    """
    The interpreter of a side's lock, as a version like any other.

    Raises:
        InfrastructureError: it is not in the state of the lock.
    """
    lock = framework_versions.lock_text(side)
    pinned, found = framework_versions.pinned(side, lock), framework_versions.ask(python, side)
    if not framework_versions.is_of(python, lock):
        raise InfrastructureError(
            f"--python {side}={python} was installed from another lock than {framework_versions.lock_of(side).name} is "
            "now; `nox -s parity -- --versions …` brings it to its lock"
        )
    if found.version != pinned:
        raise InfrastructureError(
            f"--python {side}={python} has {found.build}, and the lock pins {pinned}, the base of every comparison; "
            "`nox -s parity -- --versions …` brings it to its lock"
        )
    return FrameworkCandidate(side=side, version=pinned, python=python, installed=found)


def _base(
    present: FrameworkCandidate, commit: str | None, options: VersionsOptions, interruption: Interruption
) -> FrameworkCandidate:
    """
    The base of a side: its lock, or that of a commit where that is another.

    Raises:
        InfrastructureError: the commit has no such lock, or its environment cannot be made.
    """
    side, lock = present.side, framework_versions.lock_text(present.side, commit)
    if commit is None or lock == framework_versions.lock_text(side):
        return replace(present, locked=True)
    version = framework_versions.pinned(side, lock)
    return replace(_made(present, version, lock, options, interruption), locked=True, commit=commit)


def _others(
    base: FrameworkCandidate, present: FrameworkCandidate, options: VersionsOptions, interruption: Interruption
) -> Iterator[FrameworkCandidate]:
    """Versions that are compared, each once, with their environments or why there is none."""
    done = set[str]()
    for word in options.versions[base.side]:
        try:
            version = {LOCKED: present.version}.get(word, word)
            if word == NEWEST:
                version = framework_versions.newest(base.side, str(present.python))
            if version in done:
                continue
            lock = framework_versions.lock_text(base.side)
            found = present if version == present.version else _made(present, version, lock, options, interruption)
        except InfrastructureError as error:
            found, version = FrameworkCandidate(side=base.side, version=word, why=str(error)), word
        done.add(version)
        if base.installed is not None and found.installed is not None:
            moved = framework_versions.moved(base.installed, found.installed, base.side)
            found = replace(found, moved=moved)
        if not options.quiet or found.why:
            print(found.sentence, file=sys.stderr, flush=True)
        yield found


def _made(
    present: FrameworkCandidate, version: str, lock: str, options: VersionsOptions, interruption: Interruption
) -> FrameworkCandidate:
    """
    A version with an environment of its own.

    Raises:
        InfrastructureError: it cannot be made.
    """
    python, installed = framework_versions.prepare(
        present.side, version, lock, str(present.python), options.root, interruption
    )
    return FrameworkCandidate(side=present.side, version=version, python=str(python), installed=installed)


Answers = Mapping[str, Sequence[Answer]]
"""By name, one a question."""


def _ask(
    candidates: Sequence[FrameworkCandidate],
    tree: Path,
    questions: Sequence[Question],
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    *,
    quiet: bool,
) -> tuple[Answers, Sequence[OracleAnswer]]:
    """Ask everybody and the oracle, as many at a time as there are processors; returns all answers."""
    paths = [question.path for question in questions]

    def ask(candidate: FrameworkCandidate | None) -> tuple[str, Sequence[Answer], Sequence[OracleAnswer]]:
        if candidate is None:
            figures = []
            for question in questions:
                interruption.check()
                figures.append(collect.expect(question))
            return ORACLE, (), figures
        assert candidate.python is not None
        party = Party(
            side=candidate.side,
            python=candidate.python,
            import_root=tree,
            version=LOCKED if candidate.locked else candidate.version,
        )
        found = backend_client.ask(party, paths, f"adapter-{party.name}", kept, events, interruption).answers
        return candidate.name, [_of_version(answer, candidate) for answer in found], ()

    answers: dict[str, Sequence[Answer]] = {}
    expected: Sequence[OracleAnswer] = ()
    jobs = max(2, os.cpu_count() or 1)
    for name, given, figures in pool.several(ask, [*candidates, None], jobs=jobs, interruption=interruption):
        if name == ORACLE:
            expected = figures
        else:
            answers[name] = given
        if not quiet:
            print(f"{name}: answered {len(questions)} requests", flush=True)
    return answers, expected


def _of_version(answer: Answer, candidate: FrameworkCandidate) -> Answer:
    """An answer, refused if it does not say that this version of the framework computed it."""
    engine, answered = answer.manifest.get("engine") or {}, answer.arrays or answer.exact
    said = str(engine.get("version", "")).partition("+")[0]
    if said == candidate.version or not (engine or answered):
        return answer
    sentence = f"it was computed by {candidate.side} {said or 'of no version'}, asked was {candidate.version}"
    return replace(answer, refusals=(*answer.refusals, sentence))


def _heard(
    question: Question,
    number: int,
    base: FrameworkCandidate,
    other: FrameworkCandidate,
    answers: Answers,
    expected: OracleAnswer,
) -> AnsweredQuestion:
    """One question with the answers of the locked version and of another one."""
    new = answers[other.name][number] if other.python is not None else _absent(question)
    given = {words.name_of(other.side, OLD): answers[base.name][number], words.name_of(other.side, NEW): new}
    return AnsweredQuestion(number=number, question=question, answers=given, expected=expected)


def _absent(question: Question) -> Answer:
    """In the place of the answer of a version that cannot be had."""
    why = AnswerFailure(kind=FailureKind.MACHINE, sentence="it cannot be installed", verdict=Verdict.INFRA)
    failures = dict.fromkeys(question.request.quantities, why)
    return Answer(exact={}, arrays={}, refusals=(), manifest={}, failures=failures)


def _judge(
    heard: Sequence[AnsweredQuestion], base: FrameworkCandidate, other: FrameworkCandidate, events: EventLog
) -> list[Drift]:
    """Judge a version by the oracle and against the locked one, and write down every rung."""
    states = {OLD: base.lock, NEW: f"{other.side} {other.version}"}
    rows: list[Drift] = []
    for one in heard:
        judged = judge.judge(one, other.side, oracle_moved=False, version=other.version, states=states)
        for row in judged:
            events.write("rung.end", **report.fields(row))
        rows += judged
    return rows


def main(options: VersionsOptions, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    return frame.main(partial(run, options), as_json=options.json, follow=follow)
