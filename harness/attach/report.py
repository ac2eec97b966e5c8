"""Shows a comparison: text for a terminal, one JSON document, and a picture of every layer's noise units."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from harness.attach.findings import ModelDifference
from harness.attach.layer_map import LayerMap
from harness.attach.pair_of_runs import ALLOWED, PairOfRuns
from harness.attach.recording import Recording
from harness.parity.compare.number_format import readable
from harness.system import tables
from ptycho.files import write_text

SCHEMA = "ptycho-attach-report/1"
FEW = 4
"""So many names of a list are said; of the others, their number."""


@dataclass(frozen=True, kw_only=True)
class CallRow:
    """One paired call: names, kind, noise units of what leaves it and of the gradient; None where not measured."""

    one: str
    two: str
    kind: str
    units: float | None
    gradient: float | None
    oracle: str


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """
    Everything that a report says.

    Attributes:
        one: the first side.
        two: the second.
        layer_map: how they correspond.
        precision: in which they were judged.
        note: why that is not float64, or what only float64 shows; empty if neither.
        findings: that count, the first one first.
        accepted: that do not.
        rows: every paired call.
        alone: calls without a partner, by side.
    """

    one: Recording
    two: Recording
    layer_map: LayerMap
    precision: str
    note: str
    findings: Sequence[ModelDifference]
    accepted: Sequence[ModelDifference]
    rows: Sequence[CallRow]
    alone: Mapping[str, Sequence[str]]


def rows_of(run: PairOfRuns) -> list[CallRow]:
    """Every paired call with its figures."""
    found = []
    for calls in run.calls:
        leaving, gradient = run.of_call(calls, "out/0"), run.of_call(calls, "grad/0")
        said = [run.does_as_it_says(position, calls) for position in (0, 1)]
        found.append(
            CallRow(
                one=calls[0].name,
                two=calls[1].name,
                kind=calls[0].kind if calls[0].kind == calls[1].kind else f"{calls[0].kind}/{calls[1].kind}",
                units=None if leaving is None else leaving.units,
                gradient=None if gradient is None else gradient.units,
                oracle=" ".join({True: "agrees", False: "differs", None: "none"}[value] for value in said),
            )
        )
    return found


def alone(one: Recording, two: Recording, layer_map: LayerMap) -> dict[str, list[str]]:
    """Calls without a partner."""
    sides = ((one, {a for a, _ in layer_map.pairs}), (two, {b for _, b in layer_map.pairs}))
    return {
        side.side: [c.name for c in next(iter(side.calls.values())) if c.name not in names] for side, names in sides
    }


def text(comparison: ModelComparison) -> str:
    """The report for a terminal."""
    c = comparison
    sides = " against ".join(f"{side.side} ({_versions(side)})" for side in (c.one, c.two))
    lines = [
        f"attach: {sides}",
        f"{len(c.layer_map.pairs)} calls and {len(c.layer_map.weights)} weights paired; weights: {c.layer_map.mode}",
        f"judged in {'float64' if c.precision == 'f64' else 'float32'}; allowed: {ALLOWED:g} noise units",
    ]
    lines += [f"note: {c.note}"] if c.note else []
    for side, names in c.alone.items():
        if names:
            lines.append(
                f"without a partner in {side}: {len(names)} ({', '.join(names[:6])}{', …' * (len(names) > 6)})"
            )
    if c.findings:
        first = c.findings[0]
        lines += ["", f"first difference: {first.place} ({first.stage.label})", f"  {first.sentence}"]
        lines += [f"  wrong: {first.wrong}"] if first.wrong else []
        kinds = together(c.findings)
        alike = f" of {len(kinds)} kind(s)" if len(kinds) < len(c.findings) else ""
        lines += ["", f"{len(c.findings)} finding(s){alike}:"]
        for kind in kinds:
            first = kind[0]
            lines.append(f"  {first.name} · {first.stage.label} · {first.place}: {first.sentence}{_wrong(first)}")
            lines += [f"    and so in {listed([f.place for f in kind[1:]])}"] if kind[1:] else []
    else:
        lines += ["", "parity shown: no layer, loss, gradient, state or update differs by more than rounding"]
    lines += [f"  accepted: {f.name} · {f.sentence} ({f.reason})" for f in c.accepted]
    return "\n".join([*lines, "", layer_table(c.rows)])


def together(findings: Sequence[ModelDifference]) -> list[list[ModelDifference]]:
    """Findings that say the same of several layers, but for figures, as one list each; in the order of the first."""
    kinds: dict[tuple[Any, ...], list[ModelDifference]] = {}
    for finding in findings:
        words = re.sub(r"[0-9][0-9.e+-]*", "#", finding.sentence)
        for name in sorted(re.split(r" / | and |between ", finding.place), key=len, reverse=True):
            words = words.replace(re.sub(r"[0-9][0-9.e+-]*", "#", name), "")
        key = (finding.stage, finding.name.rsplit(".", 1)[-1], finding.wrong, words)
        kinds.setdefault(key, []).append(finding)
    return list(kinds.values())


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _wrong(finding: ModelDifference) -> str:
    return f" [wrong: {finding.wrong}]" if finding.wrong else ""


def _versions(side: Recording) -> str:
    return ", ".join(f"{name} {version}" for name, version in side.versions.items() if name not in ("python", "numpy"))


def layer_table(rows: Sequence[CallRow]) -> str:
    """Every layer with its noise units, output and gradient, and whether each side's oracle agrees."""
    heading = ("one", "two", "kind", "output", "gradient", "oracle one two")
    body = [(r.one, r.two, r.kind, _units(r.units), _units(r.gradient), r.oracle) for r in rows]
    return tables.plain([heading, *body]) if body else "no layer is paired"


def _units(value: float | None) -> str:
    return "–" if value is None else readable(value)


def plain(comparison: ModelComparison) -> dict[str, Any]:
    """The report as one JSON document."""
    c = comparison
    return {
        "schema": SCHEMA,
        "sides": {side.side: {"framework": side.framework, "versions": dict(side.versions)} for side in (c.one, c.two)},
        "precision": c.precision,
        "note": c.note or None,
        "weights": c.layer_map.mode,
        "parity": not c.findings,
        "first": c.findings[0].as_plain() if c.findings else None,
        "findings": [finding.as_plain() for finding in c.findings],
        "accepted": [finding.as_plain() for finding in c.accepted],
        "without_partner": {side: list(names) for side, names in c.alone.items()},
        "layers": [
            {
                "one": r.one,
                "two": r.two,
                "kind": r.kind,
                "noise_units": _finite(r.units),
                "gradient_noise_units": _finite(r.gradient),
                "oracle": r.oracle.split(),
            }
            for r in c.rows
        ],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def picture(rows: Sequence[CallRow], title: str) -> str:
    """
    Noise units of each layer as an SVG: outputs as dots, gradients as rings, the limit as a line.

    The scale is logarithmic, from 10^-2 to 10^16; equal values are at its lower end.
    """
    step, left, top, height = 14, 46, 30, 180
    width = left + step * max(len(rows), 20) + 20

    def y(units: float | None) -> float:
        exponent = math.log10(min(max(units or 0.0, 1e-2), 1e16)) + 2
        return top + height * (1 - exponent / 18)

    parts = [f'<text x="{left}" y="16" font-size="12">{escape(title)}</text>']
    for power in (0, 4, 8, 12, 16):
        at = y(10.0**power)
        parts.append(f'<text x="4" y="{at + 4:.1f}" font-size="10">10^{power}</text>')
        parts.append(f'<line x1="{left}" x2="{width - 10}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
    limit = y(ALLOWED)
    parts.append(
        f'<line x1="{left}" x2="{width - 10}" y1="{limit:.1f}" y2="{limit:.1f}" stroke="#a00" stroke-dasharray="4 3"/>'
    )
    for place, row in enumerate(rows):
        x = left + step * (place + 0.5)
        tip = f"<title>{escape(f'{row.one} / {row.two} ({row.kind}): {_units(row.units)} units')}</title>"
        if row.units is not None:
            colour = "#a00" if row.units > ALLOWED else "#060"
            parts.append(f'<circle cx="{x}" cy="{y(row.units):.1f}" r="4" fill="{colour}">{tip}</circle>')
        if row.gradient is not None:
            colour = "#a00" if row.gradient > ALLOWED else "#060"
            parts.append(f'<circle cx="{x}" cy="{y(row.gradient):.1f}" r="5.5" fill="none" stroke="{colour}"/>')
    label = quoteattr(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top + height + 20}" role="img" '
        f'aria-label={label} font-family="sans-serif">{"".join(parts)}</svg>\n'
    )


def write(comparison: ModelComparison, folder: Path) -> None:
    """Write `report.json`, `report.txt` and `report.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "report.json", json.dumps(plain(comparison), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "report.txt", text(comparison) + "\n")
    title = f"Noise units by layer: {comparison.one.side} against {comparison.two.side}"
    write_text(folder / "report.svg", picture(comparison.rows, title))
