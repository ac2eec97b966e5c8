"""Contrast of two colours as the WCAG counts it, and the colours of a style sheet in its two schemes."""

import re

AA_TEXT, AA_GRAPHIC = 4.5, 3.0


def ratio(first: str, second: str) -> float:
    """Contrast of two colours `#rrggbb`, 1 to 21."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def schemes(style: str) -> dict[str, dict[str, str]]:
    """Colours by name, of the light and of the dark scheme."""
    light, dark = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    found = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in (light, dark)]
    return {"light": found[0], "dark": found[0] | found[1]}
