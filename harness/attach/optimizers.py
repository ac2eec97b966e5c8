"""
Adam and SGD again, in NumPy and float64: what an optimiser must do with recorded gradients, by its own settings.

The two frameworks add Adam's epsilon at different places: PyTorch to the root of the corrected second moment, Keras to
the root of the one that is not corrected, which is the same as an epsilon 1/√(1 − β₂ᵗ) times as large
(Kingma & Ba 2015, section 2, last lines).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
KNOWN = ("adam", "sgd")
BEFORE = "before bias correction"


def updates(
    settings: Mapping[str, Any],
    rates: Sequence[float],
    gradients: Sequence[Array],
    start: Array,
    *,
    rounded: bool = False,
) -> list[Array] | None:
    """
    Change of a weight at every step.

    Args:
        settings: the optimiser's, in shared words.
        rates: learning rate of each step.
        gradients: of each step.
        start: the weight before the first.
        rounded: whether the bias correction raises betas that were rounded to float32, as Keras 3 does in float64, too.

    Returns:
        One change a step; None for an optimiser that is not known here, or options of it.
    """
    kind = settings.get("kind")
    if kind not in KNOWN or settings.get("amsgrad") or any(name.startswith("clipping") for name in settings):
        return None
    if settings.get("dampening"):
        return None
    weight, found = start.astype(np.float64), []
    decay = float(settings.get("weight decay", 0.0))
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    for step, (rate, gradient) in enumerate(zip(rates, gradients, strict=True), start=1):
        g = gradient.astype(np.float64) + decay * weight
        if kind == "sgd":
            momentum = float(settings["momentum"])
            first = momentum * first + g if momentum else g
            change = -rate * (g + momentum * first if settings["nesterov"] else first)
        else:
            one, two, epsilon = (float(settings[name]) for name in ("beta 1", "beta 2", "epsilon"))
            first, second = one * first + (1 - one) * g, two * second + (1 - two) * g * g
            raised = [float(np.float32(beta)) if rounded else beta for beta in (one, two)]
            correction = math.sqrt(1 - raised[1] ** step)
            added = epsilon / correction if settings["epsilon added"] == BEFORE else epsilon
            change = -rate * (first / (1 - raised[0] ** step)) / (np.sqrt(second) / correction + added)
        found.append(np.asarray(change))
        weight = weight + change
    return found
