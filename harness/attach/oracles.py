"""
Single operations again, in NumPy and float64: what a layer must give on its recorded input, by its own settings.

Arrays are laid out with the channels first, kernels as (O, I, spatial …), dense kernels as (O, I), whatever framework
they come from. An operation without an oracle is not judged; it is never taken for right.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = Mapping[str, Array]
Settings = Mapping[str, Any]


def padded(x: Array, pads: Sequence[Sequence[int]], value: float = 0.0, mode: str = "zeros") -> Array:
    """Spatial axes with something before and after."""
    width = [(0, 0), (0, 0), *((int(a), int(b)) for a, b in pads)]
    if mode != "zeros":
        pad: Any = np.pad
        return np.asarray(pad(x, width, mode={"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]))
    return np.asarray(np.pad(x, width, constant_values=value))


def windows(x: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """`(B, C, out …, kernel …)` views of `(B, C, spatial …)`."""
    spatial = len(kernel)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    seen = sliding_window_view(x, reach, axis=tuple(range(2, 2 + spatial)))
    steps = (
        slice(None),
        slice(None),
        *(slice(None, None, s) for s in stride),
        *(slice(None, None, d) for d in dilation),
    )
    return np.asarray(seen[steps])


def convolution(x: Array, weights: Weights, settings: Settings) -> Array:
    """Cross-correlation with padding, stride, dilation and groups."""
    kernel, groups = weights["weight"], int(settings["groups"])
    x = padded(x, settings["pads"], mode=settings.get("padding mode", "zeros"))
    seen = windows(x, settings["kernel"], settings["stride"], settings["dilation"])
    spatial, inputs, outputs = x.ndim - 2, x.shape[1] // groups, kernel.shape[0] // groups
    parts = []
    for group in range(groups):
        view = seen[:, group * inputs : (group + 1) * inputs]
        taps = kernel[group * outputs : (group + 1) * outputs]
        axes = (1, *range(2 + spatial, 2 + 2 * spatial))
        parts.append(np.moveaxis(np.tensordot(view, taps, axes=(axes, tuple(range(1, 2 + spatial)))), -1, 1))
    return _plus(np.concatenate(parts, axis=1), weights.get("bias"))


def transposed_convolution(x: Array, weights: Weights, settings: Settings) -> Array:
    """The adjoint of a convolution: each pixel spreads the kernel; then the edges are cropped."""
    kernel, stride, size = weights["weight"], settings["stride"], settings["kernel"]
    if int(settings["groups"]) != 1 or any(d != 1 for d in settings["dilation"]):
        raise NotImplementedError("groups or dilation")
    full = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], stride, size, strict=True)]
    low = [int(crop[0]) for crop in settings["crop"]]
    wide = [f + max(0, -int(crop[1])) for f, crop in zip(full, settings["crop"], strict=True)]
    out = np.zeros((x.shape[0], kernel.shape[1], *wide))
    for tap in itertools.product(*(range(k) for k in size)):
        places = tuple(slice(t, t + (n - 1) * s + 1, s) for t, n, s in zip(tap, x.shape[2:], stride, strict=True))
        weight: Any = np.moveaxis(kernel, (0, 1), (-2, -1))[tap]
        spread: Any = np.tensordot(x, weight, axes=(1, 0))
        out[(slice(None), slice(None), *places)] += np.moveaxis(spread, -1, 1)
    cut = tuple(slice(a, f - int(c[1])) for a, f, c in zip(low, full, settings["crop"], strict=True))
    return _plus(out[(slice(None), slice(None), *cut)], weights.get("bias"))


def _plus(x: Array, bias: Array | None) -> Array:
    return x if bias is None else x + bias.reshape(1, -1, *[1] * (x.ndim - 2))


def dense(x: Array, weights: Weights, _settings: Settings) -> Array:
    """The product x Wᵀ + b over the last axis."""
    return np.asarray(x @ weights["weight"].T + weights.get("bias", 0.0))


def pooled(x: Array, settings: Settings, *, largest: bool) -> Array:
    """The largest or the mean of each window; with `ceil` the last window may hang over."""
    kernel, stride, pads = settings["kernel"], settings["stride"], [list(pair) for pair in settings["pads"]]
    extra = [0] * len(kernel)
    if settings.get("ceil"):
        for axis, (k, s) in enumerate(zip(kernel, stride, strict=True)):
            length = x.shape[2 + axis] + sum(pads[axis])
            count = -(-(length - k) // s) + 1
            # A window must begin inside the input or what is put before it.
            count -= (count - 1) * s >= x.shape[2 + axis] + pads[axis][0]
            extra[axis] = max((count - 1) * s + k - length, 0)
    ones = [1] * len(kernel)
    hung = [[a, b + e] for (a, b), e in zip(pads, extra, strict=True)]
    axes = tuple(range(2 + len(kernel), 2 + 2 * len(kernel)))
    if largest:
        return np.asarray(windows(padded(x, hung, -math.inf), kernel, stride, ones).max(axis=axes))
    total = windows(padded(x, hung), kernel, stride, ones).sum(axis=axes)
    counted = padded(np.ones_like(x), pads, 1.0 if settings.get("pad counted") else 0.0)
    return np.asarray(total / windows(padded(counted, [[0, e] for e in extra]), kernel, stride, ones).sum(axis=axes))


def batch_norm(x: Array, weights: Weights, settings: Settings, training: bool) -> Array:
    """Each channel by the batch's own mean and variance, or in evaluation mode by the kept ones."""
    axes, shape = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    mean = x.mean(axis=axes) if training else weights["mean"]
    variance = x.var(axis=axes) if training else weights["variance"]
    scaled = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + settings["epsilon"])
    if "weight" in weights:
        scaled = scaled * weights["weight"].reshape(shape)
    return scaled + weights["bias"].reshape(shape) if "bias" in weights else np.asarray(scaled)


def layer_norm(x: Array, weights: Weights, settings: Settings) -> Array:
    """Each sample by the mean and variance of its last axes."""
    axes = tuple(range(-int(settings["axes"]), 0))
    scaled = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + settings["epsilon"])
    return np.asarray(scaled * weights.get("weight", 1.0) + weights.get("bias", 0.0))


def group_norm(x: Array, weights: Weights, settings: Settings) -> Array:
    """Each group of channels of a sample by its own mean and variance."""
    grouped = x.reshape(x.shape[0], int(settings["groups"]), -1)
    scaled = grouped - grouped.mean(axis=-1, keepdims=True)
    scaled = (scaled / np.sqrt(grouped.var(axis=-1, keepdims=True) + settings["epsilon"])).reshape(x.shape)
    shape = (1, -1, *[1] * (x.ndim - 2))
    return np.asarray(scaled * weights.get("weight", np.ones(1)).reshape(shape) + _shaped(weights.get("bias"), shape))


def _shaped(bias: Array | None, shape: tuple[int, ...]) -> Any:
    return 0.0 if bias is None else bias.reshape(shape)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x), without overflow."""
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def gelu(x: Array, *, approximate: bool) -> Array:
    """The product x Φ(x), or the approximation with tanh."""
    if approximate:
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))))


def softmax(x: Array, axis: int) -> Array:
    """e^x over its sum along an axis."""
    raised = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(raised / raised.sum(axis=axis, keepdims=True))


ELEMENTWISE: Mapping[str, Callable[[Array, Settings], Array]] = {
    "relu": lambda x, s: np.clip(x, 0, s.get("top")),
    "relu6": lambda x, _: np.clip(x, 0, 6),
    "leaky_relu": lambda x, s: np.where(x > 0, x, x * s["slope"]),
    "sigmoid": lambda x, _: sigmoid(x),
    "tanh": lambda x, _: np.tanh(x),
    "silu": lambda x, _: x * sigmoid(x),
    "gelu": lambda x, s: gelu(x, approximate=bool(s.get("approximate", False))),
    "softplus": lambda x, _: np.logaddexp(x, 0),
    "elu": lambda x, _: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "hardswish": lambda x, _: x * np.clip(x + 3, 0, 6) / 6,
}

SPATIAL = frozenset({"conv", "conv_transpose", "max_pool", "avg_pool", "batch_norm", "group_norm"})
"""Kinds whose oracle wants the channels first."""

KINDS = (
    SPATIAL
    | frozenset(ELEMENTWISE)
    | frozenset({"dense", "layer_norm", "softmax", "global_avg_pool", "global_max_pool", "dropout", "embedding"})
)
"""Kinds that have an oracle."""


def apply(kind: str, x: Array, weights: Weights, settings: Settings, training: bool | None) -> Array | None:
    """
    Return what a layer must give.

    Args:
        kind: kind of the layer.
        x: its input, channels first where `kind` is in `SPATIAL`.
        weights: by what they are for, in the oracle's layout.
        settings: settings of the layer.
        training: whether it is in training mode.

    Returns:
        The output, or None where no oracle can say.
    """
    try:
        if kind == "embedding":
            return np.asarray(weights["weight"][x.astype(int)])
        with np.errstate(all="ignore"):
            return _apply(kind, x.astype(np.float64), weights, settings, bool(training))
    except (KeyError, NotImplementedError, ValueError, IndexError, TypeError):
        return None


def _apply(kind: str, x: Array, weights: Weights, settings: Settings, training: bool) -> Array | None:
    if kind in ELEMENTWISE:
        return np.asarray(ELEMENTWISE[kind](x, settings))
    if kind == "conv":
        return convolution(x, weights, settings)
    if kind == "conv_transpose":
        return transposed_convolution(x, weights, settings)
    if kind == "dense":
        return dense(x, weights, settings)
    if kind in ("max_pool", "avg_pool"):
        return pooled(x, settings, largest=kind == "max_pool")
    if kind == "batch_norm":
        return batch_norm(x, weights, settings, training)
    if kind == "layer_norm":
        return layer_norm(x, weights, settings)
    if kind == "group_norm":
        return group_norm(x, weights, settings)
    if kind == "softmax":
        return softmax(x, int(settings["axis"]))
    return x if kind == "dropout" else None
