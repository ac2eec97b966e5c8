"""
The verdict of a log, from the log alone: what it says, what it contradicts, and what it does not say.

The harness asks it twice: before it writes `run.end`, so that silence and contradictions become problems of the run,
and afterwards for the reports. A log that does not go to its end is never a pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import events, expectations, story
from harness.events import Log
from harness.expectations import Silent
from harness.outcome import GRAVITY, Problem
from harness.proof import told as proven
from harness.story import GREEN, Story
from ptycho.verdict import Verdict

_LISTED = 5
"""How many names a sentence lists; `verdict.json` has them all."""


_SUITE_FAILED = "suite-failed"
"""The finding that covers failed tests."""

STANDING = ("pass", "known failure")
"""Results of a rung that must be judged and fail nothing."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """
    What a log amounts to.

    Attributes:
        verdict: the gravest of the problems.
        partial: whether the log ends before the run did.
        problems: what the log says and what reading it adds.
        silent: what must report and did not.
    """

    verdict: Verdict
    partial: bool
    problems: tuple[Problem, ...]
    silent: tuple[Silent, ...]


def judge(told: Story) -> Judgement:
    """Judge a log as it is."""
    quiet = expectations.silent(
        told.expected,
        fixtures=told.fixtures,
        collected=told.collected,
        tests=told.reported,
        rungs=told.rungs,
        benchmarks=told.benchmarks,
    )
    problems = [*_end(told), *told.problems]
    sentences = [*_contradictions(told), *_evidence(told), *proven.sentences(told), *_silence(quiet)]
    problems += [Problem(verdict=Verdict.FAIL, message=sentence) for sentence in sentences]
    problems += _benchmarks(told)
    unique = tuple(dict.fromkeys(problems))
    verdicts = [problem.verdict for problem in unique] + ([told.verdict] if told.verdict is not None else [])
    verdict = min(verdicts, key=GRAVITY.index)
    return Judgement(verdict=verdict, partial=not told.complete, problems=unique, silent=tuple(quiet))


def closing(path: Path, verdict: Verdict) -> list[Problem]:
    """
    What judging adds to a run that is about to end with a verdict: its log is read as if `run.end` were written.

    Args:
        path: the event log.
        verdict: what the run would say of itself.
    """
    log = events.parse(path.read_bytes())
    pid = log.rows[-1].get("pid") if log.rows else None
    end = {"event": "run.end", "pid": pid, "verdict": verdict.name}
    told = story.tell(Log(rows=(*log.rows, end), damage=log.damage))
    return [problem for problem in judge(told).problems if problem not in told.problems]


def _end(told: Story) -> list[Problem]:
    if told.complete:
        return []
    running = ", ".join(str(span) for span in told.checked.open if span.name != "run")
    after = f"after {told.last!r}" if told.last else "before its first event"
    message = f"the log is partial: it ends {after} and not with 'run.end'"
    return [Problem(verdict=Verdict.FAIL, message=f"{message}; under way were: {running or 'nothing else'}")]


def _contradictions(told: Story) -> list[str]:
    sentences = [f"the event log breaks its grammar: {sentence}" for sentence in told.checked.violations]
    return sentences + [f"the event log is damaged: {found}" for found in told.damage if not found.torn]


def _evidence(told: Story) -> list[str]:
    """Bad results count even where nobody has blamed anything for them, unless a list of known failures names them."""
    sentences = []
    failed = [name for name, result in told.tests.items() if result.outcome not in (*GREEN, "running")]
    if failed and _SUITE_FAILED not in told.known:
        sentences.append(f"{_number(failed, 'test')} failed: {_listed(failed)}")
    if (errors := list(told.collect_errors)) and _SUITE_FAILED not in told.known:
        sentences.append(f"could not be collected: {_listed(errors)}")
    bad = [name for name, row in told.fixtures.items() if story.verdict_of(row.get("verdict")) is not Verdict.PASS]
    if bad and not told.known:
        sentences.append(f"{_number(bad, 'fixture')} did not pass: {_listed(bad)}")
    rungs = [f"{name}: {result}" for name, result in told.rungs.items() if result not in STANDING]
    if judged := [said for said in rungs if said.rpartition(": ")[0] in told.expected.rungs]:
        sentences.append(f"{_number(judged, 'rung')} did not stand: {_listed(judged)}")
    if told.complete and not (told.fixtures or told.tests or told.rungs or told.benchmarks):
        sentences.append("no evidence: no fixture, test, rung or benchmark reported at all")
    return sentences


def _benchmarks(told: Story) -> list[Problem]:
    """Over budget and too busy to judge are verdicts of their own: the gravest of them, and not always a fail."""
    slow = {
        name: verdict
        for name, said in told.benchmarks.items()
        if (verdict := story.verdict_of(said)) is not Verdict.PASS
    }
    if not slow:
        return []
    gravest = min((verdict or Verdict.FAIL for verdict in slow.values()), key=GRAVITY.index)
    return [Problem(verdict=gravest, message=f"{_number(list(slow), 'benchmark')} did not pass: {_listed(list(slow))}")]


def _silence(quiet: Sequence[Silent]) -> list[str]:
    """One sentence a kind: three hundred tests of a suite that never ran are one thing to know."""
    kinds = dict.fromkeys(found.kind for found in quiet)
    of_kind = {kind: [found for found in quiet if found.kind == kind] for kind in kinds}
    return [f"no evidence: {_listed([str(item) for item in found], '; ')}" for found in of_kind.values()]


def _number(names: Sequence[str], noun: str) -> str:
    return f"1 {noun}" if len(names) == 1 else f"{len(names)} {noun}s"


def _listed(names: Sequence[str], joint: str = ", ") -> str:
    more = f" and {len(names) - _LISTED} more (all are in verdict.json)" if len(names) > _LISTED else ""
    return joint.join(names[:_LISTED]) + more
