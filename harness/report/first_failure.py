"""
The first failure of the parity ladder in full: whose it is, in which tensor, at which elements, how to see it again.

It is the diagnosis, and so the one thing that a reader must reach from the top of the page in one click.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.files import untrusted
from harness.report import png
from harness.report.load_runs import LoadedRun
from harness.report.model import Cells, Picture, Table, TableCell, toned
from harness.report.values import figure, mapping, objects, text, texts
from ptycho.errors import PtychoError


@dataclass(frozen=True, kw_only=True)
class FirstFailure:
    """
    The first failure of the ladder.

    Attributes:
        where: rung, gridsize and precision.
        guilty: the side at fault, in words.
        look_at: places in the code, the likeliest first.
        catches: what a failure there points at.
        tensor: its name.
        reasons: what is wrong with it, and what it resembles.
        standing: what the other rungs say about it.
        facts: figures by name.
        distances: D and noise units by side.
        elements: the worst elements.
        picture: the difference, or None.
        command: what judges it again, or "".
        others: everything else that did not pass, rung by rung.
    """

    where: str
    guilty: str
    look_at: Sequence[str]
    catches: str
    tensor: str
    reasons: Sequence[str]
    standing: Sequence[str]
    facts: Sequence[tuple[str, str]]
    distances: Table
    elements: Table
    picture: Picture | None
    command: str
    others: Table


def of(run: LoadedRun, told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> FirstFailure | None:
    """The first failure that a `parity.json` names, or None."""
    found = mapping(told.get("first_failure"))
    if not found:
        return None
    where = f"{text(found.get('rung'))} at gridsize {text(found.get('gridsize'))} in {text(found.get('precision'))}"
    where += f" ({problem})" if (problem := text(found.get("problem"))) else ""
    least = found.get("minimum_tolerance")
    # What only the log knows has no figures: none is not the same as an exact check.
    facts = (
        ()
        if "tolerance" not in found
        else (
            ("allowed", "equal" if found.get("tolerance") is None else figure(found.get("tolerance"), "{:.2e}")),
            (
                "smallest tolerance that would pass",
                "none: an exact check" if least is None else figure(least, "{:.2e}"),
            ),
            ("noise floor of this tensor", figure(found.get("floor"), "{:.2e}")),
        )
    )
    return FirstFailure(
        where=where,
        guilty=text(found.get("suspect")) or ", ".join(texts(found.get("guilty"))) or "not settled",
        look_at=texts(found.get("look_at")),
        catches=text(found.get("hint")) or text(found.get("catches")),
        tensor=text(found.get("tensor")),
        reasons=[*texts(found.get("reasons")), *texts(found.get("resembles")), *_where(found)],
        standing=texts(found.get("standing")),
        facts=facts,
        distances=_distances(found),
        elements=_elements(found),
        picture=_picture(run, found, where),
        command=text(found.get("command")),
        others=_others(rows),
    )


def _distances(found: Mapping[str, Any]) -> Table:
    units = mapping(found.get("noise_units"))
    words = {"between": "the two, to each other"}
    rows = [
        (words.get(side, f"{side} to the reference"), figure(value, "{:.2e}"), figure(units.get(side), "{:.3g}"))
        for side, value in mapping(found.get("distances")).items()
    ]
    return Table(caption="How far each side is off", headings=("distance of", "D", "noise units"), rows=rows)


def _where(found: Mapping[str, Any]) -> list[str]:
    """Return where everything that differs lies, in words."""
    extent = text(found.get("extent"))
    return [f"all that differs is in {extent}"] if extent else []


def _elements(found: Mapping[str, Any]) -> Table:
    from harness.parity.output import element_table

    headings, *rows = element_table.table(objects(found.get("worst_elements")), texts(found.get("guilty"))) or [()]
    return Table(
        caption="The elements that differ most, the worst first",
        headings=headings,
        rows=[tuple(TableCell(text=cell, code=True) for cell in row) for row in rows],
    )


def _picture(run: LoadedRun, found: Mapping[str, Any], where: str) -> Picture | None:
    path = run.inside(text(found.get("picture")), "pictures")
    if path is None or path.suffix != ".png":
        return None
    words = f"{text(found.get('tensor'))} of {where}: the reference, and the difference of each backend from it"
    try:
        return Picture(uri=png.uri(untrusted.read_bytes(path)), alt=words, caption=words, large=True)
    except PtychoError:
        return None


_OTHERS = 60


def _others(rows: Sequence[Mapping[str, Any]]) -> Table:
    made: list[Cells] = []
    for row in rows:
        for item in objects(row.get("failures")):
            result = text(item.get("result"))
            if result in ("fail", "known failure", "unverified"):
                where = f"{text(row.get('rung'))}, g {text(row.get('gridsize'))}, {text(row.get('precision'))}"
                reason = (texts(item.get("reasons")) or [""])[0]
                tensor, outcome = (
                    TableCell(text=text(item.get("tensor")), code=True),
                    TableCell(text=result, tone=toned(result)),
                )
                made.append((where, tensor, reason, outcome))
    return Table(
        caption="Everything that did not pass; what fails above the first failure follows from it",
        headings=("rung", "tensor", "why", "result"),
        rows=made[:_OTHERS],
        more=max(0, len(made) - _OTHERS),
    )
