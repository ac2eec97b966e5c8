"""
Draws how near each rung comes to its limit: a mark for each gridsize and precision on a logarithmic scale.

Left of the line is what is allowed, right of it what is not. The left part is stretched: a correct pair lies there,
between a millionth of the limit and the limit, while a wrong constant is eleven powers of ten beyond it.
"""

from collections.abc import Sequence
from typing import Protocol

from markupsafe import Markup

from harness.report import svg

LIMIT = 62.0
"""Per cent across of the limit."""

_LEAST, _MOST = -6.0, 16.0
_HEIGHT = 40
_LEVELS = {("f64", "1"): 7.0, ("f64", "2"): 15.5, ("f32", "1"): 24.5, ("f32", "2"): 33.0}
"""Pixels from above: two gridsizes in two precisions often agree to the digit, and must not hide each other."""


class MarkText(Protocol):
    """Text of a mark."""

    @property
    def precision(self) -> str:
        """`f64` or `f32`."""

    @property
    def gridsize(self) -> str:
        """Of the rung."""

    @property
    def result(self) -> str:
        """Of the rung."""

    @property
    def tip(self) -> str:
        """All of it in words."""

    @property
    def share(self) -> float | None:
        """Power of ten of what was found over what is allowed."""


def place(share: float | None) -> float:
    """Return where a mark is, in per cent; equal values are at the left edge."""
    if share is None:
        return 3.0
    if share <= 0:
        return 3.0 + (LIMIT - 3.0) * (1 - max(share, _LEAST) / _LEAST)
    return LIMIT + (97.0 - LIMIT) * (min(share, _MOST) / _MOST)


def scale(name: str, marks: Sequence[MarkText]) -> Markup:
    """A rung's marks."""
    parts = [
        svg.rect(LIMIT, 2, 100 - LIMIT, _HEIGHT - 4, "beyond"),
        svg.line(0, _HEIGHT / 2, 100, _HEIGHT / 2, "rail"),
        svg.line(LIMIT, 0, LIMIT, _HEIGHT, "limit"),
    ]
    for mark in marks:
        wrong = mark.result not in ("pass", "known failure")
        # A rung of exact checks has no place on the scale: it fails right of the limit, and not far.
        share = mark.share if mark.share is not None or not wrong else _MOST / 2
        if wrong and share is not None and share <= 0:
            share = 1.0
        tone = "bad" if wrong else "good" if mark.result == "pass" else "odd"
        hollow = " hollow" if mark.precision == "f32" else ""
        level = _LEVELS.get((mark.precision, mark.gridsize), _HEIGHT / 2)
        parts.append(svg.dot(place(share), level, f"mark {tone}{hollow}", mark.tip, square=mark.gridsize == "2"))
    label = f"{name}: " + "; ".join(mark.tip for mark in marks)
    return svg.drawing(_HEIGHT, label, parts, classes="drawing rung-scale")


def axis() -> Markup:
    """The scale that all rungs share."""
    ticks = ((-6, "10⁻⁶"), (-3, "10⁻³"), (0, "limit"), (8, "10⁸"), (16, "10¹⁶"))
    parts: list[Markup] = []
    for share, words in ticks:
        anchor = "end" if share == _MOST else "middle" if share > _LEAST else "start"
        across = place(share)
        parts.append(svg.line(across, 0, across, 5, "grid"))
        parts.append(svg.words(across, 20, words, anchor=anchor, classes="axis"))
    return svg.drawing(24, "scale: from a millionth of what is allowed, over the limit, to 10¹⁶ times it", parts)
