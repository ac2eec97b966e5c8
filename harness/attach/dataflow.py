"""
Orders the calls of a model by what flows from one to the next: branches one after another, not interleaved.

A functional model of Keras runs its layers by depth: with two branches, a layer of one and a layer of the other in
turn. Code that calls its layers runs one branch and then the next. To pair both, the calls of each are brought into one
order: a call that takes what the last one gave follows it; then the next branch.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.attach.calls import Call

Array = NDArray[Any]
SAMPLES, LEAST = 16, 4
"""Values of an input that are looked for in earlier outputs, and how many different ones say something."""


def unravelled(
    calls: Sequence[Call], arrays: Mapping[str, Array], batch: Sequence[Array]
) -> tuple[list[Call], dict[int, int]]:
    """
    Bring calls into the order in which one branch follows another.

    Args:
        calls: in the order in which they were made.
        arrays: of the run, `call/3/in/0` and so on.
        batch: what entered the model.

    Returns:
        The calls with their new numbers, and each old number's new one.
    """
    sources = [_sources(call, calls, arrays, batch) for call in calls]
    waiting, done, order = set(range(len(calls))), set[int](), list[int]()
    while waiting:
        ready = [k for k in sorted(waiting) if sources[k] <= done]
        following = [k for k in ready if order and order[-1] in sources[k]]
        chosen = _first(following or ready, calls)
        order.append(chosen)
        done.add(chosen)
        waiting.remove(chosen)
    places = {old: new for new, old in enumerate(order)}
    return [replace(calls[old], number=new) for new, old in enumerate(order)], places


def renamed(arrays: Mapping[str, Any], places: Mapping[int, int]) -> dict[str, Any]:
    """Entries of a run, `call/3/in/0` and others, under the new numbers of their calls."""
    found = {}
    for name, value in arrays.items():
        parts = name.split("/")
        if parts[0] == "call":
            parts[1] = str(places[int(parts[1])])
        found["/".join(parts)] = value
    return found


def _first(candidates: Sequence[int], calls: Sequence[Call]) -> int:
    """The call that was made first; of layers whose names are one word and a number, the one with the least number."""
    named = [re.fullmatch(r"(.*?)_?(\d*)", calls[k].layer) for k in candidates]
    if len({match[1] for match in named if match}) == 1 and all(match and match[1] for match in named):
        return min(zip(candidates, named, strict=True), key=lambda pair: int((pair[1] and pair[1][2]) or 0))[0]
    return candidates[0]


def _sources(call: Call, calls: Sequence[Call], arrays: Mapping[str, Array], batch: Sequence[Array]) -> frozenset[int]:
    """Calls that must come before one; all that were made before it where what enters it comes from none of them."""
    found = set()
    for position in range(len(call.inputs)):
        entering = arrays.get(f"call/{call.number}/in/{position}")
        values = _sample(entering)
        if entering is None or values is None:
            return frozenset(range(call.number))
        source = next(_givers(call, calls, arrays, entering, values), None)
        if source is not None:
            found.add(source)
        elif not any(_holds(part.astype(values.dtype), values) for part in batch):
            return frozenset(range(call.number))
    return frozenset(found)


def _sample(array: Array | None) -> Array | None:
    """Some different values of an array; None where it has too few to be known by."""
    if array is None or array.dtype.kind not in "fc":
        return None
    flat = array.ravel()
    # An odd step: an even one may meet the same channel again and again.
    flat = flat[:: flat.size // (8 * SAMPLES) | 1]
    values = np.unique(flat[(flat != 0) & np.isfinite(flat)])
    return values[:: max(1, values.size // SAMPLES)][:SAMPLES] if values.size >= LEAST else None


def _givers(
    call: Call, calls: Sequence[Call], arrays: Mapping[str, Array], entering: Array, values: Array
) -> Iterator[int]:
    """Earlier calls whose output is what enters a call, or holds it: a part, another layout, something around it."""
    outputs = [
        (earlier.number, given)
        for earlier in reversed(calls[: call.number])
        for position in range(len(earlier.outputs))
        if (given := arrays.get(f"call/{earlier.number}/out/{position}")) is not None
    ]
    yield from (number for number, given in outputs if given.shape == entering.shape and _equal(given, entering))
    yield from (number for number, given in outputs if given.dtype == values.dtype and _holds(given, values))


def _equal(one: Array, two: Array) -> bool:
    flat = one.ravel(), two.ravel()
    # The beginning first: most arrays differ there.
    return bool(np.array_equal(flat[0][:SAMPLES], flat[1][:SAMPLES]) and np.array_equal(*flat))


def _holds(array: Array, values: Array) -> bool:
    return all(bool((array == value).any()) for value in values)
