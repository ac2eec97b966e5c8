"""Figures as people write them: `1.2e-3`, `0.5`, `4.2e13`."""

import math


def readable(value: float, digits: int = 2) -> str:
    """
    A figure with few digits.

    Example:
        >>> [readable(value) for value in (1.23e-3, 0.5, 32.0, 1e-11, 4.24e13, 0.0)]
        ['1.2e-3', '0.5', '32', '1e-11', '4.2e13', '0']
    """
    if not math.isfinite(value):
        return "infinite" if value > 0 else str(value)
    if value == 0 or 0.01 <= abs(value) < 10_000:
        return f"{value:.{max(digits, len(str(int(abs(value)))))}g}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
