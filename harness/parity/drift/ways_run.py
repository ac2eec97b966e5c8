"""
`python -m harness parity --ways`: one backend in several ways of running, each against its plain way on one thread.

Each backend is asked in every way, one process for each number of threads, which TensorFlow can set once a process.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from harness.isolation import revision, source_overlay
from harness.parity.compare.response import Answer
from harness.parity.drift import frame, judge, report, ways
from harness.parity.drift.frame import Conditions
from harness.parity.drift.report import DriftReport
from harness.parity.drift.versions import NEW, OLD
from harness.parity.drift.ways import PLAIN, THREADS, WAYS
from harness.parity.drift.words import Drift
from harness.parity.exchange import backend_client, collect
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.plan import Question
from harness.parity.reference import problem
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.system import pool
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT

FILE = "ways.json"
BASE = "the plain way on one thread"


def name_of(way: str, threads: int) -> str:
    """The name of a way on some threads."""
    return f"{way}, {threads} thread{'s' if threads > 1 else ''}"


COMPARED = tuple(name_of(way.name, n) for n in THREADS for way in WAYS if (way.name, n) != (PLAIN, 1))
"""Ways that are compared with the plain one on one thread."""


def run(options: Conditions, interruption: Interruption) -> tuple[DriftReport, Path]:
    """
    Compare.

    Returns:
        The report, and the `ways.json` that holds it.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    expected = RequiredResults(
        rungs=options.labels(
            [f"{side} {way}" for side in options.pythons for way in COMPARED], lambda _precision: ways.RUNGS
        ),
        adapters=tuple(_label(side, threads) for side in options.pythons for threads in THREADS),
    )
    with frame.logged(options, kind="ways", expected=expected) as (kept, events, finish):
        questions = _questions(options, kept)
        # A copy: an edit or a commit while it is asked would be another source than its answers name.
        tree = source_overlay.copy(ROOT, kept.scratch / "trees" / "head", revision.PACKAGES)
        ask = partial(_ask, options, tree, questions, kept, events, interruption)
        jobs = [(side, threads) for threads in THREADS for side in options.pythons]
        answered = dict(pool.several(ask, jobs, jobs=len(options.pythons), interruption=interruption))
        rows = _judge(questions, answered, options.pythons)
        for row in rows:
            events.write("rung.end", **report.fields(row))
        made = DriftReport(base=BASE, rows=report.in_order(rows), seed=options.seed, seconds=time.monotonic() - clock)
        return made, finish(made, FILE)


def _label(side: str, threads: int) -> str:
    return f"adapter-{side}-{threads}-threads"


def _questions(options: Conditions, kept: RunRoot) -> list[Question]:
    """The plain question at every gridsize in every precision."""
    made: list[Question] = []
    for precision in options.precisions:
        for gridsize in options.gridsizes:
            asked = problem.request(
                gridsize=gridsize,
                seed=options.seed,
                scan=options.scan,
                steps=1,
                precision=precision,
                quantities=ways.RUNGS,
                masked=False,
            )
            path = kept.path / f"request-{len(made):03d}.npz"
            request = ways.enlarged(asked, options.seed)
            request.save(path)
            made.append(Question(gridsize=gridsize, precision=precision, seed=options.seed, request=request, path=path))
    return made


Answered = Mapping[tuple[str, str, int], Answer]
"""Answers by way, precision and gridsize."""


def _ask(
    options: Conditions,
    tree: Path,
    questions: Sequence[Question],
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    job: tuple[str, int],
) -> tuple[tuple[str, int], Answered]:
    """Ask one backend in every way on so many threads; returns which, and its answers."""
    side, threads = job
    label = _label(side, threads)
    asked: list[tuple[ways.Way, Question, list[Path]]] = []
    for question in questions:
        for way in WAYS:
            files = []
            for number, request in enumerate(ways.requests(question.request, way, threads)):
                files.append(kept.scratch / f"{label}-{question.path.stem}-{way.name}-{number}.npz")
                request.save(files[-1])
            asked.append((way, question, files))
    paths = [path for _, _, files in asked for path in files]
    party = Party(side=side, python=options.pythons[side], import_root=tree)
    answers = iter(backend_client.ask(party, paths, label, kept, events, interruption).answers)
    found = {
        (way.name, question.precision, question.gridsize): ways.merged(way, [next(answers) for _ in files])
        for way, question, files in asked
    }
    return job, found


def _judge(
    questions: Sequence[Question], answered: Mapping[tuple[str, int], Answered], sides: Mapping[str, str]
) -> list[Drift]:
    """Judge every way of every backend against its plain way on one thread, and both by the oracle."""
    rows: list[Drift] = []
    for question in questions:
        expected = ways.expected(collect.expect(question))
        at = question.precision, question.gridsize
        for side in sides:
            plain = answered[side, THREADS[0]][PLAIN, *at]
            for threads in THREADS:
                for way in WAYS:
                    if (name := name_of(way.name, threads)) in COMPARED:
                        given = {OLD: plain, NEW: answered[side, threads][way.name, *at]}
                        states = {OLD: BASE, NEW: f"the way {name}"}
                        rows += judge.compare(question, expected, given, side, way=name, states=states)
    return rows


def main(options: Conditions, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    return frame.main(partial(run, options), as_json=options.json, follow=follow)
