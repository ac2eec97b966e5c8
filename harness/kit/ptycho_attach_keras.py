"""
The half of `ptycho_attach` that knows Keras 2 and 3 on TensorFlow: each layer's `call`, GradientTape, apply_gradients.

Nothing here imports either: they are taken from `sys.modules`, where the maintainer's own code has put them. A layer is
recorded by an attribute `call` of its own that precedes its class's: both versions of Keras look it up again at
every call. `tf.function` is made to run line by line, so that arrays are seen.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

NAME = "keras"
Array = np.ndarray[Any, Any]
_ACTIVATED = ("conv", "conv_transpose", "dense", "other:EinsumDense")
"""Kinds whose activation is recorded as a call of its own."""


def _tf() -> Any:
    return sys.modules["tensorflow"]


def _tables() -> Any:
    """The file beside this one that knows kinds and settings."""
    return sys.modules["ptycho_attach"].beside("ptycho_attach_keras_layers")


def versions_of_keras() -> list[Any]:
    """Every Keras that the maintainer's code has imported."""
    found = [sys.modules[name] for name in ("keras", "tf_keras") if name in sys.modules]
    if not found and "tensorflow" in sys.modules:
        found = [_tf().keras]
    return [module for module in found if hasattr(module, "layers")]


def owns(model: Any) -> bool:
    """Whether a model is a layer of either Keras, on TensorFlow."""
    return "tensorflow" in sys.modules and any(isinstance(model, k.layers.Layer) for k in versions_of_keras())


def versions() -> dict[str, str]:
    """Versions for the report."""
    found = {module.__name__.split(".")[0]: str(module.__version__) for module in versions_of_keras()}
    return {"tensorflow": str(_tf().__version__), **found}


def set_precision(precision: str) -> None:
    """Set the precision of numbers that are made from now on; do nothing where there is no TensorFlow."""
    if "tensorflow" not in sys.modules:
        return
    name = "float64" if precision == "f64" else "float32"
    _tf().config.run_functions_eagerly(True)
    _tf().random.set_seed(0)
    for keras in versions_of_keras():
        # Names that Keras gives by itself count on from model to model; here each has them again.
        keras.backend.clear_session()
        keras.backend.set_floatx(name)
        if hasattr(keras, "config") and hasattr(keras.config, "set_dtype_policy"):
            keras.config.set_dtype_policy(name)
        else:
            keras.mixed_precision.set_global_policy(name)


def ready(model: Any, _precision: str) -> Any:
    """The model as it is: its precision was settled before it was made."""
    return model


def tensors(arrays: Sequence[Array]) -> tuple[Any, ...]:
    """Arrays as tensors."""
    return tuple(_tf().constant(array) for array in arrays)


def array_of(tensor: Any) -> Array:
    """A tensor or variable as an array of its own."""
    tf = _tf()
    plain = tf.convert_to_tensor(tensor)
    return np.array(tf.cast(plain, tf.float32) if plain.dtype in (tf.bfloat16, tf.float16) else plain)


def typed(tensor: Any) -> tuple[Array, str]:
    """A tensor as an array, and the name of its type."""
    return array_of(tensor), dtype_of(tensor)


def parts_of(layer: Any) -> list[Any]:
    """Layers directly inside a layer."""
    return [part for part in layer._flatten_layers(recursive=False, include_self=False) if part is not layer]


def leaves(model: Any) -> dict[str, Any]:
    """Layers that are recorded, by path: of a known kind, or without parts."""
    return {path: layer for path, (layer, leaf) in _walked(model).items() if leaf}


def _walked(model: Any) -> dict[str, tuple[Any, bool]]:
    found: dict[str, tuple[Any, bool]] = {}
    seen: set[int] = set()

    def walk(layer: Any, path: str) -> None:
        if id(layer) in seen or type(layer).__name__ == "InputLayer":
            return
        seen.add(id(layer))
        inner = parts_of(layer)
        leaf = not _tables().kind_of(layer).startswith("other:") or not inner
        name, number = path or "(root)", 2
        while name in found:
            name, number = f"{path}~{number}", number + 1
        found[name] = (layer, leaf)
        for part in () if leaf else inner:
            walk(part, f"{path}.{part.name}" if path else part.name)

    walk(model, "")
    return found


def _own(layer: Any, leaf: bool) -> list[Any]:
    """Variables of a layer itself; of a leaf, also those of what it is made of."""
    if leaf:
        return [v for v in layer.weights if "seed_generator" not in str(getattr(v, "path", v.name))]
    names = ("_trainable_variables", "_non_trainable_variables", "_trainable_weights", "_non_trainable_weights")
    found = {id(v): v for name in names for v in (vars(layer).get(name) or ())}
    return list(found.values())


def _named(model: Any) -> Iterator[tuple[str, str, Any]]:
    """Path of the layer, name of the variable in it, variable; each variable once."""
    seen: set[int] = set()
    for path, (layer, leaf) in _walked(model).items():
        used: dict[str, int] = {}
        for variable in _own(layer, leaf):
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            role = variable.name.split("/")[-1].split(":")[0]
            used[role] = used.get(role, 0) + 1
            yield path, role if used[role] == 1 else f"{role}~{used[role]}", variable


def variables(model: Any) -> dict[str, Any]:
    """Variables of all layers, by path and name."""
    return {f"{path}.{role}": variable for path, role, variable in _named(model)}


def weights(model: Any) -> dict[str, Array]:
    """Variables of all layers, by path and name; whole numbers left out."""
    found = {name: array_of(variable) for name, variable in variables(model).items()}
    return {name: array for name, array in found.items() if array.dtype.kind in "fc"}


def assign(model: Any, values: Mapping[str, Array]) -> None:
    """Set those of the variables that are named."""
    for name, variable in variables(model).items():
        if name in values:
            variable.assign(np.asarray(values[name]).reshape(tuple(variable.shape)).astype(dtype_of(variable)))


def dtype_of(variable: Any) -> str:
    """Name of a variable's type."""
    return str(getattr(variable.dtype, "name", variable.dtype))


def dry_run(model: Any, loss: Callable[..., Any], batch: Any) -> None:
    """Call the model once, so that its variables are made."""
    loss(model, *batch)
    wrong = sorted({dtype_of(v) for v in model.trainable_variables} - {"float64"})
    if wrong and str(versions_of_keras()[0].backend.floatx()) == "float64":
        raise TypeError(f"weights stay {', '.join(wrong)} although float64 is asked for")


def layers(model: Any) -> list[dict[str, Any]]:
    """Every layer with weights of its own or that is recorded: name, class, kind, weights, whether they are trained."""
    trained = {id(variable) for variable in model.trainable_variables}
    rows: dict[str, list[dict[str, Any]]] = {}
    walked = _walked(model)
    for path, role, variable in _named(model):
        kind, states = _tables().kind_of(walked[path][0]), ("moving_mean", "moving_variance")
        rows.setdefault(path, []).append(
            {
                "name": f"{path}.{role}",
                "role": role,
                "shape": [int(side) for side in variable.shape],
                "dtype": dtype_of(variable),
                "layout": _tables().layout(walked[path][0], kind, role, len(variable.shape)),
                "trainable": None if role in states else id(variable) in trained,
            }
        )
    return [
        {
            "name": path,
            "class": type(layer).__name__,
            "kind": _tables().kind_of(layer),
            "weights": rows.get(path, []),
            "training": None,
        }
        for path, (layer, leaf) in walked.items()
        if leaf or path in rows
    ]


def tensors_in(value: Any) -> list[Any]:
    """Tensors of a nested result, in order."""
    tf = _tf()
    if isinstance(value, (tf.Tensor, tf.Variable)):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return [tensor for part in parts for tensor in tensors_in(part)]


class _Hooks:
    """A `call` of our own on every leaf, activations apart, and functions of `tf.nn` and `keras.ops` between them."""

    def __init__(self, model: Any, tape: Any) -> None:
        self.tape, self.inside_model, self.undo = tape, 0, contextlib.ExitStack()
        self.tracked: list[tuple[str, Any]] = []
        for path, layer in leaves(model).items():
            self._attach(path, layer)
        if _walked(model)["(root)"][1] is False:
            plain = model.call

            def root(*args: Any, **kwargs: Any) -> Any:
                self.inside_model += 1
                try:
                    return plain(*args, **kwargs)
                finally:
                    self.inside_model -= 1

            self._set(model, "call", root)
        if str(versions_of_keras()[0].backend.floatx()) == "float64":
            for owner, name, function in _tables().without_detour():
                self._set(owner, name, function)
        # Chance has no twin in another framework, in functions as in layers.
        self._set(_tf().nn, "dropout", lambda x, *_, **__: x)
        for owner, name, kind in _tables().functions():
            self._between(owner, name, kind)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute until the end."""
        had, before = name in vars(owner), getattr(owner, name)
        setattr(owner, name, value)
        self.undo.callback((lambda: setattr(owner, name, before)) if had else (lambda: delattr(owner, name)))

    def _attach(self, path: str, layer: Any) -> None:
        kind, plain, tape = _tables().kind_of(layer), layer.call, self.tape
        inner: list[Any] = []

        def call(*args: Any, **kwargs: Any) -> Any:
            if kind == "dropout" and not tape.open:
                return args[0]
            if not tape.open:
                return plain(*args, **kwargs)
            entering = tensors_in((args, {k: v for k, v in kwargs.items() if k != "training"}))
            training = kwargs.get("training")
            settings = _tables().settings_of(layer, kind, entering[0].shape if entering else ())
            flag = None if training is None else bool(training)
            number = tape.begin(path, kind, [typed(t) for t in entering], settings, flag)
            tape.depth += 1
            try:
                # Chance has no twin in another framework: its rate is compared, and what enters goes on.
                output = entering[0] if kind == "dropout" else plain(*args, **kwargs)
            finally:
                tape.depth -= 1
            if inner:
                # What was activated inside has been followed already; the call itself gave what entered that.
                self._follow(number, [inner.pop()])
                return output
            return self.leave(number, output)

        self._set(layer, "call", call)
        activation = vars(layer).get("activation")
        if kind in _ACTIVATED and callable(activation) and getattr(activation, "__name__", "") != "linear":
            self._set(layer, "activation", self._activated(f"{path}.activation", activation, inner))

    def _activated(self, path: str, plain: Callable[..., Any], inner: list[Any]) -> Callable[..., Any]:
        kind, settings = _tables().activation(plain)

        def activate(value: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.tape.open:
                return plain(value, *args, **kwargs)
            value = self._moved(value)
            inner[:] = [value]
            number = self.tape.begin(path, kind, [typed(value)], settings, None)
            return self.leave(number, plain(value, *args, **kwargs))

        activate.__name__ = getattr(plain, "__name__", "activation")
        return activate

    def _between(self, owner: Any, name: str, kind: str) -> None:
        plain, tape = getattr(owner, name), self.tape

        def function(*args: Any, **kwargs: Any) -> Any:
            entering = tensors_in((args[:1], kwargs))
            if tape.depth or not tape.open or not self.inside_model or not entering:
                return plain(*args, **kwargs)
            settings = _tables().settings_between(kind, args, kwargs)
            number = tape.begin(f"functional {name}", kind, [typed(t) for t in entering[:1]], settings, None)
            tape.depth += 1
            try:
                output = plain(*args, **kwargs)
            finally:
                tape.depth -= 1
            return self.leave(number, output)

        with contextlib.suppress(AttributeError, TypeError):
            self._set(owner, name, function)

    def _moved(self, output: Any) -> Any:
        tf, noise = _tf(), self.tape.noise
        if noise is None or not isinstance(output, tf.Tensor) or not output.dtype.is_floating:
            return output
        return output * tf.constant(noise.factor(tuple(output.shape)), output.dtype)

    def leave(self, number: int, output: Any) -> Any:
        """Note what a call gave, moved where the run is one of noise."""
        output = self._moved(output)
        self._follow(number, tensors_in(output))
        return output

    def _follow(self, number: int, found: Sequence[Any]) -> None:
        self.tape.end(number, [typed(tensor) for tensor in found])
        floating = [
            (k, tensor) for k, tensor in enumerate(found) if tensor.dtype.is_floating or tensor.dtype.is_complex
        ]
        self.tracked += [(f"call/{number}/grad/{k}", tensor) for k, tensor in floating]


def record(
    model: Any, loss: Callable[..., Any], batch: Sequence[Any], tape: Any, *, optimizer: Any, steps: int
) -> None:
    """One run: the first forward and backward in full, then the optimiser's steps on the same batch."""
    tf = _tf()
    tape.arrays |= {f"weight/{name}": array for name, array in weights(model).items()}
    trained = {id(variable) for variable in model.trainable_variables}
    named = {name: v for name, v in variables(model).items() if id(v) in trained}
    hooks = _Hooks(model, tape)
    with hooks.undo:
        for step in range(steps if optimizer is not None else 1):
            before = weights(model)
            hooks.tracked.clear()
            with tape.recording(step == 0), tf.GradientTape() as gradient_tape:
                value = loss(model, *batch)
            if step == 0:
                after = weights(model)
                untrained = [name for name in after if name not in named]
                tape.arrays |= {f"state/{n}": after[n].astype(float) - before[n] for n in untrained}
                tape.arrays["loss"] = array_of(value)
            wanted = [*named.values(), *(tensor for _, tensor in hooks.tracked)]
            found = gradient_tape.gradient(value, [v.value if _is_keras_3(v) else v for v in wanted])
            gradients = dict(zip([*named, *(name for name, _ in hooks.tracked)], found))  # noqa: B905 - Python 3.10
            dense = {name: array_of(g) for name, g in gradients.items() if g is not None}
            if step == 0:
                tape.arrays |= {n if n.startswith("call/") else f"grad/{n}": array for n, array in dense.items()}
            if optimizer is None:
                continue
            rate = rate_of(optimizer)
            pairs = [(gradients[name], v) for name, v in named.items() if gradients[name] is not None]
            optimizer.apply_gradients(pairs)
            after = weights(model)
            tape.arrays |= {f"stepgrad/{step}/{name}": dense[name] for name in named if name in dense}
            tape.arrays |= {f"step/{step}/{name}": after[name].astype(float) - before[name] for name in named}
            tape.arrays[f"steploss/{step}"] = array_of(value)
            tape.steps.append({"rate": rate, "loss": float(value), **state_of(model, optimizer)})


def _is_keras_3(variable: Any) -> bool:
    return not isinstance(variable, (_tf().Tensor, _tf().Variable)) and hasattr(variable, "value")


def rate_of(optimizer: Any) -> float:
    """Learning rate of the next step."""
    rate = optimizer.learning_rate
    return float(rate(optimizer.iterations) if callable(rate) and not hasattr(rate, "numpy") else rate)


def state_of(model: Any, optimizer: Any) -> dict[str, Any]:
    """Return what must hold at every step."""
    trained = {id(variable) for variable in model.trainable_variables}
    named = {n: v for n, v in variables(model).items() if not n.endswith(("moving_mean", "moving_variance"))}
    values = {name: array_of(v) for name, v in named.items()}
    return {
        "count": int(optimizer.iterations),
        "evaluating": [],
        "not held": [],
        "frozen": [name for name, v in named.items() if id(v) not in trained and values[name].dtype.kind in "fc"],
        "not finite": [name for name, value in values.items() if not np.isfinite(value).all()],
    }


def describe_optimizer(optimizer: Any) -> dict[str, Any]:
    """Settings of an optimiser in words that both frameworks share."""
    return dict(_tables().optimizer_settings(optimizer, rate_of(optimizer)))
