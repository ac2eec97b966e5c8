"""Size of the object that the positions of a scan ask for, computed before anything of that size is allocated."""

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

FREE_CANVAS_PX = 2**24
"""A canvas of this many pixels may always be made: 256 MiB."""


def canvas_excess(x: Real, y: Real, side: int) -> str | None:
    """
    Return why an object that holds these positions would be too large, or None.

    A scan whose windows touch each other needs no more pixels than its patterns have.
    """
    height, width = float(np.ptp(y)) + side, float(np.ptp(x)) + side
    allowed = FREE_CANVAS_PX + x.size * side**2
    if height * width <= allowed:
        return None
    return (
        f"its object would be {height:.6g} × {width:.6g} px, {height * width * 16 / 2**30:.3g} GiB; allowed for "
        f"{x.size} patterns of {side} × {side}: {allowed:,} px"
    )
