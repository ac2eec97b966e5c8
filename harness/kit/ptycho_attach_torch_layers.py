"""Single layers for `ptycho_attach_torch`: kinds, layouts of weights, settings in shared words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS: Mapping[str, str] = {
    **{f"Conv{d}d": "conv" for d in (1, 2, 3)},
    **{f"ConvTranspose{d}d": "conv_transpose" for d in (1, 2, 3)},
    **{f"BatchNorm{d}d": "batch_norm" for d in (1, 2, 3)},
    **{f"{word}Pool{d}d": f"{word.lower()}_pool" for word in ("Max", "Avg") for d in (1, 2, 3)},
    **{f"Adaptive{word}Pool{d}d": f"global_{word.lower()}_pool" for word in ("Max", "Avg") for d in (1, 2, 3)},
    **{f"Zero{word}{d}d": "pad" for word in ("Pad",) for d in (1, 2, 3)},
    **dict.fromkeys(("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"), "dropout"),
    **{name: name.lower() for name in ("ReLU", "ReLU6", "Sigmoid", "Tanh", "SiLU", "GELU", "ELU", "Softmax", "PReLU")},
    **{name: name.lower() for name in ("Softplus", "Flatten", "Upsample", "Hardswish", "Mish", "SELU")},
    "Linear": "dense",
    "Conv1D": "dense",
    "LayerNorm": "layer_norm",
    "GroupNorm": "group_norm",
    "Embedding": "embedding",
    "LeakyReLU": "leaky_relu",
    "Hardsigmoid": "hard_sigmoid",
    "LSTM": "lstm",
    "GRU": "gru",
    "MultiheadAttention": "attention",
    "GELUActivation": "gelu",
    "SiLUActivation": "silu",
    "Identity": "identity",
}
"""Kind by the name of a class or of one of its bases."""

FUNCTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **{name: (name, ()) for name in ("relu", "relu6", "sigmoid", "tanh", "silu", "elu", "softplus", "hardswish")},
    "gelu": ("gelu", ("approximate",)),
    "leaky_relu": ("leaky_relu", ("negative_slope",)),
    "softmax": ("softmax", ("dim",)),
    **{
        f"{word}_pool{d}d": (f"{word}_pool", ("kernel_size", "stride", "padding", *rest))
        for word, rest in (("max", ("dilation", "ceil_mode")), ("avg", ("ceil_mode", "count_include_pad")))
        for d in (1, 2, 3)
    },
    **{
        f"adaptive_{word}_pool{d}d": (f"global_{word}_pool", ("output_size",))
        for word in ("max", "avg")
        for d in (1, 2)
    },
    "layer_norm": ("layer_norm", ("normalized_shape", "weight", "bias", "eps")),
    "interpolate": ("upsample", ("size", "scale_factor", "mode", "align_corners")),
}
"""Kind, and the arguments after the first, of functions that are recorded where no layer calls them."""

LAYOUTS: Mapping[tuple[str, int], str] = {
    **{("conv", rank): "OI" + "DHW"[5 - rank :] for rank in (3, 4, 5)},
    **{("conv_transpose", rank): "IO" + "DHW"[5 - rank :] for rank in (3, 4, 5)},
    ("dense", 2): "OI",
}


def kind_of(module: Any) -> str:
    """Kind of a module; `other:CLASS` if it is none that is known."""
    names = [base.__name__ for base in type(module).__mro__]
    return next((KINDS[name] for name in names if name in KINDS), f"other:{names[0]}")


def layout(module: Any, kind: str, name: str, rank: int) -> str:
    """Letters of a weight's axes: O and I for what comes out and goes in; empty where they are not known."""
    if name != "weight":
        return ""
    return "IO" if type(module).__name__ == "Conv1D" else LAYOUTS.get((kind, rank), "")


def _each(value: Any, count: int) -> list[int]:
    return [int(part) for part in value] if isinstance(value, (tuple, list)) else [int(value)] * count


def settings_of(kind: str, source: Any, rank: int) -> dict[str, Any]:
    """
    Settings in words that both frameworks share.

    Args:
        kind: kind of the layer.
        source: mapping of the module's attributes or the function's arguments, by PyTorch's names.
        rank: number of axes of the input.
    """
    spatial, get = rank - 2, source.get
    if kind in ("conv", "conv_transpose"):
        size, step, wide = (_each(get(n), spatial) for n in ("kernel_size", "stride", "dilation"))
        found = {"kernel": size, "stride": step, "dilation": wide, "groups": int(get("groups", 1))}
        padding = get("padding")
        if kind == "conv_transpose":
            low, more = _each(padding, spatial), _each(get("output_padding"), spatial)
            return {**found, "crop": [[p, p - o] for p, o in zip(low, more)]}  # noqa: B905 - Python 3.10
        if isinstance(padding, str):
            total = [d * (k - 1) * (padding == "same") for k, d in zip(size, wide)]  # noqa: B905
            pads = [[t // 2, t - t // 2] for t in total]
        else:
            pads = [[p, p] for p in _each(padding, spatial)]
        return {**found, "pads": pads, "padding mode": str(get("padding_mode", "zeros"))}
    if kind in ("max_pool", "avg_pool"):
        size = _each(get("kernel_size"), spatial)
        step = size if get("stride") in (None, []) else _each(get("stride"), spatial)
        pads = [[p, p] for p in _each(get("padding") or 0, spatial)]
        found = {"kernel": size, "stride": step, "pads": pads, "ceil": bool(get("ceil_mode"))}
        counted = get("count_include_pad")
        return {**found, "pad counted": counted is not False} if kind == "avg_pool" and any(map(any, pads)) else found
    if kind == "batch_norm":
        momentum = get("momentum")
        return {"epsilon": float(get("eps")), "share kept": None if momentum is None else 1 - float(momentum)}
    if kind == "layer_norm":
        shape = get("normalized_shape")
        return {"epsilon": float(get("eps") or 1e-5), "axes": len(shape) if isinstance(shape, (tuple, list)) else 1}
    if kind == "group_norm":
        return {"epsilon": float(get("eps")), "groups": int(get("num_groups"))}
    if kind == "softmax":
        dim = get("dim")
        return {"axis": None if dim is None else int(dim) - rank if int(dim) >= 0 else int(dim)}
    if kind == "gelu":
        return {"approximate": str(get("approximate") or "none") == "tanh"}
    if kind == "leaky_relu":
        slope = get("negative_slope")
        return {"slope": 0.01 if slope is None else float(slope)}
    if kind == "dropout":
        return {"rate": float(get("p", 0))}
    if kind == "pad":
        flat = list(get("padding", []))
        return {"pads": [[flat[2 * k], flat[2 * k + 1]] for k in reversed(range(len(flat) // 2))]}
    if kind == "upsample":
        return {"mode": str(get("mode")), "align corners": bool(get("align_corners"))}
    return {}
