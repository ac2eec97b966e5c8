"""
Figures of a run that has ended, for the history: noise units of the ladder's rungs, quality of a lane's fixtures.

Only what passed counts, and only a run's own word: the log, and the `parity.json` beside it. Benchmarks write their
figures themselves.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.files import untrusted
from harness.record import directory, history, log, machine, method, state
from harness.record.directory import LOG
from harness.record.history import MeasuredFigures
from harness.record.state import RunState
from ptycho.errors import InfrastructureError, PtychoError
from ptycho.fingerprint import ROOT

LADDER = "parity.json"
LADDER_BY = (
    *(f"harness/parity/{name}" for name in ("compare", "judge", "reference")),
    *("ptycho/parity", "ptycho/physics/network.py"),
)
"""Files that define what a rung compares, and in which unit."""

SCORED_BY = ("ptycho/metrics", "harness/lanes/checks/score.py", "harness/lanes/checks/reconstruction.py")
"""Files that define a lane's figures."""

LARGEST = 64 << 20


def remember(own: Path) -> list[str]:
    """
    Append what a run measured to the history of its workspace.

    Args:
        own: folder of the run; one that lies in no workspace has no history.

    Returns:
        A sentence if it could not be written: the run's verdict does not depend on it.
    """
    if directory.load(own) is None:
        return []
    try:
        run = state.tell(log.parse(log.content(own / LOG)))
        made = entries(run, own)
        if made:
            history.append(own.absolute().parents[1], fingerprint(run), made)
    except (PtychoError, InfrastructureError, ValueError, RecursionError) as error:
        return [f"the figures of this run are not in the history: {error}"]
    return []


def fingerprint(run: RunState) -> dict[str, Any]:
    """The machine and the locks of a run, as `machine.describe` says them, with the locks that the run wrote down."""
    found = run.origin.get("locks")
    locks = found if isinstance(found, Mapping) else {}
    device = run.origin.get("device")
    described = machine.describe([], device=device if isinstance(device, str) else "cpu")
    return described | {"locks": {Path(str(path)).name: digest for path, digest in sorted(locks.items())}}


def entries(run: RunState, own: Path) -> list[MeasuredFigures]:
    """
    Return the entries of a run.

    Args:
        run: its log.
        own: its folder.

    Raises:
        PtychoError: its `parity.json` cannot be read.
        ValueError: it is not JSON.
    """
    if run.kind == "lane":
        return list(_lane(run))
    if run.kind == "parity" and (own / LADDER).is_file():
        document = json.loads(untrusted.read_bytes(own / LADDER, LARGEST))
        return list(_ladder(run, document)) if isinstance(document, dict) else []
    return []


def _lane(run: RunState) -> Iterator[MeasuredFigures]:
    how = {"scores": method.sources(ROOT, SCORED_BY)}
    named = [(path, digest) for path, digest in _pairs(run, "files") if Path(path).stem == run.name]
    if named:
        how["target"] = min(named, key=lambda item: len(item[0]))[1][: method.DIGITS]
    for fixture, row in run.fixtures.items():
        values = _numbers(row.get("scores"), history.MEASURES["lane"])
        if row.get("verdict") == "pass" and values:
            yield _entry(run, "lane", f"{run.lane} {fixture}", values, how | _data_set(run, fixture))


def _ladder(run: RunState, document: Mapping[str, Any]) -> Iterator[MeasuredFigures]:
    how = {"ladder": method.sources(ROOT, LADDER_BY), "seed": str(document.get("seed"))}
    for number, sentence in enumerate(run.expected.left_out, start=1):
        how[f"left out {number}"] = sentence[:200]
    for name in dict(_pairs(run, "fixtures")):
        how |= _data_set(run, name)
    versions = dict(_versions(document.get("parties")))
    rows = document.get("rungs")
    for row in rows if isinstance(rows, list) else []:
        values = _numbers({"noise_units": row.get("noise_units")} if isinstance(row, dict) else {}, ("noise_units",))
        if values and row.get("result") == "pass" and not row.get("problem"):  # each is drawn but once
            subject = f"{row.get('rung')} {row.get('precision')} gridsize {row.get('gridsize')}"
            yield _entry(run, "ladder", subject, values, how, versions)


def _entry(
    run: RunState,
    kind: str,
    subject: str,
    values: Mapping[str, float],
    how: Mapping[str, str],
    versions: Mapping[str, str] | None = None,
) -> MeasuredFigures:
    commit = run.origin.get("commit")
    return MeasuredFigures(
        utc=history.now(),
        commit=commit if isinstance(commit, str) else None,
        kind=kind,
        subject=subject,
        values=values,
        method=dict(how),
        versions=versions or {},
    )


def _pairs(run: RunState, key: str) -> list[tuple[str, str]]:
    """Name and digest of the files that a run is about."""
    found = run.origin.get(key)
    rows = found.items() if isinstance(found, Mapping) else ()
    named = ((name, row.get("sha256") if isinstance(row, Mapping) else row) for name, row in rows)
    return [(str(name), digest) for name, digest in named if isinstance(digest, str)]


def _data_set(run: RunState, name: str) -> dict[str, str]:
    return {f"data set {name}": digest[: method.DIGITS] for own, digest in _pairs(run, "fixtures") if own == name}


def _numbers(given: object, names: tuple[str, ...]) -> dict[str, float]:
    if not isinstance(given, Mapping):
        return {}
    return {
        name: float(value)
        for name in names
        if isinstance(value := given.get(name), int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _versions(parties: object) -> Iterator[tuple[str, str]]:
    """Framework and version of every side that answered."""
    for sides in parties.values() if isinstance(parties, Mapping) else ():
        for side, answer in sides.items() if isinstance(sides, Mapping) else ():
            engine = answer.get("engine") if isinstance(answer, Mapping) else None
            if isinstance(engine, Mapping) and isinstance(version := engine.get("version"), str):
                yield str(side), version
