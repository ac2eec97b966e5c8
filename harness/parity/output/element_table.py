"""The worst elements as a table: name, what each party has, the difference from the reference, and their ratio."""

import cmath
import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.parity.compare.number_format import readable
from harness.parity.output.factor import spoken

NONE = "–"
_FEWEST, _MOST = 6, 17


def table(elements: Sequence[Mapping[str, Any]], guilty: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """
    Rows of text, headings first; empty if there is no element.

    Args:
        elements: `worst_elements` of `parity.json`: `name` or `index`, and `values` by party, the reference last.
        guilty: sides at fault; the difference is that of the first of them.
    """
    parties = list(dict.fromkeys(party for item in elements for party in _values(item)))
    if not parties:
        return []
    reference = parties[-1]
    side = next((side for side in guilty if side in parties[:-1]), parties[0])
    numbers = [{party: _number(text) for party, text in _values(item).items()} for item in elements]
    is_numeric = len(parties) > 1 and all(value is not None for row in numbers for value in row.values())
    more = (f"{side} − {reference}", f"{side} / {reference}") if is_numeric else ()
    rows: list[tuple[str, ...]] = [("element", *parties, *more)]
    for item, given in zip(elements, numbers, strict=True):
        texts = _values(item)
        name = str(item.get("name") or item.get("index"))
        if is_numeric:
            digits = _digits([value for value in (given[side], given[reference]) if value is not None])
            cells = [_shown(given.get(party), digits) for party in parties]
            rows.append(
                (name, *cells, _difference(given[side], given[reference]), _ratio(given[side], given[reference]))
            )
        else:
            rows.append((name, *(texts.get(party, NONE) for party in parties)))
    return rows


def _values(item: Mapping[str, Any]) -> Mapping[str, str]:
    values = item.get("values")
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, Mapping) else {}


def _number(text: str) -> complex | None:
    try:
        return complex(text)
    except ValueError:
        return None


def _digits(values: Sequence[complex]) -> int:
    """As many as it takes to see the values apart."""
    size = max(abs(value) for value in values)
    gaps = [abs(a - b) for a in values for b in values if a != b]
    least = min(gaps, default=0.0)
    if not (math.isfinite(size) and math.isfinite(least)) or least == 0 or size == 0:
        return _FEWEST
    return min(max(_FEWEST, math.ceil(math.log10(size / least)) + 2), _MOST)


def _shown(value: complex | None, digits: int) -> str:
    if value is None:
        return NONE
    if value.imag == 0 and not cmath.isnan(value):
        return f"{value.real:.{digits}g}"
    return f"{value.real:.{digits}g}" if math.isnan(value.real) and value.imag == 0 else f"{value:.{digits}g}"


def _difference(one: complex | None, other: complex | None) -> str:
    if one is None or other is None:
        return NONE
    if not (cmath.isfinite(one) and cmath.isfinite(other)):
        return "not finite"
    gap = one - other
    real = _signed(gap.real)
    return real if gap.imag == 0 else f"{real}{'' if gap.imag < 0 else '+'}{_signed(gap.imag)}j"


def _signed(value: float) -> str:
    return f"-{readable(-value, 3)}" if value < 0 else readable(value, 3)


def _ratio(one: complex | None, other: complex | None) -> str:
    if one is None or other is None or other == 0 or not (cmath.isfinite(one) and cmath.isfinite(other)):
        return NONE
    ratio = one / other
    if abs(ratio.imag) <= 1e-9 * abs(ratio):
        return spoken(ratio.real)
    return f"{readable(abs(ratio), 3)} at {cmath.phase(ratio):.3g} rad"
