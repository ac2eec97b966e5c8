"""
Recordings of one small network as either framework would leave them, made with NumPy alone, with a fault to order.

The forward pass is the oracles' own; gradients are made up, and equal on both sides but for layout: what is tested with
these recordings is how two of them are compared, and not how one is made.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.attach import optimizers, oracles
from harness.attach.recording import Recording, from_plain

Array = NDArray[Any]
ROLES = {
    "torch": {"weight": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"},
    "keras": {"weight": "kernel", "bias": "bias", "mean": "moving_mean", "variance": "moving_variance"},
}
NORM = {"weight": "gamma", "bias": "beta"}
RATE, COUNT = 0.1, 2


@dataclass(frozen=True)
class Layer:
    """One layer in canonical layout."""

    name: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    training: bool = True
    compute: Callable[[Array, "Layer"], Array] | None = None
    frozen: bool = False
    dtype: str = ""

    def __call__(self, x: Array) -> Array:
        if self.compute is not None:
            return self.compute(x, self)
        if self.kind == "flatten":
            return x.reshape(len(x), -1)
        made = oracles.apply(self.kind, x, self.weights, self.settings, self.training)
        assert made is not None
        return made


def network() -> list[Layer]:
    """Convolution, norm, rectifier, pooling, a convolution of stride 2, flatten, dense."""
    random = np.random.default_rng(3)

    def weight(*shape: int) -> Array:
        return random.normal(size=shape).astype(np.float32).astype(np.float64)

    plain = {"kernel": [3, 3], "dilation": [1, 1], "groups": 1, "padding mode": "zeros"}
    norm = {"weight": weight(4), "bias": weight(4), "mean": weight(4), "variance": np.abs(weight(4)) + 0.5}
    pool = {"kernel": [2, 2], "stride": [2, 2], "pads": [[0, 0], [0, 0]], "ceil": False}
    first = {**plain, "stride": [1, 1], "pads": [[1, 1], [1, 1]]}
    second = {**plain, "stride": [2, 2], "pads": [[1, 1], [1, 1]]}
    return [
        Layer("conv1", "conv", first, {"weight": weight(4, 3, 3, 3), "bias": weight(4)}),
        Layer("norm", "batch_norm", {"epsilon": 1e-3, "share kept": 0.9}, norm),
        Layer("act", "relu"),
        Layer("pool", "max_pool", pool),
        Layer("conv2", "conv", second, {"weight": weight(4, 4, 3, 3), "bias": weight(4)}),
        Layer("flat", "flatten"),
        Layer("dense", "dense", {}, {"weight": weight(5, 16), "bias": weight(5)}),
    ]


def changed(layers: list[Layer], name: str, **changes: Any) -> list[Layer]:
    """The network with one layer changed; `settings` are merged."""
    found = []
    for layer in layers:
        if layer.name == name:
            merged = {**layer.settings, **changes.get("settings", {})}
            layer = replace(layer, **{**changes, "settings": merged})
        found.append(layer)
    return found


def _name(style: str, layer: Layer, role: str) -> str:
    if style == "keras" and layer.kind == "batch_norm" and role in NORM:
        return f"{layer.name}.{NORM[role]}"
    return f"{layer.name}.{ROLES[style][role]}"


def _laid_out(style: str, layer: Layer, role: str, value: Array) -> tuple[Array, str]:
    """A weight, or its gradient, in a framework's layout; and that layout's letters."""
    if role != "weight" or layer.kind == "batch_norm":
        return value, ""
    if layer.kind == "conv":
        return (value, "OIHW") if style == "torch" else (value.transpose(2, 3, 1, 0), "HWIO")
    if style == "torch":
        return value, "OI"
    # Keras flattens (H, W, C).
    return value.reshape(5, 4, 2, 2).transpose(2, 3, 1, 0).reshape(16, 5), "IO"


def _activation(style: str, x: Array) -> Array:
    if style == "keras" and x.ndim == 4:
        return x.transpose(0, 2, 3, 1)
    return (
        x.reshape(len(x), 4, 2, 2).transpose(0, 2, 3, 1).reshape(x.shape)
        if style == "keras" and x.shape[1] == 16
        else x
    )


def recording(
    style: str,
    layers: list[Layer],
    *,
    side: str = "",
    loss: float = 1.0,
    optimizer: dict[str, Any] | None = None,
    rates: tuple[float, float] = (RATE, RATE),
    state: float = 1.0,
    precisions: tuple[str, ...] = ("f32", "f64"),
    gradient: tuple[str, float] = ("", 1.0),
    training: dict[str, Any] | None = None,
    expected: dict[str, Any] | None = None,
) -> Recording:
    """
    A recording.

    Args:
        style: `torch` or `keras`: layouts and names.
        layers: the network.
        side: its name; the style's by default.
        loss: factor of the loss and of all gradients.
        optimizer: its settings.
        rates: learning rate of each step.
        state: factor of the change of the norm's variance.
        precisions: that could be run.
        gradient: a weight whose gradient is wrong, and by which factor.
        training: what was noted of a training.
        expected: what it should have seen.
    """
    x = np.random.default_rng(1).normal(size=(3, 3, 8, 8)).astype(np.float32).astype(np.float64)
    batch, calls = x, []
    arrays: dict[str, Array] = {}
    run: dict[str, Array] = {}
    for number, layer in enumerate(layers):
        y = layer(x)
        ends = [_activation(style, x), _activation(style, y)]
        types = ["float32", layer.dtype or "float32"]
        calls.append(
            {
                "name": layer.name,
                "layer": layer.name,
                "kind": layer.kind,
                "settings": layer.settings,
                "training": layer.training,
                "inputs": [{"shape": list(ends[0].shape), "dtype": types[0]}],
                "outputs": [{"shape": list(ends[1].shape), "dtype": types[1]}],
            }
        )
        run[f"call/{number}/in/0"], run[f"call/{number}/out/0"] = ends
        made_up = np.random.default_rng(sum(map(ord, layer.name))).normal(size=y.shape)
        run[f"call/{number}/grad/0"] = loss * _activation(style, made_up)
        x = y
    settings = optimizer or {"kind": "sgd", "rate": RATE, "weight decay": 0.0, "momentum": 0.9, "nesterov": False}
    settings = {"dampening": 0.0, **settings}
    rows = []
    for layer in layers:
        weights = []
        for role, value in layer.weights.items():
            name, trained = _name(style, layer, role), role in ("weight", "bias")
            laid, letters = _laid_out(style, layer, role, value)
            weights.append(
                {
                    "name": name,
                    "role": name.rsplit(".", 1)[-1],
                    "shape": list(laid.shape),
                    "dtype": "float32",
                    "layout": letters,
                    "trainable": None if not trained else not layer.frozen,
                }
            )
            run[f"weight/{name}"] = laid
            if not trained:
                share = 1 - layer.settings["share kept"]
                run[f"state/{name}"] = value * share * layer.training * (state if role == "variance" else 1.0)
            elif not layer.frozen:
                seeded = np.random.default_rng(len(layer.name) + len(role))
                factor = loss * (gradient[1] if name == gradient[0] else 1.0)
                given = [
                    factor * _laid_out(style, layer, role, seeded.normal(size=value.shape))[0] for _ in range(COUNT)
                ]
                changes = optimizers.updates(settings, rates, given, laid)
                assert changes is not None
                run[f"grad/{name}"] = given[0]
                run |= {f"stepgrad/{k}/{name}": g for k, g in enumerate(given)}
                run |= {f"step/{k}/{name}": c for k, c in enumerate(changes)}
        rows.append({"name": layer.name, "class": layer.kind, "kind": layer.kind, "weights": weights})
    run["loss"] = np.array(loss * float(np.mean(x**2)))
    for precision in precisions:
        real = np.float32 if precision == "f32" else np.float64
        arrays |= {f"{precision}/{name}": value.astype(real) for name, value in run.items()}
    arrays["batch/0"] = _activation(style, batch).astype(np.float32)
    steps = [
        {"rate": rate, "loss": 1.0, "count": k + 1, "evaluating": [], "not held": [], "frozen": [], "not finite": []}
        for k, rate in enumerate(rates)
    ]
    plain = {
        "framework": style,
        "versions": {style: "0", "numpy": "0"},
        "layers": rows,
        "runs": {precision: {"calls": calls, "steps": steps} for precision in precisions},
        "floors": dict.fromkeys(precisions, dict.fromkeys(run, 1e-7)),
        "failures": {},
        "optimizer": settings,
        "training": training,
        "expected": expected,
    }
    return from_plain(plain, arrays, side or style)
