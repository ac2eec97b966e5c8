"""Layers of a model, their weights, and their calls, as a recording has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Weight:
    """
    One weight or state of a layer.

    Attributes:
        name: its name in the code base.
        role: the last part of it, such as `kernel`.
        shape: its shape.
        dtype: its type.
        layout: letters of its axes, O and I for what comes out and goes in; empty where they are not known.
        trainable: whether an optimiser may move it; None for a state.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    trainable: bool | None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer: name, class, kind in words that both frameworks share, and its weights."""

    name: str
    cls: str
    kind: str
    weights: tuple[Weight, ...]


@dataclass(frozen=True, kw_only=True)
class Call:
    """
    One call of a layer or function.

    Attributes:
        number: its place in the order of calls.
        name: name of the layer; from its second call on with `#2` and so on.
        layer: name of the layer.
        kind: kind of the layer.
        settings: in words that both frameworks share.
        training: whether the layer was in training mode; None where that has no meaning.
        inputs: shape and type of each.
        outputs: the same.
    """

    number: int
    name: str
    layer: str
    kind: str
    settings: Mapping[str, Any]
    training: bool | None
    inputs: tuple[tuple[tuple[int, ...], str], ...]
    outputs: tuple[tuple[tuple[int, ...], str], ...]
