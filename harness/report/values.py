"""
Values of files that others wrote, taken as they come: a figure that is missing or of a wrong type is a dash.

A report is read when something has gone wrong, and files of killed, old or foreign runs are read with it: it must
never be the report that fails.
"""

import math
from collections.abc import Mapping
from typing import Any

NONE = "–"
"""Shown instead of a missing figure."""

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object of JSON, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; what is none is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """The items of a list as text."""
    return [text(item) for item in value] if isinstance(value, list | tuple) else []


def text(value: object) -> str:
    """The value as text; none is empty."""
    return "" if value is None else str(value)


def number(value: object) -> float | None:
    """The value as a number, `"inf"` and `"nan"` among them, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if value in ("inf", "-inf", "nan") else None


def finite(value: object) -> float | None:
    """The value as a finite number, or None."""
    found = number(value)
    return found if found is not None and math.isfinite(found) else None


def figure(value: object, form: str = "{:.3g}") -> str:
    """A number as text, or a dash."""
    found = number(value)
    return NONE if found is None else form.format(found)


def times(value: float) -> str:
    """Return how many times, to two digits, as a reader says it: `5.6`, `68`, `9000`, `4·10¹⁰`."""
    if value < 9.95:
        return f"{value:.2g}"
    if value < 99_500:
        return str(int(float(f"{value:.1e}")))
    digit, _, power = f"{value:.0e}".partition("e+")
    return f"{digit}·10{str(int(power)).translate(_RAISED)}"


def seconds(value: object) -> str:
    """A time with its unit, as long as a reader needs it."""
    found = finite(value)
    if found is None:
        return NONE
    if found < 120:
        return f"{found:.1f} s"
    return f"{found / 60:.1f} min" if found < 7200 else f"{found / 3600:.1f} h"


def count(amount: int, noun: str) -> str:
    """A number with its noun."""
    return f"1 {noun}" if amount == 1 else f"{amount} {noun}s"


def first_line(message: str, limit: int = 240) -> str:
    """The first line of a message, cut where it is long."""
    line = message.strip().partition("\n")[0]
    return line if len(line) <= limit else f"{line[:limit]} …"
