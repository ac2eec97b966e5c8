"""
Pairs the layers of two models: proposed from order, kinds, shapes, names and the weights' own values.

Calls are aligned like two texts: the pairing of highest score that keeps the order. What is left over on both sides is
paired out of order afterwards, so that a layer that was moved is known as one.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.attach.calls import Call, Layer, Weight
from harness.attach.layouts import role, weight_axes
from harness.attach.recording import Recording

ACTIVATIONS = frozenset(
    {"relu", "relu6", "sigmoid", "tanh", "silu", "gelu", "elu", "softplus", "leaky_relu", "hardswish", "selu", "mish"}
)
FAMILIES = (
    ACTIVATIONS,
    frozenset({"max_pool", "avg_pool"}),
    frozenset({"global_max_pool", "global_avg_pool"}),
    frozenset({"batch_norm", "layer_norm", "group_norm"}),
)
"""Kinds of which one may be found where the other was meant."""

REACH = {True: 12, False: 3}
"""How many calls a layer may have been moved by, with weights and without."""


@dataclass(frozen=True, kw_only=True)
class CallPair:
    """Two calls that are one and the same, by their numbers in each model's order."""

    one: int
    two: int


@dataclass(frozen=True, kw_only=True)
class WeightPair:
    """
    One weight in both models.

    Attributes:
        one: its name in the first.
        two: its name in the second.
        axes: order of the first's axes in the second.
        rows: `(C, H, W)` where the second counts the flattened pixels of an image in the order (H, W, C), or empty.
    """

    one: str
    two: str
    axes: tuple[int, ...]
    rows: tuple[int, ...] = ()


class _ModelCalls:
    """One model as a list of calls with what identifies each."""

    def __init__(self, recording: Recording) -> None:
        self.calls: Sequence[Call] = next(iter(recording.calls.values()), ())
        self.layers: Mapping[str, Layer] = {layer.name: layer for layer in recording.layers}
        self.digests = {name: _digest(recording, name) for name in recording.weights}
        self.owned = [self._owned(call) for call in self.calls]
        self.words = [_words(call.layer) for call in self.calls]
        self.sizes = [sorted(int(np.prod(shape)) for shape, _ in call.outputs) for call in self.calls]
        self.roles = [{role(w.role): sorted(w.shape) for w in owned} for owned in self.owned]
        self.values = [{self.digests[w.name] for w in owned} - {0} for owned in self.owned]

    def _owned(self, call: Call) -> tuple[Weight, ...]:
        layer = self.layers.get(call.layer)
        return () if layer is None else layer.weights


def _digest(recording: Recording, name: str) -> int:
    """A number that equal weights share in any layout; 0 for a constant one, which tells nothing."""
    value = recording.array("f32", f"weight/{name}")
    if value is None or value.size < 2 or np.ptp(value.real) == 0:
        return 0
    return hash(np.sort(value.astype(np.float32), axis=None).tobytes())


def _words(name: str) -> frozenset[str]:
    """Words and numbers of a name, without case."""
    return frozenset(re.findall(r"[a-z]+|\d+", name.lower()))


def score(one: _ModelCalls, i: int, two: _ModelCalls, j: int) -> float:
    """Return how much speaks for two calls being the same; 0 if they cannot be."""
    a, b = one.calls[i], two.calls[j]
    family = any(a.kind in kinds and b.kind in kinds for kinds in FAMILIES)
    mine, theirs = one.roles[i], two.roles[j]
    if a.kind == b.kind:
        found = 4.0
    elif family:
        found = 2.0
    elif mine and mine == theirs:
        found = 3.0
    else:
        return 0.0
    if mine or theirs:
        found += 6.0 if mine == theirs else 3.0 if mine.get("weight") == theirs.get("weight") else -1.0
    found += 2.0 if one.sizes[i] == two.sizes[j] else 0.0
    union = len(one.words[i] | two.words[j])
    found += 1.5 * len(one.words[i] & two.words[j]) / union if union else 0.0
    return found + 8.0 * bool(one.values[i] & two.values[j])


def propose(first: Recording, second: Recording) -> list[CallPair]:
    """The pairs, in the first model's order."""
    one, two = _ModelCalls(first), _ModelCalls(second)
    pairs = _by_order(one, two)
    pairs = _by_name(one, two, pairs)
    pairs |= _left_over(one, two, pairs)
    return [CallPair(one=i, two=j) for i, j in sorted(pairs.items())]


def _by_order(one: _ModelCalls, two: _ModelCalls) -> dict[int, int]:
    rows, columns = len(one.calls), len(two.calls)
    each = np.array([[score(one, i, two, j) for j in range(columns)] for i in range(rows)]).reshape(rows, columns)
    best = np.zeros((rows + 1, columns + 1))
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            paired = each[i, j] + best[i + 1, j + 1] if each[i, j] > 0 else -1.0
            best[i, j] = max(paired, best[i + 1, j], best[i, j + 1])
    found, i, j = {}, 0, 0
    while i < rows and j < columns:
        if each[i, j] > 0 and best[i, j] == each[i, j] + best[i + 1, j + 1]:
            found[i] = j
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return found


def _by_name(one: _ModelCalls, two: _ModelCalls, pairs: Mapping[int, int]) -> dict[int, int]:
    """Exchange partners where names that people gave, or equal values, say so."""
    found = dict(pairs)
    for i in list(found):
        for k in list(found):
            a, b = found[i], found[k]
            if i >= k or not one.owned[i] or one.roles[i] != one.roles[k] or two.roles[a] != two.roles[b]:
                continue
            if one.calls[i].kind != one.calls[k].kind or one.calls[i].layer == one.calls[k].layer:
                continue
            crossed = _alike(one, i, two, b) and _alike(one, k, two, a)
            if crossed and not (_alike(one, i, two, a) or _alike(one, k, two, b)):
                found[i], found[k] = b, a
    return found


def _alike(one: _ModelCalls, i: int, two: _ModelCalls, j: int) -> bool:
    if one.values[i] and two.values[j]:
        shared = bool(one.values[i] & two.values[j])
        if shared or any(values & two.values[j] for values in one.values):
            return shared
    last, other = (
        re.sub(r"[^a-z0-9]", "", call.layer.rsplit(".", 1)[-1].lower()) for call in (one.calls[i], two.calls[j])
    )
    return last == other and not last.isdigit()


def _left_over(one: _ModelCalls, two: _ModelCalls, pairs: Mapping[int, int]) -> dict[int, int]:
    """Pairs out of order: of one kind, with the same weights or size, and not far from where they would be."""
    found: dict[int, int] = {}
    free = [j for j in range(len(two.calls)) if j not in set(pairs.values())]
    for i in range(len(one.calls)):
        if i in pairs:
            continue
        before = max((pairs[k] for k in pairs if k < i), default=-1) + 1
        fitting = [
            j
            for j in free
            if one.calls[i].kind == two.calls[j].kind
            and one.roles[i] == two.roles[j]
            and (one.roles[i] or one.sizes[i] == two.sizes[j] or not one.roles[i])
            and abs(j - before) <= REACH[bool(one.roles[i])]
        ]
        if fitting:
            j = max(fitting, key=lambda candidate: (score(one, i, two, candidate), -abs(candidate - before)))
            found[i] = j
            free.remove(j)
    return found


def carry(first: Recording, second: Recording, pairs: Sequence[CallPair]) -> list[WeightPair]:
    """Weights that go across: those of paired layers by what they are for, then by shape and name what is left."""
    one, two = _ModelCalls(first), _ModelCalls(second)
    found: list[WeightPair] = []
    taken: set[str] = set()
    used: set[str] = set()
    for pair in pairs:
        theirs = {role(weight.role): weight for weight in two.owned[pair.two]}
        for weight in one.owned[pair.one]:
            other = theirs.get(role(weight.role))
            if other is None or weight.name in taken or other.name in used:
                continue
            axes = weight_axes(weight.shape, other.shape, (weight.layout, other.layout))
            if axes is not None:
                rows = _flattened(one, two, pair) if weight.layout in ("OI", "IO") else ()
                found.append(WeightPair(one=weight.name, two=other.name, axes=axes, rows=rows))
                taken.add(weight.name)
                used.add(other.name)
    rest = [weight for name, weight in second.weights.items() if name not in used]
    for weight in (weight for name, weight in first.weights.items() if name not in taken):
        fitting = [(w, weight_axes(weight.shape, w.shape, (weight.layout, w.layout))) for w in rest]
        fitting = [(w, axes) for w, axes in fitting if axes is not None and _equals(weight, w, one, two)]
        if fitting:
            best, axes = max(fitting, key=lambda entry: len(_words(weight.name) & _words(entry[0].name)))
            assert axes is not None
            found.append(WeightPair(one=weight.name, two=best.name, axes=axes))
            rest.remove(best)
    return found


def _equals(weight: Weight, other: Weight, one: _ModelCalls, two: _ModelCalls) -> bool:
    """Whether a weight without a paired layer may be another: by its values, or by a word that both names have."""
    if one.digests[weight.name] and one.digests[weight.name] == two.digests[other.name]:
        return True
    return bool(_words(weight.name) & _words(other.name)) and (weight.trainable is None) == (other.trainable is None)


def _flattened(one: _ModelCalls, two: _ModelCalls, pair: CallPair) -> tuple[int, ...]:
    """`(C, H, W)` of the image that was flattened before a dense layer, where the models flatten it in other orders."""
    mine, theirs = one.calls[pair.one], two.calls[pair.two]
    if not mine.inputs or len(mine.inputs[0][0]) != 2 or not theirs.inputs:
        return ()
    shapes = [_image_before(side.calls, call) for side, call in ((one, mine), (two, theirs))]
    if None in shapes:
        return ()
    image, other = shapes
    assert image is not None
    assert other is not None
    moved = (*image[1:], image[0])
    if image == other or moved != other or int(np.prod(image[1:])) == 1:
        return ()
    return image if int(np.prod(image)) == mine.inputs[0][0][1] else ()


def _image_before(calls: Sequence[Call], call: Call) -> tuple[int, ...] | None:
    for earlier in reversed(calls[: call.number]):
        shapes = [shape for shape, _ in (*earlier.outputs[::-1], *earlier.inputs[::-1]) if len(shape) == 4]
        if shapes:
            return shapes[0][1:]
        if earlier.kind in ("dense",):
            return None
    return None


def unpaired(first: Recording, second: Recording, carried: Sequence[WeightPair]) -> tuple[list[str], list[str]]:
    """Trained weights without a partner, on each side."""
    mine, theirs = {entry.one for entry in carried}, {entry.two for entry in carried}
    return (
        [name for name, weight in first.weights.items() if name not in mine and weight.trainable is not None],
        [name for name, weight in second.weights.items() if name not in theirs and weight.trainable is not None],
    )


def moved(pairs: Sequence[CallPair]) -> list[tuple[CallPair, CallPair]]:
    """Neighbouring pairs that the models call in opposite order."""
    return [(a, b) for a, b in itertools.pairwise(pairs) if a.two > b.two]
