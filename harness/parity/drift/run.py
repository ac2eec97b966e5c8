"""
`python -m harness parity --against REV`: the same questions to the backends of a commit and of the working tree.

Both states are copied into the run's scratch, each with the core that belongs to it, and asked at the same time, in
processes of their own. The oracle is the working tree's.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.isolation import revision
from harness.parity.drift import frame, judge, plant, report, versions, words
from harness.parity.drift.report import DriftReport
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.words import Drift
from harness.parity.exchange import plan
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import ORACLE, AnsweredQuestion, hear
from harness.parity.output.progress import Display
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT

STEPS = 20
"""Length of the trajectory: what differs at all differs after a few steps, and twice as many adapters are asked."""


@dataclass(frozen=True, kw_only=True)
class DriftOptions(frame.Conditions):
    """
    Options of the command; both states of a side are asked with the same interpreter.

    Attributes:
        base: the revision to compare with.
        steps: length of the trajectory.
        checkout: whose working tree is compared.
    """

    base: str
    steps: int = STEPS
    checkout: Path = ROOT


def run(options: DriftOptions, interruption: Interruption) -> tuple[DriftReport, Path]:
    """
    Compare.

    Returns:
        The report, and the `drift.json` that holds it.

    Raises:
        UsageError: the base is not a commit, or lacks a package.
        InfrastructureError: the commit cannot be asked, or what the working tree holds is not known.
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    commit = revision.resolve(options.base, options.checkout)
    names = [words.name_of(side, version) for side in options.pythons for version in (OLD, NEW)]
    expected = RequiredResults(
        rungs=options.labels(options.pythons, plan.rungs),
        adapters=tuple(f"adapter-{name}" for name in names),
        left_out=options.left_out,
    )
    with frame.logged(options, kind="drift", expected=expected, checkout=options.checkout) as (kept, events, finish):
        old, new = revision.materialise(commit, options.checkout, kept.scratch / "trees")
        known = versions.vocabulary(old, commit)
        moved = versions.oracle_changes(commit, options.checkout)
        parties = [
            Party(side=side, python=python, import_root=tree, version=version)
            for side, python in options.pythons.items()
            for version, tree in ((OLD, old), (NEW, new))
        ]
        events.write("note", message=f"against commit {commit}: {old.name} is {OLD}, {new.name} is {NEW}")
        questions = plan.plan(
            gridsizes=options.gridsizes,
            precisions=options.precisions,
            seeds=(options.seed,),
            scan=options.scan,
            steps=options.steps,
            folder=kept.path,
        )
        cut = versions.requests(questions, known, kept.scratch, commit)
        files = {party.name: cut for party in parties if party.version == OLD}
        rows, heard = _compare(options, parties, questions, files, bool(moved), kept, events, interruption)
        made = DriftReport(
            base=commit,
            rows=report.in_order(rows),
            oracle_changes=moved,
            parties={one.question.label: {n: dict(a.manifest) for n, a in one.answers.items()} for one in heard},
            complaints=plant.check(heard, list(options.pythons), options.seed),
            seed=options.seed,
            seconds=time.monotonic() - clock,
        )
        return made, finish(made, report.FILE)


def _compare(
    options: DriftOptions,
    parties: Sequence[Party],
    questions: Sequence[plan.Question],
    files: Mapping[str, Sequence[Path]],
    moved: bool,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
) -> tuple[list[Drift], list[AnsweredQuestion]]:
    """Ask everybody, judge each question as soon as it is answered, and write down every rung."""
    rows, kept_answers = list[Drift](), list[AnsweredQuestion]()
    names = [*(party.name for party in parties), ORACLE]
    with Display(names, questions, quiet=options.quiet) as display:
        for heard in hear(parties, questions, kept, events, interruption, on_progress=display.answered, files=files):
            for side in options.pythons:
                judged = judge.judge(heard, side, oracle_moved=moved)
                for row in judged:
                    events.write("rung.end", **report.fields(row))
                    if row.word is not words.Word.IDENTICAL:
                        display.say(report.sentence(row))
                rows += judged
            kept_answers.append(heard)
    return rows, kept_answers


def main(options: DriftOptions, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    return frame.main(partial(run, options), as_json=options.json, follow=follow)
