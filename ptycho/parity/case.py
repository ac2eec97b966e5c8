"""One question to a backend: an operation, its arguments, and whether its value or a gradient is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """
    One operation on one set of arguments.

    Attributes:
        name: name of the answer.
        operation: name of a method of the backend's `Operations`.
        given: arrays by argument; their types decide the precision.
        settings: plain arguments.
        to: argument to whose gradient the question is, or None for the value.
        upstream: for a gradient, g: the gradient is that of Re Σ conj(g)·value; None means ones.
    """

    name: str
    operation: str
    given: Mapping[str, Array]
    settings: Mapping[str, float] = field(default_factory=dict)
    to: str | None = None
    upstream: Array | None = None
