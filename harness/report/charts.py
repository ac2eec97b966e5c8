"""
Lines and bars, each with the table that says the same in figures.

A chart is described in words, too: its table is in the page, behind a line that opens it, and its label sums it up.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report import svg
from harness.report.model import Chart, Table
from harness.report.values import figure

COLOURS = 9
"""Classes `c0` … `c8` of the style."""

_LEFT, _RIGHT = 13.0, 3.0
_HEIGHT, _TOP, _BOTTOM = 260, 14, 40


@dataclass(frozen=True, kw_only=True)
class Series:
    """
    A line of a chart.

    Attributes:
        name: name of the line.
        points: x and y.
        colour: number of its colour.
        dashed: whether it is drawn dashed.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: int
    dashed: bool = False

    @property
    def classes(self) -> str:
        """Classes of the style."""
        # Lines that agree to the pixel are the good case: the one below is drawn wider, so that both are seen.
        return (
            f"line c{self.colour % COLOURS}"
            + (" below" if not self.colour else "")
            + (" dashed" if self.dashed else "")
        )


def lines(
    title: str, series: Sequence[Series], *, x: str, y: str, note: str = "", logarithmic: bool = False
) -> Chart | None:
    """
    A chart of lines; None if there is no point.

    Args:
        title: above it.
        series: the lines.
        x: what is to the right.
        y: what is upwards.
        note: how to read it.
        logarithmic: whether both axes are.
    """

    def scale(value: float) -> float:
        return math.log10(value) if logarithmic else value

    drawn = [item for item in series if item.points]
    if not drawn:
        return None
    if logarithmic and any(value <= 0 for item in drawn for point in item.points for value in point):
        raise ValueError(f"{title}: a logarithmic axis has no place for 0 and below")
    xs = [scale(point[0]) for item in drawn for point in item.points]
    ys = [scale(point[1]) for item in drawn for point in item.points]
    (x0, x1), (y0, y1) = _span(xs), _span(ys)
    width, height = 100 - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    parts = []
    for value in _ticks(y0, y1):
        place = _TOP + height * (1 - (value - y0) / (y1 - y0))
        shown = f"{10**value:.3g}" if logarithmic else f"{value:.6g}"
        parts += [
            svg.line(_LEFT, place, 100 - _RIGHT, place, "grid"),
            svg.words(_LEFT, place + 4, shown, anchor="end", dx=-6),
        ]
    whole = all(float(value).is_integer() for value in xs)
    for value in _ticks(x0, x1, whole=whole):
        place = _LEFT + width * (value - x0) / (x1 - x0)
        shown = f"{10**value:.3g}" if logarithmic else f"{value:.6g}"
        parts.append(svg.words(place, _HEIGHT - _BOTTOM + 18, shown, anchor="middle"))
    parts.append(svg.words(100 - _RIGHT, _HEIGHT - 4, x, anchor="end", classes="axis"))
    parts.append(svg.words(_LEFT, _HEIGHT - 4, f"↑ {y}", classes="axis"))
    for item in drawn:
        scaled = [(100 * (scale(a) - x0) / (x1 - x0), 100 * (1 - (scale(b) - y0) / (y1 - y0))) for a, b in item.points]
        parts.append(svg.polyline(scaled, (_LEFT, width, _TOP, height), item.classes))
        # A line of one point cannot be seen.
        parts += [
            svg.dot(_LEFT + width * a / 100, _TOP + height * b / 100, f"dot c{item.colour % COLOURS}", item.name)
            for a, b in (scaled[-1:] if len(scaled) > 1 else scaled)
        ]
    label = f"{title}: " + "; ".join(f"{item.name} ends at {item.points[-1][1]:.4g}" for item in drawn)
    keys = tuple((item.name, item.classes) for item in drawn)
    table = _table(title, drawn, x)
    return Chart(title=title, drawing=svg.drawing(_HEIGHT, label, parts), table=table, note=note, keys=keys)


def _table(title: str, series: Sequence[Series], x: str) -> Table:
    places = sorted({point[0] for item in series for point in item.points})
    by_place = [dict(item.points) for item in series]
    rows = [(f"{place:g}", *(figure(found.get(place), "{:.6g}") for found in by_place)) for place in places]
    return Table(caption=f"{title}, in figures", headings=(x, *(item.name for item in series)), rows=rows)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(1.0, abs(low)):
        return low - 0.5, high + 0.5
    return low, high


def _ticks(low: float, high: float, *, whole: bool = False, wanted: int = 5) -> list[float]:
    """Round values between two limits, about as many as wanted."""
    raw = (high - low) / wanted
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    step = max(1.0, round(step)) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """
    A bar of parts, one behind the other.

    Attributes:
        name: name of the bar.
        parts: name to length; what is unknown is left out.
        limit: a length that it may not reach, or None.
    """

    name: str
    parts: Mapping[str, float]
    limit: float | None = None

    @property
    def length(self) -> float:
        """Of all parts."""
        return sum(self.parts.values())


def bars(title: str, given: Sequence[Bar], *, unit: str, note: str = "", headings: str = "") -> Chart | None:
    """
    A chart of horizontal bars; None if there is none. A limit is drawn as a line, with its figure.

    Args:
        title: above it.
        given: the bars.
        unit: unit of their length.
        note: how to read it.
        headings: what the bars are.
    """
    if not given:
        return None
    names = list(dict.fromkeys(name for bar in given for name in bar.parts))
    limits = {bar.limit for bar in given if bar.limit is not None}
    longest = max([bar.length for bar in given] + list(limits)) or 1.0
    parts, row = [], 52
    for number, bar in enumerate(given):
        top, at = number * row, 0.0
        over = bar.limit is not None and bar.length > bar.limit
        parts.append(svg.words(0, top + 14, bar.name))
        # Room is left on the right for the figure.
        for name, length in bar.parts.items():
            width = 82 * length / longest
            colour = "bad" if over else f"c{names.index(name) % COLOURS}"
            parts.append(svg.rect(at, top + 20, width, 18, f"bar {colour}", f"{name}: {length:.3g} {unit}"))
            at += width
        parts.append(svg.words(at, top + 34, f"{bar.length:.3g} {unit}", dx=6))
        if bar.limit is not None:
            edge = 82 * bar.limit / longest
            parts.append(svg.line(edge, top + 16, edge, top + 42, "limit"))
            parts.append(svg.words(edge, top + 14, f"limit {bar.limit:g} {unit}", anchor="end", classes="axis"))
    label = f"{title}: " + "; ".join(f"{bar.name} {bar.length:.3g} {unit}" for bar in given)
    rows = [
        (bar.name, *(figure(bar.parts.get(name)) for name in names), figure(bar.length), figure(bar.limit, "{:g}"))
        for bar in given
    ]
    columns = (headings, *names, f"together / {unit}", f"limit / {unit}")
    if not limits:
        columns, rows = columns[:-1], [line[:-1] for line in rows]
    table = Table(caption=f"{title}, in {unit}", headings=columns, rows=rows)
    keys = tuple((name, f"bar c{index % COLOURS}") for index, name in enumerate(names)) if len(names) > 1 else ()
    drawn: Markup = svg.drawing(row * len(given), label, parts)
    return Chart(title=title, drawing=drawn, table=table, note=note, keys=keys)
