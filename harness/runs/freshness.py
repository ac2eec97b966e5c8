"""
`python -m harness verdict LANE ...`: does everything that must report pass, for this commit, lock and data?

Each run judges itself; this asks whether there is anything to judge. What must report and has no run fails, and so does
a newest run of another commit, data set or lock, or of a part of its tests: an old green does not count.

A lane is named by framework and device (`torch-cpu`), any other kind of run by its kind (`parity`, `benchmark`), with
`-gpu` behind it where a side computed on one. Runs of those two are judged as well where they belong to the present
state: a red one cannot be left out by not naming it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record import directory, log, provenance, required, state
from harness.record import verdict as log_verdict
from harness.record.state import RunState
from ptycho.command_line import renamed
from ptycho.errors import PtychoError, UsageError
from ptycho.verdict import Verdict

LANE = "lane"
UNASKED = ("parity", "benchmark", "benchmark-short", "parity-gpu", "benchmark-gpu", "benchmark-short-gpu")
"""Kinds of run that are judged where they ran, also when they are not named."""


@dataclass(frozen=True, kw_only=True)
class LaneVerdict:
    """
    Verdict on the newest run of a lane, or of another kind, as of now.

    Attributes:
        lane: its name, for example `torch-cpu` or `parity`.
        verdict: verdict of the run; `FAIL` where there is none or where it is stale.
        run: its folder, or None.
        reasons: why it does not pass.
        asked: whether it must report; otherwise it was found.
    """

    lane: str
    verdict: Verdict
    run: Path | None = None
    reasons: tuple[str, ...] = ()
    asked: bool = True

    def __str__(self) -> str:
        where = "" if self.run is None else f" ({self.run})"
        found = "" if self.asked else ", not asked for"
        return "\n  ".join((f"{self.lane}: {self.verdict.label}{found}{where}", *self.reasons))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "lane": self.lane,
            "verdict": self.verdict.label,
            "exit_code": int(self.verdict),
            "asked": self.asked,
            "run": None if self.run is None else str(self.run),
            "reasons": list(self.reasons),
        }


def stale(told: RunState) -> list[str]:
    """Return how a run's origin differs from the present state of the same checkout, locks and files."""
    found = dict(told.origin)
    missing = [key for key in provenance.KEYS if key not in found]
    if missing:
        return [f"the outcome does not say what it belongs to: its origin lacks {', '.join(missing)}"]
    return provenance.stale(found, provenance.again(found))


def judge(root: Path, lanes: Sequence[str]) -> list[LaneVerdict]:
    """
    Judge the newest run of each lane.

    Args:
        root: the workspace's folder for runs.
        lanes: names of the lanes that must report, and other kinds of run.

    Returns:
        Those that must report, in their order, then what was found besides.
    """
    lanes = [_current(lane) for lane in lanes]
    newest: dict[str, tuple[Path, RunState]] = {}
    unasked = [kind for kind in UNASKED if kind not in lanes]
    later: dict[str, list[str]] = {}
    for run in directory.find(root):
        told = _told(run)
        if told is None or not told.token:
            if told is not None or not run.is_empty:
                sentence = f"a later run does not say what it was of: {run.path}; look why, and remove it"
                later = {lane: [*later.get(lane, ()), sentence] for lane in (*lanes, *unasked)}
            continue
        for lane in (*lanes, *unasked):
            # Runs come in the order in which they were begun, whatever the clock said then.
            if _is_of(told, lane):
                newest[lane] = (run.path, told)
                later.pop(lane, None)
    nameless = [f"a run lost its record: {path}; look why, and remove it" for path in directory.without_record(root)]
    doubts = {lane: (*later.get(lane, ()), *nameless) for lane in lanes}
    found = [
        _judged(lane, *newest[lane], doubts=doubts[lane]) if lane in newest else _absent(lane, root) for lane in lanes
    ]
    present = [kind for kind in unasked if kind in newest and not stale(newest[kind][1])]
    return found + [_judged(kind, *newest[kind], asked=False) for kind in present]


def _told(run: directory.RunRoot) -> RunState | None:
    """Return what a run's log says; None if it has not begun, or something has taken the log's place."""
    if not run.has_begun:
        return None
    try:
        return state.tell(log.parse(log.content(run.events)))
    except PtychoError:
        return None


def _current(lane: str, *, warn: bool = True) -> str:
    if (new := state.OLD_KINDS.get(lane)) is None:
        return lane
    if warn:
        renamed(f"the kind of run {lane}", new)
    return new


def _is_of(told: RunState, lane: str) -> bool:
    if told.kind not in ("", LANE):
        # By its name: a short benchmark and a comparison of two commits are of one kind with the whole benchmark.
        return _current(told.name or told.kind, warn=False) == lane
    # A run that was killed before its device was settled counts for every lane of its target.
    return lane == told.lane or (not told.complete and lane.rpartition("-")[0] == told.lane)


def _absent(lane: str, root: Path) -> LaneVerdict:
    return LaneVerdict(lane=lane, verdict=Verdict.FAIL, reasons=(f"the lane did not run: no run of it in {root}/runs",))


def _judged(lane: str, run: Path, told: RunState, *, asked: bool = True, doubts: Sequence[str] = ()) -> LaneVerdict:
    judged = log_verdict.judge(told)
    reasons = [f"{problem.verdict.label}: {problem.message}" for problem in judged.problems]
    verdict = judged.verdict
    gaps = [f"stale outcome: {sentence}" for sentence in stale(told)]
    gaps += required.parts(told.expected, told.tests, told.deselected)
    if gaps:
        verdict = Verdict.worst([verdict, Verdict.FAIL])
    elif doubts := [*provenance.unknown(dict(told.origin)), *doubts]:
        verdict, gaps = Verdict.worst([verdict, Verdict.INFRA]), list(doubts)
    return LaneVerdict(lane=lane, verdict=verdict, run=run, reasons=(*reasons, *gaps), asked=asked)


def main(root: Path, lanes: Sequence[str], *, as_json: bool = False) -> int:
    """
    The `verdict` command.

    Args:
        root: the workspace's folder for runs.
        lanes: names of what must report.
        as_json: print one JSON document, and only that.

    Returns:
        The exit code: the worst verdict.

    Raises:
        UsageError: no lane is named: nothing that must report is not a pass.
    """
    if not lanes:
        raise UsageError("name the lanes that must report, for example: torch-cpu tf-cpu parity")
    found = judge(root, lanes)
    verdict = Verdict.worst(lane.verdict for lane in found)
    if as_json:
        plain = {
            "verdict": verdict.label,
            "exit_code": int(verdict),
            "lanes": [item.as_dict() for item in found],
        }
        print(json.dumps(plain, indent=1))
    else:
        for lane in found:
            print(lane)
    return int(verdict)
