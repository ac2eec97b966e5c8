"""
The ladder over many seeds: how far correct backends come to their limits, and every alarm, which here is a false one.

One seed says that a pair passes; only many say that a limit is not luck. Weights, patterns, positions and recorded
gradients are drawn again for each.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.files.run_files import write_text
from harness.parity.compare.comparison import Result, in_units
from harness.parity.compare.rungs import PRECISIONS, RUNGS
from harness.parity.judge.ladder import JudgedRung
from harness.parity.output.report import finite_or_text
from harness.system import tables
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

SCHEMA = "ptycho-parity-seeds/1"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """
    A rung that does not pass at one seed.

    Attributes:
        seed: seed of the problem.
        result: fail or unverified.
        tensor: where.
        reasons: why.
    """

    seed: int
    result: str
    tensor: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SurveyRow:
    """
    One rung at one gridsize in one precision, over all seeds; or on drawn problems of one patch side.

    Attributes:
        rung: name.
        gridsize: g; None for drawn problems, which have either.
        side: N of drawn problems; None for the ladder's own problem.
        precision: of `PRECISIONS`.
        seeds: how many it was climbed at.
        figure: the largest D; None where values must be equal.
        noise_units: the largest multiple of a floor; None where there are no floors.
        margin: the smallest ratio of what is allowed to what was found; None where values must be equal.
        tensor: where that is.
        seed: and at which seed.
        alarms: seeds at which it does not pass.
    """

    rung: str
    gridsize: int | None
    side: int | None
    precision: str
    seeds: int
    figure: float | None
    noise_units: float | None
    margin: float | None
    tensor: str | None
    seed: int | None
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """
    The ladder at all seeds.

    Attributes:
        seeds: which.
        rows: in the order of the climb.
        refused: why answers do not count, by seed, side and question.
    """

    seeds: tuple[int, ...]
    rows: tuple[SurveyRow, ...]
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def alarms(self) -> int:
        """Return how often a rung did not pass."""
        return sum(len(row.alarms) for row in self.rows)

    @property
    def verdict(self) -> Verdict:
        """`PASS` only if something was climbed at every seed, and everything passes."""
        complete = bool(self.rows) and all(row.seeds == len(self.seeds) for row in self.rows)
        return Verdict.PASS if complete and not self.alarms and not self.refused else Verdict.FAIL

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an infinite figure is text."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.label,
            "seeds": list(self.seeds),
            "false_alarms": self.alarms,
            "refused": {key: list(value) for key, value in self.refused.items()},
            "rows": [_plain(row) for row in self.rows],
        }

    def write(self, path: Path) -> Path:
        """Write it as JSON."""
        write_text(path, json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        return path


def run(
    seeds: Sequence[int],
    one: Callable[[int], Sequence[JudgedRung]],
    *,
    on_seed: Callable[[int, Sequence[JudgedRung]], None] = lambda _seed, _climbed: None,
) -> Survey:
    """
    Climb the ladder at every seed.

    Args:
        seeds: which.
        one: climbs it at one.
        on_seed: called after each seed.

    Raises:
        UsageError: no seed, or one twice.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds {list(seeds)}; allowed: one or more, each once")
    found: dict[int, Sequence[JudgedRung]] = {}
    for seed in seeds:
        found[seed] = one(seed)
        on_seed(seed, found[seed])
    return collect(found)


def collect(found: Mapping[int, Sequence[JudgedRung]], refused: Mapping[str, Sequence[str]] | None = None) -> Survey:
    """
    Sum up what was climbed.

    Args:
        found: every rung at every gridsize and precision, by seed.
        refused: why answers do not count.
    """
    order = [rung.name for rung in RUNGS]
    keys = {_key(item) for climbed in found.values() for item in climbed}
    listed = sorted(keys, key=lambda key: (order.index(key[0]), PRECISIONS.index(key[1]), key[2] or 0, key[3] or 0))
    return Survey(seeds=tuple(found), rows=tuple(_row(key, found) for key in listed), refused=dict(refused or {}))


RowKey = tuple[str, str, int | None, int | None]
"""Rung, precision, and the gridsize or the N of drawn problems."""


def _key(item: JudgedRung) -> RowKey:
    if item.drawn is not None:
        return item.rung.name, item.precision, None, item.drawn.model.side
    return item.rung.name, item.precision, item.gridsize, None


def _row(key: RowKey, found: Mapping[int, Sequence[JudgedRung]]) -> SurveyRow:
    rung, precision, gridsize, side = key
    of_row = [(seed, item) for seed, climbed in found.items() for item in climbed if _key(item) == key]
    figures = [item.figure for _, item in of_row if item.figure is not None]
    units = [item.noise_units for _, item in of_row if item.noise_units is not None]
    nearest = min(
        ((margin, seed, item) for seed, item in of_row if (margin := _margin(item)) is not None),
        key=lambda entry: entry[0],
        default=None,
    )
    return SurveyRow(
        rung=rung,
        gridsize=gridsize,
        side=side,
        precision=precision,
        seeds=len({seed for seed, _ in of_row}),
        figure=max(figures, default=None),
        noise_units=max(units, default=None),
        margin=None if nearest is None else nearest[0],
        tensor=None if nearest is None or nearest[2].worst is None else nearest[2].worst.tensor,
        seed=None if nearest is None else nearest[1],
        alarms=tuple(_alarm(seed, item) for seed, item in of_row if item.result in (Result.FAIL, Result.UNVERIFIED)),
    )


def _margin(item: JudgedRung) -> float | None:
    """Return what is allowed as a multiple of what was found, where that is nearest."""
    if item.worst is None or item.worst.tolerance is None or item.figure is None:
        return None
    return math.inf if item.figure == 0 else in_units(item.worst.tolerance, item.figure)


def _alarm(seed: int, item: JudgedRung) -> Alarm:
    worst = item.worst
    return Alarm(
        seed=seed,
        result=str(item.result),
        tensor=None if worst is None else worst.tensor,
        reasons=("nothing was compared",) if worst is None else worst.reasons,
    )


def _plain(row: SurveyRow) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in ("rung", "gridsize", "side", "precision", "seeds", "tensor", "seed")},
        **{name: finite_or_text(getattr(row, name)) for name in ("figure", "noise_units", "margin")},
        "alarms": [
            {"seed": alarm.seed, "result": alarm.result, "tensor": alarm.tensor, "reasons": list(alarm.reasons)}
            for alarm in row.alarms
        ],
    }


HEADINGS = ("rung", "g or N", "in", "seeds", "worst D", "noise units", "margin", "nearest to its limit", "false alarms")


def table(survey: Survey) -> list[tuple[str, ...]]:
    """The rows as text, without headings."""
    return [
        (
            row.rung,
            str(row.gridsize) if row.side is None else f"N {row.side}",
            row.precision,
            str(row.seeds),
            "equal" if row.figure is None else f"{row.figure:.1e}",
            "–" if row.noise_units is None else f"{row.noise_units:.2g}",
            "–" if row.margin is None else f"{row.margin:.2g}",
            row.tensor or "",
            str(len(row.alarms)),
        )
        for row in survey.rows
    ]


def markdown(survey: Survey) -> str:
    """The table for a document."""
    return tables.markdown((HEADINGS, *table(survey)))


def show(survey: Survey) -> None:
    """Print the table and every alarm."""
    tables.show((HEADINGS, *table(survey)))
    for row in survey.rows:
        for alarm in row.alarms:
            size = f"gridsize {row.gridsize}" if row.side is None else f"N {row.side}"
            where = f"{row.rung} at {size} in {row.precision}, seed {alarm.seed}"
            print(f"{alarm.result}: {where}: {alarm.tensor or 'no tensor'}: {'; '.join(alarm.reasons)}")
    for party, reasons in survey.refused.items():
        for reason in reasons:
            print(f"refused: {party}: {reason}")
    word = survey.verdict.label
    seeds = f"{len(survey.seeds)} seeds ({min(survey.seeds)} to {max(survey.seeds)})"
    print(f"parity over {seeds}: {word}, {survey.alarms} false alarm(s)", flush=True)
