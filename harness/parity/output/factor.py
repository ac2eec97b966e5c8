"""A factor in the words in which a person recognises it: `4096 = 64² ×`, `1/4096`, `√2`, `2π`."""

import math

_NEAR = 1e-9
_LARGEST, _LARGEST_ROOT = 1_000_000, 1000


def simple(value: float) -> bool:
    """Whether a factor has a short name."""
    return _named(value) != ""


def spoken(value: float) -> str:
    """
    A factor as text, by a short name if it has one.

    Example:
        >>> [spoken(value) for value in (2.0, -0.5, 4096.0, 1 / 4096, 2**0.5, 0.1234567)]
        ['2', '−1/2', '4096 = 64²', '1/4096 = 1/64²', '√2', '0.123457']
    """
    if _named(value):
        return _named(value)
    if abs(value - 1) < 9e-4:
        return f"(1 {'+' if value > 1 else '−'} {abs(value - 1):.3g})"
    return f"{value:.6g}".replace("-", "−", 1) if value < 0 else f"{value:.6g}"


def _named(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return ""
    sign, size = ("−" if value < 0 else ""), abs(value)
    for number, whole in ((_whole(size), "{}"), (_whole(1 / size), "1/{}")):
        if number is not None:
            root = math.isqrt(number)
            square = f" = {sign}{whole.format(f'{root}²')}" if root > 3 and root * root == number else ""
            return f"{sign}{whole.format(number)}{square}"
    for constant, name, inverse in ((math.pi, "π", "1/π"), (2 * math.pi, "2π", "1/(2π)")):
        for ratio, said in ((size / constant, name), (size * constant, inverse)):
            if abs(ratio - 1) < _NEAR:
                return f"{sign}{said}"
    for power, root_of in ((size * size, "√{}"), (1 / (size * size), "1/√{}")):
        number = _whole(power)
        if number is not None and number <= _LARGEST_ROOT:
            return f"{sign}{root_of.format(number)}"
    return ""


def _whole(value: float) -> int | None:
    """The whole number that a value is to nine digits, or None."""
    if not 0.5 < value <= _LARGEST:
        return None
    nearest = round(value)
    return nearest if abs(value - nearest) <= _NEAR * value else None
