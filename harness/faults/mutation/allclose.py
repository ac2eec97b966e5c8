"""
The same mutants before the comparison that most projects have: `allclose` of the two backends' outputs in float32.

What people compare are the object patches, the loss and the gradients; the tolerances are published ones. Whether the
comparison accepts the clean pair matters as much as what it finds: one that rejects everything finds everything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.parity.compare.response import Answer

PRECISION = "f32"
QUANTITIES = ("R4", "R5", "R6")


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """`|a − b| ≤ absolute + relative·|b|`, element by element."""

    relative: float
    absolute: float


_NOT_WEIGHTS = ("R6/object", "R6/probe")

COMPARATORS: Mapping[str, Tolerance] = {
    "1e-5 absolute": Tolerance(relative=0.0, absolute=1e-5),
    "rtol 1e-3, atol 1e-7": Tolerance(relative=1e-3, absolute=1e-7),
    "torch's default for float32 (1.3e-6, 1e-5)": Tolerance(relative=1.3e-6, absolute=1e-5),
    "torch's default for float64 (1e-7, 1e-7)": Tolerance(relative=1e-7, absolute=1e-7),
    "NumPy's default (1e-5, 1e-8)": Tolerance(relative=1e-5, absolute=1e-8),
}


KINDS: Mapping[str, Callable[[str], bool]] = {
    "patches": lambda name: name in ("R4/patches", "R4/consistent"),
    "loss": lambda name: name == "R5/plain.total",
    "gradients": lambda name: name.startswith("R6/") and not name.startswith(("R6/weighted.", *_NOT_WEIGHTS)),
}
"""What people compare: object patches before and after assembly, the loss, gradients to the weights."""


def key(comparator: str, kind: str) -> str:
    """Name of a comparator on one kind of output."""
    return f"{comparator}: {kind}"


KEYS = tuple(key(comparator, kind) for comparator in COMPARATORS for kind in KINDS)


def kills(answers: Mapping[str, Answer]) -> dict[str, bool]:
    """
    Whether each comparator finds that two backends differ, by `key`.

    Args:
        answers: of `torch` and `tf`; TensorFlow's are taken for the right ones.
    """
    found = {}
    for kind, belongs in KINDS.items():
        torch, tf = (_chosen(answers[side], belongs) for side in ("torch", "tf"))
        for name, tolerance in COMPARATORS.items():
            found[key(name, kind)] = torch.keys() != tf.keys() or any(
                not _close(torch[tensor], tf[tensor], tolerance) for tensor in tf
            )
    return {name: found[name] for name in KEYS}


def _chosen(answer: Answer, belongs: Callable[[str], bool]) -> dict[str, NDArray[np.generic]]:
    return {name: value for name, value in answer.arrays.items() if belongs(name)}


def _close(actual: NDArray[np.generic], expected: NDArray[np.generic], tolerance: Tolerance) -> bool:
    return actual.shape == expected.shape and bool(
        np.allclose(actual, expected, rtol=tolerance.relative, atol=tolerance.absolute)
    )
