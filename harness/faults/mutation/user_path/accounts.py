"""
Reads one run of the ladder in all places that a user looks at, and names where they contradict each other.

`parity.json` is the measure: it is what a program reads. Terminal, event log, verdict and page must say the same exit
code, first failing rung, gridsize, precision and side.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.faults.mutation.user_path.ladder_run import LadderRun
from harness.parity.compare.rungs import PRECISIONS, RUNGS
from harness.targets.devices import SIDES

NAMES = tuple(rung.name for rung in RUNGS)
FALLEN = ("fail", "unverified")

_FIRST = re.compile(r"first failing rung: (\w+) at gridsize (\d+) in (\w+)(?:[;,] at fault: ([^\n]*))?", re.IGNORECASE)
_END = re.compile(r"^parity in .*\(exit (\d+)\)", re.MULTILINE)
_LABEL = re.compile(r"(\w+) (\w+) gridsize (\d+)(?: N \d+)? seed \d+")


@dataclass(frozen=True, kw_only=True, order=True)
class RungPlace:
    """Place at which the ladder failed."""

    rung: str
    precision: str
    gridsize: int

    def __str__(self) -> str:
        return f"{self.rung} at gridsize {self.gridsize} in {self.precision}"

    @property
    def height(self) -> tuple[int, int, int]:
        """In the order of the climb."""
        return NAMES.index(self.rung), PRECISIONS.index(self.precision), self.gridsize


@dataclass(frozen=True, kw_only=True)
class Account:
    """
    Account of a run by one source.

    Attributes:
        source: which.
        exit_code: None where it says none.
        place: the first failure, None where it names none.
        guilty: the sides that it names, sorted; None where it names no side.
    """

    source: str
    exit_code: int | None
    place: RungPlace | None
    guilty: tuple[str, ...] | None


def of(walked: LadderRun) -> tuple[Account, ...]:
    """The accounts of a run, `parity.json` first."""
    return (_parity(walked), _terminal(walked), _events(walked), _verdict(walked), _page(walked))


def contradictions(accounts: Sequence[Account]) -> list[str]:
    """
    Return where accounts differ from the first of them, one sentence each.

    A source whose nature it is to be silent about sides (`guilty` is None beside a place) is not asked for them.
    """
    measure, *others = accounts
    found = []
    for other in others:
        if other.exit_code != measure.exit_code:
            found.append(f"{other.source} says exit code {other.exit_code}, {measure.source} {measure.exit_code}")
        if other.place != measure.place:
            found.append(f"{other.source} says {other.place or 'no rung'}, {measure.source} {measure.place or 'none'}")
        elif other.guilty is not None and other.guilty != measure.guilty:
            found.append(f"{other.source} names {named(other.guilty)}, {measure.source} {named(measure.guilty)}")
    return found


def unnamed(walked: LadderRun) -> list[str]:
    """Places in the code that `parity.json` sends its reader to, and another source does not."""
    first = (walked.parity or {}).get("first_failure") or {}
    sources = {"the terminal": walked.terminal, "the report": walked.page}
    return [
        f"{source} does not name {place}, which parity.json does"
        for place in first.get("look_at") or ()
        for source, text in sources.items()
        if str(place) not in text
    ]


def named(sides: Sequence[str] | None) -> str:
    """Sides in words."""
    return " and ".join(sides or ()) or "no side"


def _parity(walked: LadderRun) -> Account:
    told = walked.parity or {}
    first = told.get("first_failure") or {}
    place = RungPlace(rung=first["rung"], precision=first["precision"], gridsize=first["gridsize"]) if first else None
    guilty = tuple(sorted(first.get("guilty", ()))) if first else None
    return Account(source="parity.json", exit_code=told.get("exit_code"), place=place, guilty=guilty)


def _terminal(walked: LadderRun) -> Account:
    ends = _END.findall(walked.terminal)
    place, guilty = _first(walked.terminal)
    # Both: what the last line says, and what the process ended with.
    said = int(ends[-1]) if ends else None
    exit_code = walked.exit_code if said in (None, walked.exit_code) else said
    return Account(source="the terminal", exit_code=exit_code, place=place, guilty=guilty)


def _page(walked: LadderRun) -> Account:
    place, guilty = _first(walked.page)
    return Account(source="the report", exit_code=walked.page_exit_code, place=place, guilty=guilty)


def _first(text: str) -> tuple[RungPlace | None, tuple[str, ...] | None]:
    match = _FIRST.search(text)
    if match is None:
        return None, None
    place = RungPlace(rung=match[1], precision=match[3], gridsize=int(match[2]))
    words = match[4] or ""
    if words.startswith("both"):
        return place, tuple(sorted(SIDES))
    return place, tuple(sorted(side for side in SIDES if side in re.split(r"\W+", words)))


def _events(walked: LadderRun) -> Account:
    rows = [(place, row) for row in walked.events for place in _labelled(row.get("rung", ""))]
    fallen = [(place, row) for place, row in rows if row.get("event") == "rung.end" and row.get("result") in FALLEN]
    accused = [(place, row) for place, row in fallen if row["result"] == "fail" or row.get("guilty")]
    place, row = min(accused or fallen, key=lambda item: item[0].height, default=(None, {}))
    guilty = None if place is None else tuple(sorted(row.get("guilty", ())))
    ends = [row for row in walked.events if row.get("event") == "run.end"]
    return Account(source="the event log", exit_code=_code(walked, ends), place=place, guilty=guilty)


def _code(walked: LadderRun, ends: Sequence[Mapping[str, Any]]) -> int | None:
    """The exit code of the verdict that the log ends with; the names are those of `parity.json`."""
    told = walked.parity or {}
    word = str(ends[-1].get("verdict", "")).lower() if ends else None
    return told.get("exit_code") if word is not None and word == told.get("verdict") else None


def _verdict(walked: LadderRun) -> Account:
    told = walked.verdict or {}
    rungs = told.get("rungs") or {}
    fallen = [place for label, result in rungs.items() if result in FALLEN for place in _labelled(label)]
    # It lists results and not sides, so a result for which no side is named looks like a hang: what the others say
    # comes first must be among what failed, and no failure below it.
    certain = [place for label, result in rungs.items() if result == "fail" for place in _labelled(label)]
    measure = _parity(walked).place
    lowest = min(certain, key=lambda place: place.height, default=None)
    agreed = measure in fallen and (lowest is None or measure is None or lowest.height >= measure.height)
    place = measure if agreed else lowest or min(fallen, key=lambda item: item.height, default=None)
    return Account(source="verdict.json", exit_code=told.get("exit_code"), place=place, guilty=None)


def _labelled(label: object) -> Iterator[RungPlace]:
    match = _LABEL.fullmatch(str(label))
    if match is not None and match[1] in NAMES:
        yield RungPlace(rung=match[1], precision=match[2], gridsize=int(match[3]))
