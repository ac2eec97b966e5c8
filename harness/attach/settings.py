"""Settings of two paired layers that differ, in words: padding, stride, epsilon, momentum, mode, the kind itself."""

from typing import Any

from harness.attach.calls import Call

MODES = ("batch_norm", "dropout")
"""Kinds that compute otherwise in evaluation mode."""

_OF_SHAPE = ("pads", "crop", "ceil", "pad counted")
"""Settings that say the same in two ways where a layer before them pads: judged only where the inputs fit."""

NEAR = 1e-9
"""Numbers that differ by less than this part are one number, written in another precision."""


def differing(one: Call, two: Call, *, entering_alike: bool) -> list[tuple[str, str]]:
    """
    Return what differs between two layers' settings.

    Args:
        one: the first side's call.
        two: the second's.
        entering_alike: whether their inputs have one shape, but for layout.

    Returns:
        Name and sentence of each.
    """
    found = []
    if one.kind != two.kind:
        found.append(("kind", f"{one.kind} against {two.kind}"))
    for name in one.settings:
        if name not in two.settings or one.settings[name] is None or two.settings[name] is None:
            continue
        if name in _OF_SHAPE and not entering_alike:
            continue
        if not _same(one.settings[name], two.settings[name]):
            found.append((name, f"{name} {_said(one.settings[name])} against {_said(two.settings[name])}"))
    types = [[end[0][1] if end else "" for end in (call.inputs, call.outputs)] for call in (one, two)]
    if types[0][1] != types[1][1] and types[0][0] == types[1][0]:
        found.append(("dtype", f"what leaves it is {types[0][1]} against {types[1][1]}"))
    if one.kind == two.kind and one.kind in MODES and bool(one.training) != bool(two.training):
        modes = ["training" if call.training else "evaluation" for call in (one, two)]
        found.append(("mode", f"{modes[0]} mode against {modes[1]} mode"))
    return found


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, float) or isinstance(two, float):
        return abs(float(one) - float(two)) <= NEAR * max(abs(float(one)), abs(float(two)))
    return bool(one == two)


def _said(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
