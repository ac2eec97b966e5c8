"""
`python -m harness parity --against REV`: the same questions to the backends of a commit and of the working tree.

Both states are copied into the run's scratch, each with the core that belongs to it, and asked at the same time, in
processes of their own. The oracle is the working tree's.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.isolation import revision
from harness.parity.compare.rungs import PRECISIONS
from harness.parity.drift import judge, plant, report, versions, words
from harness.parity.drift.report import Report
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.words import Drift
from harness.parity.exchange import plan
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import ORACLE, Heard, hear
from harness.parity.output.progress import Display
from harness.record import directory, provenance
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import Expected
from harness.runs import session
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT

GRIDSIZES = (1, 2)
STEPS = 20
"""Length of the trajectory: what differs at all differs after a few steps, and twice as many adapters are asked."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    Options of the command.

    Attributes:
        base: the revision to compare with.
        pythons: interpreter by side; both states of a side are asked with the same one.
        scan: file for R1.
        root: the workspace's folder for runs.
        gridsizes: which to compare.
        precisions: of `PRECISIONS`.
        seed: seed of the problem.
        steps: length of the trajectory.
        checkout: whose working tree is compared.
        quiet: print nothing while running.
        json: print the report as one JSON document, and only that.
    """

    base: str
    pythons: Mapping[str, str]
    scan: Path
    root: Path
    gridsizes: tuple[int, ...] = GRIDSIZES
    precisions: tuple[str, ...] = PRECISIONS
    seed: int
    steps: int = STEPS
    checkout: Path = ROOT
    quiet: bool = False
    json: bool = False


def run(options: Options, interruption: Interruption) -> tuple[Report, Path]:
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
    kept = directory.create(options.root)
    locks = [ROOT / "requirements" / f"{side}-cpu.txt" for side in options.pythons]
    origin = provenance.describe(
        root=options.checkout, locks=locks, fixtures={options.scan.stem: options.scan}, device="cpu"
    )
    names = [words.name_of(side, version) for side in options.pythons for version in (OLD, NEW)]
    expected = Expected(
        rungs=tuple(
            words.label(rung, side, precision, gridsize, options.seed)
            for side in options.pythons
            for precision in options.precisions
            for gridsize in options.gridsizes
            for rung in plan.rungs(precision)
        ),
        adapters=tuple(f"adapter-{name}" for name in names),
        left_out=_left_out(options),
    )
    with session.logged(kept, kind="drift", origin=origin, expected=expected) as (events, ended):
        if unknown := provenance.unknown(origin):
            raise InfrastructureError("; ".join(unknown))
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
        made = Report(
            base=commit,
            rows=report.in_order(rows),
            oracle_changes=moved,
            parties={one.question.label: {n: dict(a.manifest) for n, a in one.answers.items()} for one in heard},
            complaints=plant.check(heard, list(options.pythons), options.seed),
            seed=options.seed,
            seconds=time.monotonic() - clock,
        )
        path = made.write(kept.path / report.FILE)
        events.write("parity.end", verdict=made.verdict.name, seconds=made.seconds)
        ended(made.verdict, [f"the comparison checked itself: {line}" for line in made.complaints])
    return made, path


def _compare(
    options: Options,
    parties: Sequence[Party],
    questions: Sequence[plan.Question],
    files: Mapping[str, Sequence[Path]],
    moved: bool,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
) -> tuple[list[Drift], list[Heard]]:
    """Ask everybody, judge each question as soon as it is answered, and write down every rung."""
    rows, kept_answers = list[Drift](), list[Heard]()
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


def _left_out(options: Options) -> tuple[str, ...]:
    """Yield what keeps a comparison from being one of the whole ladder."""
    gridsizes = [str(g) for g in GRIDSIZES if g not in options.gridsizes]
    precisions = [name for name in PRECISIONS if name not in options.precisions]
    return tuple(
        f"a part of the ladder: without {what}"
        for what in (f"gridsize {', '.join(gridsizes)}" if gridsizes else "", ", ".join(precisions))
        if what
    )


def main(options: Options, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        made, path = run(options, interruption)
    return report.conclude(made, path, as_json=options.json)
