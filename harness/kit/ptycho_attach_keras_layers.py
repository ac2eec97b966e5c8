"""Single layers for `ptycho_attach_keras`: kinds, layouts of weights, settings in shared words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

KINDS: Mapping[str, str] = {
    **{f"Conv{d}D": "conv" for d in (1, 2, 3)},
    **{f"Conv{d}DTranspose": "conv_transpose" for d in (1, 2, 3)},
    **{f"DepthwiseConv{d}D": "conv" for d in (1, 2)},
    **{f"MaxPooling{d}D": "max_pool" for d in (1, 2, 3)},
    **{f"AveragePooling{d}D": "avg_pool" for d in (1, 2, 3)},
    **{f"GlobalMaxPooling{d}D": "global_max_pool" for d in (1, 2, 3)},
    **{f"GlobalAveragePooling{d}D": "global_avg_pool" for d in (1, 2, 3)},
    **{f"ZeroPadding{d}D": "pad" for d in (1, 2, 3)},
    **{f"UpSampling{d}D": "upsample" for d in (1, 2, 3)},
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D"), "dropout"),
    **{name: name.lower() for name in ("ReLU", "PReLU", "ELU", "Softmax", "Flatten", "LSTM", "GRU")},
    "Dense": "dense",
    "BatchNormalization": "batch_norm",
    "LayerNormalization": "layer_norm",
    "GroupNormalization": "group_norm",
    "Embedding": "embedding",
    "LeakyReLU": "leaky_relu",
    "Activation": "activation",
    "MultiHeadAttention": "attention",
}
"""Kind by the name of a class or of one of its bases."""

ACTIVATIONS = {"swish": "silu", "hard_swish": "hardswish", "hard_silu": "hardswish"}
NAMED = ("relu", "relu6", "sigmoid", "tanh", "silu", "swish", "gelu", "elu", "softplus", "softmax", "leaky_relu")
POOLS = {"max_pool2d": "max_pool", "avg_pool2d": "avg_pool", "max_pool": "max_pool", "average_pool": "avg_pool"}


def kind_of(layer: Any) -> str:
    """Kind of a layer; `other:CLASS` if it is none that is known."""
    names = [base.__name__ for base in type(layer).__mro__]
    if names[0].endswith("Conv1D") and names[0] != "Conv1D" and "Conv1D" not in names[1:]:
        weight = vars(layer).get("weight")
        return "dense" if weight is None or len(weight.shape) == 2 else f"other:{names[0]}"
    kind = next((KINDS[name] for name in names if name in KINDS), f"other:{names[0]}")
    if kind == "activation":
        return activation(layer.activation)[0]
    return relu_of(layer)[0] if kind == "relu" else kind


def relu_of(layer: Any) -> tuple[str, dict[str, Any]]:
    """A ReLU layer may be three: with a top, with a slope, or plain."""
    top, slope = layer.max_value, float(layer.negative_slope or 0)
    if top is not None and float(top) == 6 and not slope:
        return "relu6", {}
    return ("leaky_relu", {"slope": slope}) if slope else ("relu", {} if top is None else {"top": float(top)})


def activation(function: Any) -> tuple[str, dict[str, Any]]:
    """Kind and settings of an activation function."""
    name = str(getattr(function, "__name__", type(function).__name__)).lower()
    kind = ACTIVATIONS.get(name, name)
    if kind in ("gelu_new", "gelu_fast"):
        return "gelu", {"approximate": True}
    if kind == "gelu":
        return kind, {"approximate": False}
    return kind, {"axis": -1} if kind == "softmax" else {}


def layout(layer: Any, kind: str, role: str, rank: int) -> str:
    """Letters of a weight's axes: O and I for what comes out and goes in; empty where they are not known."""
    if role in ("kernel", "depthwise_kernel") and kind in ("conv", "conv_transpose"):
        swapped = kind == "conv_transpose" or type(layer).__name__.startswith("Depthwise")
        return "DHW"[5 - rank :] + ("OI" if swapped else "IO")
    return "IO" if kind == "dense" and role in ("kernel", "weight") and rank == 2 else ""


def _spatial(layer: Any, shape: Sequence[Any]) -> list[int]:
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return [int(side) for side in (shape[2:] if first else shape[1:-1])]


def _padding(word: str, sides: Sequence[int], size: Sequence[int], step: Sequence[int], wide: Sequence[int]) -> Any:
    """Return what is added before and after each spatial axis."""
    if word.lower() != "same":
        return [[0, 0] for _ in sides]
    found = []
    for n, k, s, d in zip(sides, size, step, wide):  # noqa: B905 - Python 3.10
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        found.append([total // 2, total - total // 2])
    return found


def settings_of(layer: Any, kind: str, shape: Sequence[Any]) -> dict[str, Any]:
    """
    Settings in words that both frameworks share.

    Args:
        layer: the layer.
        kind: its kind.
        shape: of its first input.
    """
    if kind in ("conv", "conv_transpose"):
        return _of_convolution(layer, kind, shape)
    if kind in ("max_pool", "avg_pool"):
        sides = _spatial(layer, shape)
        size, step = ([int(v) for v in part] for part in (_each(layer.pool_size, sides), _each(layer.strides, sides)))
        pads = _padding(layer.padding, sides, size, step, [1] * len(sides))
        found = {"kernel": size, "stride": step, "pads": pads, "ceil": False}
        return {**found, "pad counted": False} if kind == "avg_pool" and any(map(any, pads)) else found
    if kind == "batch_norm":
        return {"epsilon": float(layer.epsilon), "share kept": float(layer.momentum)}
    if kind == "layer_norm":
        axis = layer.axis
        return {"epsilon": float(layer.epsilon), "axes": 1 if isinstance(axis, int) else len(axis)}
    if kind == "group_norm":
        return {"epsilon": float(layer.epsilon), "groups": int(layer.groups)}
    if kind == "dropout":
        return {"rate": float(layer.rate)}
    if kind == "pad":
        padding = layer.padding
        return {"pads": [[int(a), int(b)] for a, b in ([padding] if isinstance(padding[0], int) else padding)]}
    if kind == "upsample":
        return {"mode": str(getattr(layer, "interpolation", "nearest")), "align corners": False}
    if type(layer).__name__ == "Activation":
        return activation(layer.activation)[1]
    if kind in ("relu", "relu6", "leaky_relu") and hasattr(layer, "max_value"):
        return relu_of(layer)[1]
    if kind == "leaky_relu":
        return {"slope": float(getattr(layer, "negative_slope", getattr(layer, "alpha", 0.3)))}
    if kind == "softmax":
        axis = int(layer.axis)
        return {"axis": axis - len(shape) if axis >= 0 else axis}
    return {}


def _each(value: Any, sides: Sequence[int]) -> Sequence[Any]:
    return value if isinstance(value, (tuple, list)) else [value] * len(sides)


def _of_convolution(layer: Any, kind: str, shape: Sequence[Any]) -> dict[str, Any]:
    sides = _spatial(layer, shape)
    names = ("kernel_size", "strides", "dilation_rate")
    size, step, wide = ([int(v) for v in _each(getattr(layer, name), sides)] for name in names)
    channels = int(shape[1] if getattr(layer, "data_format", "") == "channels_first" else shape[-1])
    groups = channels if type(layer).__name__.startswith("Depthwise") else int(getattr(layer, "groups", 1))
    found = {"kernel": size, "stride": step, "dilation": wide, "groups": groups}
    if kind == "conv_transpose":
        total = [max(k - s, 0) * (layer.padding == "same") for k, s in zip(size, step)]  # noqa: B905
        return {**found, "crop": [[t // 2, t - t // 2] for t in total]}
    pads = _padding(layer.padding, sides, size, step, wide)
    if layer.padding == "causal":
        pads = [[wide[0] * (size[0] - 1), 0]]
    return {**found, "pads": pads, "padding mode": "zeros"}


def functions() -> Iterator[tuple[Any, str, str]]:
    """Functions that are recorded where no layer calls them: where they are looked up, name, kind."""
    tensorflow = sys.modules["tensorflow"]
    owners = [tensorflow.nn]
    owners += [module for name, module in list(sys.modules.items()) if name in ("keras.ops", "keras.activations")]
    for owner in owners:
        for name in NAMED:
            if callable(getattr(owner, name, None)):
                yield owner, name, ACTIVATIONS.get(name, name)
    for name, kind in POOLS.items():
        if callable(getattr(tensorflow.nn, name, None)):
            yield tensorflow.nn, name, kind


def without_detour() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Functions that take a number of Python as float64, for a run of float64: their own way leads through float32."""

    def exact(plain: Callable[..., Any]) -> Callable[..., Any]:
        def convert(value: Any, *args: Any, **kwargs: Any) -> Any:
            return plain(np.float64(value) if type(value) is float else value, *args, **kwargs)

        return convert

    # Layers of Keras 2 and functions of tf.nn look them up elsewhere than the maintainer's code.
    places = ("tensorflow", "tensorflow.compat.v2", "tensorflow.python.ops.math_ops")
    for owner in {id(module): module for module in map(sys.modules.get, places) if module is not None}.values():
        for name in ("cast", "convert_to_tensor"):
            if callable(getattr(owner, name, None)):
                yield owner, name, exact(getattr(owner, name))


def settings_between(kind: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a function that no layer calls, as far as its arguments say them."""
    if kind == "gelu":
        given = kwargs.get("approximate", args[1] if len(args) > 1 else None)
        return {} if given is None else {"approximate": bool(given)}
    if kind == "softmax":
        axis = kwargs.get("axis", args[1] if len(args) > 1 else -1)
        return {"axis": -1 if axis is None else int(axis)}
    return {}


def optimizer_settings(optimizer: Any, rate: float) -> dict[str, Any]:
    """Settings of an optimiser in words that both frameworks share."""
    get, kind = optimizer.get_config().get, type(optimizer).__name__.lower()
    found: dict[str, Any] = {"kind": kind, "rate": rate, "weight decay": float(get("weight_decay") or 0)}
    if "adam" in kind:
        found |= {"beta 1": float(get("beta_1")), "beta 2": float(get("beta_2")), "epsilon": float(get("epsilon"))}
        found |= {"epsilon added": "before bias correction", "amsgrad": bool(get("amsgrad"))}
    if kind == "sgd":
        found |= {"momentum": float(get("momentum") or 0), "nesterov": bool(get("nesterov")), "dampening": 0.0}
    clips = {name: get(name) for name in ("clipnorm", "clipvalue", "global_clipnorm") if get(name)}
    return found | {f"clipping {name}": float(value) for name, value in clips.items()}
