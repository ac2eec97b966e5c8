"""
The verdict of a log, from the log alone: what it says, what it contradicts, and what it does not say.

The harness asks it twice: before it writes `run.end`, so that silence and contradictions become problems of the run,
and afterwards for the reports. A log that does not go to its end is never a pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.record import device_evidence as proven
from harness.record import log as event_log
from harness.record import required, rung_results, state
from harness.record.log import Log
from harness.record.outcome import Problem
from harness.record.required import MissingResult
from harness.record.rung_results import STANDING
from harness.record.state import GREEN, RunState
from ptycho.verdict import Verdict

_LISTED = 5
"""How many names a sentence lists; `verdict.json` has them all."""


_SUITE_FAILED = "suite-failed"
"""The finding that covers failed tests."""

STOPPED = (Verdict.USAGE, Verdict.INFRA, Verdict.OOM, Verdict.TIMEOUT)
"""How a run may end early by itself. A rung that had failed before has failed all the same."""


@dataclass(frozen=True, kw_only=True)
class LogVerdict:
    """
    The verdict of a log.

    Attributes:
        verdict: the worst of the problems.
        partial: whether the log ends before the run did.
        problems: what the log says and what reading it adds.
        silent: what must report and did not.
        failed: whether a rung was judged and failed.
    """

    verdict: Verdict
    partial: bool
    problems: tuple[Problem, ...]
    silent: tuple[MissingResult, ...]
    failed: bool = False


def gravest(verdicts: Iterable[Verdict], *, failed: bool) -> Verdict:
    """
    The verdict of many, and of a run in which something failed before it was stopped: a fail.

    Args:
        verdicts: of which the worst counts.
        failed: whether a rung was judged and failed. What dies later is not an excuse for it; who interrupts a run,
            though, has asked for no verdict.
    """
    found = Verdict.worst(verdicts)
    return Verdict.FAIL if failed and found in STOPPED else found


def judge(told: RunState) -> LogVerdict:
    """Judge a log as it is; the first problem is the lowest rung that failed, if one did."""
    quiet = required.silent(
        told.expected,
        fixtures=told.fixtures,
        collected=told.collected,
        tests=told.reported,
        rungs=told.rungs,
        benchmarks=told.benchmarks,
        adapters=told.asked,
    )
    fallen = [Problem(verdict=_verdict_of_rungs(told), message=sentence) for sentence in _rungs(told)]
    problems = [*fallen, *_end(told), *told.problems]
    sentences = [*_contradictions(told), *_evidence(told), *proven.sentences(told), *_silence(told, quiet)]
    problems += [Problem(verdict=Verdict.FAIL, message=sentence) for sentence in sentences]
    problems += _benchmarks(told)
    unique = tuple(dict.fromkeys(problems))
    verdicts = [problem.verdict for problem in unique] + ([told.verdict] if told.verdict is not None else [])
    failed = bool(told.failed_rungs)
    return LogVerdict(
        verdict=gravest(verdicts, failed=failed),
        partial=not told.complete,
        problems=unique,
        silent=tuple(quiet),
        failed=failed,
    )


def closing(path: Path, verdict: Verdict) -> tuple[list[Problem], LogVerdict]:
    """
    Judge a run that is about to end with a verdict: its log is read as if `run.end` were written.

    Args:
        path: the event log.
        verdict: what the run would say of itself.

    Returns:
        The problems that judging adds, and the verdict of the log with them.

    Raises:
        PtychoError: something has taken the log's place.
    """
    log = event_log.parse(event_log.content(path))
    pid = log.rows[-1].get("pid") if log.rows else None
    end = {"event": "run.end", "pid": pid, "verdict": verdict.name}
    told = state.tell(Log(rows=(*log.rows, end), damage=log.damage))
    judged = judge(told)
    return [problem for problem in judged.problems if problem not in told.problems], judged


def _end(told: RunState) -> list[Problem]:
    if told.complete:
        return []
    running = ", ".join(str(span) for span in told.checked.open if span.name != "run")
    if not told.last:
        message = "the log is partial: it is empty, so the run stopped before it started anything"
    else:
        message = (
            f"the log is partial: it ends after {told.last!r} instead of 'run.end'; running: {running or 'nothing'}"
        )
    return [Problem(verdict=Verdict.FAIL, message=message)]


def _contradictions(told: RunState) -> list[str]:
    sentences = [f"the event log breaks its grammar: {sentence}" for sentence in told.checked.violations]
    return sentences + [f"the event log is damaged: {found}" for found in told.damage if not found.torn]


def _evidence(told: RunState) -> list[str]:
    """Bad results count even where no problem was written for them, unless a list of known failures names them."""
    sentences = []
    failed = [name for name, result in told.tests.items() if result.outcome not in (*GREEN, "running")]
    if failed and _SUITE_FAILED not in told.known:
        sentences.append(f"{_number(failed, 'test')} failed: {_listed(failed)}")
    if (errors := list(told.collect_errors)) and _SUITE_FAILED not in told.known:
        sentences.append(f"could not be collected: {_listed(errors)}")
    bad = [name for name, row in told.fixtures.items() if Verdict.parse(row.get("verdict")) is not Verdict.PASS]
    if bad and not told.known:
        sentences.append(f"{_number(bad, 'fixture')} did not pass: {_listed(bad)}")
    if told.complete and not (told.fixtures or told.tests or told.rungs or told.benchmarks):
        sentences.append("no evidence: no fixture, test, rung or benchmark reported at all")
    return sentences


def _verdict_of_rungs(told: RunState) -> Verdict:
    """A fail, unless all that does not pass is explained by what the machine did: then the worst of that."""
    causes = {
        Verdict.parse(found.cause) or Verdict.FAIL for found in told.judged.values() if found.result not in STANDING
    }
    return Verdict.worst(causes, default=Verdict.FAIL)


def _rungs(told: RunState) -> list[str]:
    """Return what was judged and does not pass, then what the log knows of the first that failed."""
    found = rung_results.tally(told.rungs)
    fallen = [name for name in found.results if name not in found.having(*STANDING)]
    sentences = []
    if fallen:
        listed = _listed([_fallen(told, name, found.results[name]) for name in fallen])
        sentences.append(f"{_number(fallen, found.noun)} did not pass: {listed}")
    if (first := next(iter(told.failed_rungs), None)) is not None and first.why:
        where = rung_results.place_of(first.label)
        sentences.append(f"first to fail: {first.rung}{f' at {where}' if where else ''}: {first.why}")
    return sentences


def _fallen(told: RunState, rung: str, result: str) -> str:
    """A rung that does not pass, with the gridsizes and precisions at which it does not."""
    places = rung_results.places(told.rungs, rung, besides=STANDING)
    return f"{rung}: {result}" + (f" ({_listed(places, '; ')})" if places else "")


def _benchmarks(told: RunState) -> list[Problem]:
    """Over budget and too busy to judge are verdicts of their own: the worst of them, and not always a fail."""
    slow = {
        name: verdict for name, said in told.benchmarks.items() if (verdict := Verdict.parse(said)) is not Verdict.PASS
    }
    if not slow:
        return []
    gravest = Verdict.worst(verdict or Verdict.FAIL for verdict in slow.values())
    return [Problem(verdict=gravest, message=f"{_number(list(slow), 'benchmark')} did not pass: {_listed(list(slow))}")]


def grouped(told: RunState, quiet: Sequence[MissingResult]) -> list[MissingResult]:
    """Return what is silent, for a reader: a rung that was judged nowhere is listed once, whatever its gridsizes."""
    begun = {rung_results.rung_of(label) for label in told.rungs}
    found: dict[MissingResult, None] = {}
    for item in quiet:
        name = rung_results.rung_of(item.name) if item.kind == "rung" else item.name
        found[replace(item, name=item.name if name in begun else name)] = None
    return list(found)


def _silence(told: RunState, quiet: Sequence[MissingResult]) -> list[str]:
    """One sentence a kind: three hundred tests of a suite that never ran are one thing to know."""
    of_kind: dict[str, list[str]] = {}
    for item in grouped(told, quiet):
        of_kind.setdefault(item.kind, []).append(str(item))
    return [f"no evidence: {_listed(sentences, '; ')}" for sentences in of_kind.values()]


def _number(names: Sequence[str], noun: str) -> str:
    return f"1 {noun}" if len(names) == 1 else f"{len(names)} {noun}s"


def _listed(names: Sequence[str], joint: str = ", ") -> str:
    more = f" and {len(names) - _LISTED} more (all are in verdict.json)" if len(names) > _LISTED else ""
    return joint.join(names[:_LISTED]) + more
