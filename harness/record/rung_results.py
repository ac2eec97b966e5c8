"""
Counts rungs in a log, in one way for all: on a terminal, a page, in JUnit and in every file.

A log holds one result for each rung at each gridsize, precision and seed. A reader counts rungs: R2 is one, and it
passes only if it passes everywhere. Campaigns (planted faults, kills) report their trials in the same events; there,
each trial counts by itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FAIL, UNVERIFIED, NOT_REACHED, KNOWN, PASS = "fail", "unverified", "not reached", "known failure", "pass"
ORDER = (FAIL, UNVERIFIED, NOT_REACHED, KNOWN, PASS)
"""Results, the worst first: the worst of a rung's results is the rung's."""

DRIFT = ("regression", "both outside", "changed", "not answered", "unverified", "fixed", "rounding", "identical")
"""Words for a rung of two states of one backend (docs/drift.md), the worst first."""

STANDING = (PASS, KNOWN)
"""Results that fail nothing."""

_LISTED = 8
_LADDER = re.compile(r"(R\d+[a-z]?)(?: (.+))?")
_AT = re.compile(r"(?:^| )(?:(f\d+|bf16)|g(?:ridsize )?(\d+)|seed (\d+))(?= |$)")
_DRAWN = re.compile(r" N (\d+) seed (\d+)(?= |$)")
_BACKEND = re.compile(r"(?:^| )(torch|tf)(?= |$)((?: (?!b?f\d+\b)\S+)*)")


@dataclass(frozen=True, kw_only=True)
class RungResult:
    """
    One result, as an event `rung.end` says it.

    Attributes:
        label: the rung, and where: `R2 f64 gridsize 1 seed 42`; or a campaign's trial: `mutant NAME`.
        result: one of `ORDER`.
        guilty: the sides that are wrong.
        tensor: that decides the rung.
        where: file, line and function of the fault.
        reason: why it does not pass.
        cause: what the machine did that explains a missing answer (`timeout`, `infra`, …); empty where nothing does.
        drift: of a comparison with another commit, its word: `identical`, `rounding`, `regression` …
        units: how far the two versions are apart, in `unit`; None where that is not a number.
        unit: what `units` counts.
    """

    label: str
    result: str
    guilty: tuple[str, ...] = ()
    tensor: str = ""
    where: str = ""
    reason: str = ""
    cause: str = ""
    drift: str = ""
    units: float | None = None
    unit: str = ""

    @property
    def rung(self) -> str:
        """The rung alone, `R2`; the whole label of what is not a rung of the ladder."""
        return rung_of(self.label)

    @property
    def why(self) -> str:
        """Side, tensor, place and reason, as far as the log says them."""
        accused = f"at fault: {', '.join(self.guilty)}" if self.guilty else ""
        return "; ".join(filter(None, (accused, self.tensor, self.where, self.reason)))


def of_event(row: Mapping[str, Any]) -> RungResult:
    """The result that an event `rung.end` says; fields that are missing or of a wrong type are empty."""

    def text(key: str) -> str:
        return value if isinstance(value := row.get(key), str) else ""

    guilty, units = row.get("guilty"), row.get("units")
    return RungResult(
        label=str(row.get("rung") or ""),
        result=str(row.get("result") or ""),
        guilty=tuple(map(str, guilty)) if isinstance(guilty, list) else (),
        units=float(units) if isinstance(units, int | float) and not isinstance(units, bool) else None,
        **{key: text(key) for key in ("tensor", "where", "reason", "cause", "drift", "unit")},
    )


def rung_of(label: str) -> str:
    """The rung of a label."""
    match = _LADDER.fullmatch(label)
    return match[1] if match else label


def place_of(label: str, *, seeded: bool = False) -> str:
    """Return where a rung was judged: `gridsize 1 in f64`; with its backend and its seed where a run has several."""
    precision, gridsize, seed = conditions(label)
    size = f"gridsize {gridsize}" if gridsize else ""
    parts = (f"{name} at" if (name := who_of(label)) else "", size, f"in {precision}" if precision else "")
    if problem := problem_of(label):
        return " ".join(filter(None, (*parts, f"({problem})")))
    return " ".join(filter(None, (*parts, f"at seed {seed}" if seeded and seed else "")))


def conditions(label: str) -> tuple[str, str, str]:
    """Precision, gridsize and seed of a label; "" for what it does not say."""
    match = _LADDER.fullmatch(label)
    found = {"precision": "", "gridsize": "", "seed": ""}
    for precision, gridsize, seed in _AT.findall((match[2] or "") if match else ""):
        found["precision"] = precision or found["precision"]
        found["gridsize"] = gridsize or found["gridsize"]
        found["seed"] = seed or found["seed"]
    return found["precision"], found["gridsize"], found["seed"]


def seeds(labels: Iterable[str]) -> set[str]:
    """The seeds of some rungs; those of drawn problems only where there are no others."""
    listed = list(labels)
    own = [label for label in listed if not problem_of(label)]
    return {conditions(label)[2] for label in own or listed}


def problem_of(label: str) -> str:
    """Name of the drawn problem that a label is about, `N 128, seed 7`; "" for the ladder's own."""
    match = _DRAWN.search(label)
    return f"N {match[1]}, seed {match[2]}" if match else ""


def backend_of(label: str) -> str:
    """The backend that a label names; "" for a rung that is of both."""
    match = _LADDER.fullmatch(label)
    found = _BACKEND.search((match[2] or "") if match else "")
    return found[1] if found else ""


def who_of(label: str) -> str:
    """The backend that a label names, with the words that follow it up to the precision: a way of running."""
    match = _LADDER.fullmatch(label)
    found = _BACKEND.search((match[2] or "") if match else "")
    return f"{found[1]}{found[2]}" if found else ""


def apart(units: float | None, unit: str) -> str:
    """Say how far two versions are apart, for a table: `3.2 noise units`; "" where that is not a number."""
    return "" if units is None else f"{units:.3g} {unit}"


def drift_table(results: Iterable[RungResult]) -> list[tuple[str, ...]]:
    """
    The words of a comparison, headings first: a row for each rung and precision, a column for each who was compared.

    A cell has the worst word over gridsizes and seeds and, if that is rounding, the largest distance.

    Args:
        results: in the order of the rows; what is not of a comparison is left out.
    """
    compared = [result for result in results if result.drift]
    who = list(dict.fromkeys(who_of(result.label) for result in compared))
    cells: dict[tuple[str, str], dict[str, list[RungResult]]] = {}
    for result in compared:
        row = cells.setdefault((result.rung, conditions(result.label)[0]), {})
        row.setdefault(who_of(result.label), []).append(result)
    if not compared:
        return []
    rungs = list(dict.fromkeys(rung for rung, _ in cells))
    ordered = sorted(cells.items(), key=lambda item: rungs.index(item[0][0]))
    body = [(*at, *(_cell(row.get(name, [])) for name in who)) for at, row in ordered]
    return [("rung", "in", *who), *body]


def _cell(results: Sequence[RungResult]) -> str:
    """Several results of one rung in a cell; what was expected and is not there is no word at all."""
    if not results:
        return ""
    word = min((result.drift for result in results), key=lambda w: DRIFT.index(w) if w in DRIFT else -1)
    of_word = [result for result in results if result.drift == word and result.units is not None]
    largest = max(of_word, key=lambda result: result.units or 0.0, default=None)
    shown = "" if largest is None or word != "rounding" else apart(largest.units, largest.unit)
    return f"{word}, {shown}" if shown else word


def places(results: Mapping[str, str], rung: str, *, besides: Sequence[str] = ()) -> list[str]:
    """
    Return where a rung was judged.

    Args:
        results: label to result.
        rung: which.
        besides: results that are left out.
    """
    seeded = len(seeds(results)) > 1
    mine = (label for label, result in results.items() if rung_of(label) == rung and result not in besides)
    return [place for label in mine if (place := place_of(label, seeded=seeded))]


def worst(results: Iterable[str]) -> str:
    """The worst of some results; one that is not of the closed set is as bad as none at all."""
    known = [result if result in ORDER else UNVERIFIED for result in results]
    return min(known, key=ORDER.index, default=NOT_REACHED)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """
    Number of rungs, and of those that pass.

    Attributes:
        results: each rung's result, from the lowest rung up.
    """

    results: Mapping[str, str]

    def having(self, *results: str) -> list[str]:
        """Rungs with one of the results, from the lowest up."""
        return [name for name, result in self.results.items() if result in results]

    @property
    def standing(self) -> int:
        """Return how many pass, at every gridsize, precision and seed."""
        return len(self.having(*STANDING))

    @property
    def noun(self) -> str:
        """Return what is counted: rungs, or the trials of a campaign."""
        words = {name.partition(" ")[0] for name in self.results}
        word = words.pop() if len(words) == 1 else ""
        return word if word and all(name != word and name.startswith(word) for name in self.results) else "rung"

    @property
    def sentence(self) -> str:
        """The count in a line, with the names of all that do not pass."""
        total = len(self.results)
        if not total:
            return "no rung was judged"
        what = f"{self.noun} passes" if total == 1 else f"{self.noun}s pass"
        parts = [f"{self.standing} of {total} {what}"]
        for words, result in (("failed", FAIL), ("unverified", UNVERIFIED), ("not reached", NOT_REACHED)):
            if names := [name.removeprefix(f"{self.noun} ") for name in self.having(result)]:
                more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
                parts.append(f"{words}: {', '.join(names[:_LISTED])}{more}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for `verdict.json`."""
        named = {"failed": FAIL, "unverified": UNVERIFIED, "known_failure": KNOWN, "not_reached": NOT_REACHED}
        lists = {key: self.having(result) for key, result in named.items()}
        return {"total": len(self.results), "standing": self.standing, **lists, "sentence": self.sentence}


def tally(results: Mapping[str, str], expected: Sequence[str] = ()) -> Tally:
    """
    Count rungs.

    Args:
        results: label to result.
        expected: labels that must have one; those without are not reached.
    """
    found: dict[str, list[str]] = {rung_of(label): [] for label in (*expected, *results)}
    for label in dict.fromkeys((*expected, *results)):
        found[rung_of(label)].append(results.get(label, NOT_REACHED))
    return Tally(results={name: worst(listed) for name, listed in found.items()})
