"""
Names of axes and elements: `channel 2, row 17` or `mae` says more than `[0, 2, 17]` or `[1]`.

Arrays of the ladder carry no names of their own; this is the order in which `ptycho.parity.measure` and its neighbours
write them. An array that is not in the table gets the names that its number of axes suggests.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

_KERNEL = ("output", "input", "kernel row", "kernel column")

_AXES: Mapping[str, tuple[str, ...]] = {
    "R2/placements.*": ("matrix", "group", "channel", "row", "column"),
    "R2/exit_wave.*": ("group", "channel", "mode", "row", "column"),
    "R2/assemble.*": ("group", "row", "column"),
    "R4/exit_wave": ("group", "channel", "mode", "row", "column"),
    "R4/canvas": ("group", "row", "column"),
    "R6/probe": ("mode", "row", "column"),
    "R[678]/*.weight": _KERNEL,
    "R7/*kernel_*": _KERNEL,
    "R[678]/*.bias": ("output",),
    "R7/*bias_*": ("output",),
    "R8/*.weights": ("weight",),
    "R7/schedule.plateau.*": ("loss",),
    "R7/schedule.ramp.*": ("part", "step"),
    "R8/workflow.object": ("row", "column"),
    "R8/workflow.overlap": ("row", "column"),
    "R8/workflow.script.trained": ("group", "member"),
    "R8/workflow.script.validated": ("group", "member"),
}
"""By pattern of `RUNG/NAME`; one that does not fit the number of axes is passed over."""

_COUNTED: Mapping[str, str] = {
    "R5/evaluated.*": "batch",
    "R8/losses": "step",
    "R8/workflow.script.rates": "step",
    "R8/workflow.*_loss": "epoch",
    "R8/workflow.*_deviance": "epoch",
    "R8/workflow.*learning_rate": "epoch",
}
"""Vectors whose elements people count from 1."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "R2/terms": ("nll", "mae", "variation", "total", "deviance"),
    "R8/workflow.*crop": ("top", "bottom", "left", "right"),
    "R8/workflow.script.resumed": ("rate", "steps"),
    "R0/parameter.*": ("shape", "type", "trained"),
    "R0/assembly.canvas": ("rows", "columns"),
    "R0/assembly.landed": ("row", "column"),
}
"""Vectors whose elements have names."""

_IMAGES = {
    2: ("row", "column"),
    3: ("group", "row", "column"),
    4: ("group", "channel", "row", "column"),
    5: ("group", "channel", "mode", "row", "column"),
}


def axes(tensor: str, count: int) -> tuple[str, ...]:
    """
    Names of the axes of an array.

    Args:
        tensor: `RUNG/NAME`.
        count: how many axes it has.
    """
    for pattern, names in _AXES.items():
        if fnmatchcase(tensor, pattern) and len(names) == count:
            return names
    return _IMAGES.get(count, tuple(f"axis {k}" for k in range(count)) if count > 1 else ("element",) * count)


def label(tensor: str, index: Sequence[int]) -> str:
    """
    Return what an element is called.

    Example:
        >>> label("R2/terms", (1,)), label("R4/amplitude", (0, 2, 17, 3)), label("R8/losses", (0,))
        ('mae', 'group 0, channel 2, row 17, column 3', 'step 1')
    """
    if not index:
        return tensor.partition("/")[2]
    if len(index) == 1:
        for pattern, names in _NAMES.items():
            if fnmatchcase(tensor, pattern) and index[0] < len(names):
                return names[index[0]]
        for pattern, noun in _COUNTED.items():
            if fnmatchcase(tensor, pattern):
                return f"{noun} {index[0] + 1}"
    return ", ".join(f"{name} {k}" for name, k in zip(axes(tensor, len(index)), index, strict=True))
