"""
Of what kind each gradient at a corner must be (R2b), from the description of the network.

Frameworks differ here and nowhere else by more than rounding: a maximum at a tie has a slope of 1 or of a half, an
angle at zero one of 0 or NaN, and a polar product forgets that a modulus may be negative. One NaN in one pixel is the
end of a training, so the kinds are compared for equality.
"""

import math
from collections.abc import Mapping

from ptycho.parity.request import Request

_ZEROS = ["zero, zero"] * 4
_BROKEN = ["nan, nan"] * 4
_LN_FLOOR = f"{-math.log(1e-12):.2e}"

_EVERYWHERE: Mapping[str, list[str]] = {
    # No slope at exactly zero, as below it.
    "rectify": ["zero", "zero", "one", "one"],
    # Of equal values the first, by rows, gets everything.
    "pool.tie": ["one", "zero", "zero", "zero"],
    "pool.two": ["zero", "one", "zero", "zero"],
    "pool.zero": ["one", "zero", "zero", "zero"],
    # A quarter at zero, times upstream gradients of 2 and 4; tails are flat and not NaN.
    "amplitude_head": ["half", "zero", "zero", "one"],
    "phase_head": [f"{math.pi:.2e}", "zero", "zero", f"{math.pi:.2e}"],
    # The product of amplitude and e^iφ, φ = 0, 0, 0, 1: the slope knows the sign of the amplitude.
    "compose.real.amplitude": ["one", "one", "one", f"{math.cos(1):.2e}"],
    "compose.real.phase": ["zero", "zero", "zero", f"{2 * math.sin(1):.2e}"],
    "compose.imaginary.amplitude": ["zero", "zero", "zero", f"{math.sin(1):.2e}"],
    "compose.imaginary.phase": ["-5.00e-01", "zero", "2.50e-01", f"{-2 * math.cos(1):.2e}"],
    # No light: no slope, and no NaN of a root. NaN stays NaN.
    "intensity.dark_object": _ZEROS,
    "intensity.dark_probe": _ZEROS,
    "intensity.nan": _BROKEN,
    "amplitude.dark_object": _ZEROS,
    "amplitude.dark_probe": _ZEROS,
    "amplitude.nan": _BROKEN,
    "amplitude.flat": ["half, zero"] * 4,
    "variation.flat": _ZEROS,
    "variation.nan": _BROKEN,
    # 1 − k/λ above ε and at it, 1 below it, whatever the counts; the rates are 0, 0, 1e-320, ε/2, ε, 2ε, 4, ∞.
    "nll.rate": ["one", "one", "one", "one", f"{-3e12:.2e}", "one", "zero", "one"],
    "nll.counts": [*[_LN_FLOOR] * 5, f"{-math.log(2e-12):.2e}", "zero", "zero"],
    # ±1/(2√(λ + 1e-12)), and 0 where root and amplitude are equal.
    "mae": ["zero", *(f"{slope:.2e}" for slope in (-5e5, 0.5, -0.5, 0.25, -0.25, -5e5, 5e5))],
    "terms.patches": _ZEROS,
}


def expected(request: Request) -> dict[str, list[str]]:
    """The kinds of every gradient that R2b asks for."""
    side = request.model.side
    centre = (side // 2) ** 2
    # Two pixels of the frame lie in the tails of the swish, with slopes of 1 and 0; in the others it is a half.
    joints = {
        "join.inner": [f"{centre} one"],
        "join.outer": [f"{side * side - centre - 2} half", "1 one", f"{centre + 1} zero"],
    }
    # The counts are 4: 1 − 4/λ above the ε of the precision, for λ = 0, 5e-9, 2e-8, 1.
    below = f"{1 - 4 / 5e-9:.2e}" if request.precision == "f64" else "one"
    # Under the mask no slope at all; elsewhere the amplitude's slope is lost beside the likelihood's, or not.
    masks = {"terms.masked": _masked_slopes()} if request.masked else {}
    return {**_EVERYWHERE, **joints, **masks, "terms.intensity": ["one", below, f"{1 - 4 / 2e-8:.2e}", f"{-3:.2e}"]}


def _masked_slopes() -> list[str]:
    """Of 1 − 4/λ and a quarter of the amplitude's ±1/(2√λ), with the second and the last pixel bad; λ = 0 and 2e-8."""
    dark = 1 - 0.25 / (2 * math.sqrt(1e-12))
    dim = 1 - 4 / 2e-8 - 0.25 / (2 * math.sqrt(2e-8 + 1e-12))
    return [f"{dark:.2e}", "zero", f"{dim:.2e}", "zero"]
