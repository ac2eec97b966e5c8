"""
Rungs of a run of the ladder: from its `parity.json`, and from the log what that lacks.

A run that ended early has no `parity.json`, or one without its last rungs; its log has every rung that was judged. What
is made of it here has the form of `parity.json`, less the figures, which no log holds, so that a page is drawn from one
form.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.record import rung_results
from harness.record.rung_results import NOT_REACHED, RungResult, Tally
from harness.record.state import RunState
from harness.report.values import mapping, objects, text

LOGGED = "logged"
"""Key of a row that was taken from the log: it has a result and no figures."""


def document(written: Mapping[str, Any], told: RunState) -> Mapping[str, Any]:
    """
    The rungs of a run in the form of `parity.json`; empty for a run that climbs no ladder.

    Args:
        written: the run's own `parity.json`, or empty.
        told: the run's log.
    """
    if not written and told.kind != "parity":
        return {}
    judged = {_key(row) for row in objects(written.get("rungs"))}
    rows = [row for found in told.judged.values() if _key(row := _row(found, told)) not in judged]
    if written and not rows:
        return written
    return {
        **written,
        "rungs": [*objects(written.get("rungs")), *rows],
        "first_failure": mapping(written.get("first_failure")) or _first_failure(told),
    }


def tally(found: Mapping[str, Any], told: RunState) -> Tally:
    """The rungs of such a document as they are counted everywhere; from the log where there is one."""
    if told.rungs or told.expected.rungs:
        return told.tally
    keys = ("rung", "precision", "gridsize", "problem")
    rows = (
        (" ".join(filter(None, (text(row.get(key)) for key in keys))), text(row.get("result")))
        for row in objects(found.get("rungs"))
    )
    return rung_results.tally(dict(rows))


def seeds(labels: object) -> int:
    """Return how many seeds the rungs of some labels are of."""
    return len(rung_results.seeds(map(text, labels))) if isinstance(labels, list) else 0


def not_reached(told: RunState) -> list[str]:
    """Rungs that must be judged and were not, everywhere or somewhere."""
    return told.tally.having(NOT_REACHED)


def _key(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return text(row.get("rung")), text(row.get("gridsize")), text(row.get("precision")), text(row.get("problem"))


def _row(found: RungResult, run: RunState) -> dict[str, Any]:
    precision, gridsize, seed = rung_results.conditions(found.label)
    problem = rung_results.problem_of(found.label)
    several = not problem and seeds(list(run.judged)) > 1
    return {
        "rung": found.rung,
        "gridsize": f"{gridsize}, seed {seed}" if several and seed else gridsize,
        "precision": precision,
        "problem": problem,
        "result": found.result,
        "tensor": found.tensor or None,
        LOGGED: True,
    }


def _first_failure(told: RunState) -> dict[str, Any] | None:
    """The lowest rung that failed, with what the log knows of it."""
    first = next(iter(told.failed_rungs), None)
    if first is None:
        return None
    return {
        **_row(first, told),
        "guilty": list(first.guilty),
        "suspect": ", ".join(first.guilty) or None,
        "catches": next(_catches(first.rung), ""),
        "reasons": [sentence for sentence in (first.reason, first.where) if sentence],
    }


def _catches(name: str) -> Iterator[str]:
    from harness.parity.compare.rungs import RUNGS

    return (rung.catches for rung in RUNGS if rung.name == name)
