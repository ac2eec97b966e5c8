"""
Drawings that stay sharp and readable at any width, as inline SVG.

A drawing has no fixed width: places across are per cent of whatever the page gives, places down are pixels, and text
keeps its size. A line through many points lies in a box that is stretched; its stroke is not. Colours are classes of
the page's style, so that a drawing follows the reader's light or dark scheme. Everything is escaped here.
"""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape


def element(name: str, *inside: Markup | str, **attributes: object) -> Markup:
    """An element; of attribute names, `_` is written as `-` and a trailing one is dropped. Text is escaped."""
    given = (
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, Markup("").join(given), Markup("").join(map(escape, inside)))


def drawing(height: int, label: str, parts: Iterable[Markup], *, classes: str = "drawing") -> Markup:
    """
    A drawing as wide as the page allows.

    Args:
        height: in pixels.
        label: what it shows, in words.
        parts: what is in it.
        classes: of the style.
    """
    inside = (element("title", label), *parts)
    return element("svg", *inside, class_=classes, width="100%", height=height, role="img", aria_label=label)


def line(x1: float, y1: float, x2: float, y2: float, classes: str) -> Markup:
    """A straight line; `x` in per cent, `y` in pixels."""
    return element("line", x1=_percent(x1), y1=_px(y1), x2=_percent(x2), y2=_px(y2), class_=classes)


def rect(x: float, y: float, width: float, height: float, classes: str, tip: str = "") -> Markup:
    """A box; `x` and `width` in per cent. The tip is shown where a pointer rests on it."""
    inside = (element("title", tip),) if tip else ()
    return element(
        "rect",
        *inside,
        x=_percent(x),
        y=_px(y),
        width=_percent(max(width, 0.0)),
        height=_px(height),
        rx=2,
        class_=classes,
    )


def words(x: float, y: float, text: str, *, anchor: str = "start", classes: str = "", dx: float = 0) -> Markup:
    """Text; `x` in per cent, moved by `dx` pixels."""
    where = {"x": _percent(x), "y": _px(y), "dx": _px(dx) if dx else None}
    return element("text", text, **where, text_anchor=anchor, class_=classes or None)


def dot(x: float, y: float, classes: str, tip: str, *, square: bool = False) -> Markup:
    """A mark of 8 pixels, round or square."""
    if not square:
        return element("circle", element("title", tip), cx=_percent(x), cy=_px(y), r=3.6, class_=classes)
    # A nested drawing: a box whose place is in per cent can only be centred from within.
    box = element("rect", element("title", tip), x=-3.5, y=-3.5, width=7, height=7, class_=classes)
    return element("svg", box, x=_percent(x), y=_px(y), overflow="visible", width=1, height=1)


def polyline(points: Sequence[tuple[float, float]], box: tuple[float, float, float, float], classes: str) -> Markup:
    """
    A line through points.

    Args:
        points: `x` and `y` between 0 and 100 of the box, `y` downwards.
        box: its left edge and width in per cent, its upper edge and height in pixels.
        classes: of the style.
    """
    left, width, top, height = box
    joined = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    inside = element("polyline", points=joined, class_=classes, vector_effect="non-scaling-stroke", fill="none")
    return element(
        "svg",
        inside,
        x=_percent(left),
        y=_px(top),
        width=_percent(width),
        height=_px(height),
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        overflow="visible",
    )


def _percent(value: float) -> str:
    return f"{value:.2f}%"


def _px(value: float) -> str:
    return f"{value:g}"
