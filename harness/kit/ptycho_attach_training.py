"""
Watch a short training of the maintainer's own, of either framework: what must hold in every step of it.

Which rate each optimiser step had and how many there were, which samples went in, which layers were in evaluation mode,
of what type the weights are, which weights had a gradient and did not move, and where a number is not finite.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MOVING = 1e-6
"""Of the largest value of a weight: a gradient above it moves the weight at usual rates."""


class _Watch:
    """Notes taken while a training runs."""

    def __init__(self, start: dict[str, Array]) -> None:
        self.start = start
        self.steps: list[dict[str, Any]] = []
        self.samples: list[str] = []
        self.with_gradient: set[str] = set()

    def entered(self, rows: Array) -> None:
        """A batch goes into the model: each of its samples by a digest."""
        for row in rows:
            self.samples.append(hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).hexdigest())

    def pushed(self, name: str, gradient: Array) -> None:
        """A weight has a gradient; one at its rounding, as that of a bias before a norm, moves nothing."""
        weight = float(np.max(np.abs(self.start[name]), initial=0.0))
        if float(np.max(np.abs(gradient), initial=0.0)) > MOVING * weight:
            self.with_gradient.add(name)

    def stepped(self, rate: float, dtypes: Iterable[str], state: dict[str, Any]) -> None:
        """An optimiser makes a step."""
        self.steps.append({"rate": rate, "samples": list(self.samples), "dtypes": sorted(set(dtypes)), **state})
        self.samples.clear()

    def summary(self, end: dict[str, Array]) -> dict[str, Any]:
        """All of it as plain values."""
        still = [name for name in sorted(self.with_gradient) if np.array_equal(self.start[name], end[name])]
        broken = [name for name, value in end.items() if not np.isfinite(value).all()]
        return {"steps": self.steps, "gradient but no move": still, "not finite": broken}


def watch_torch(framework: Any, model: Any, train: Callable[[Any], Any]) -> dict[str, Any]:
    """Run a training of PyTorch and note what must hold in it."""
    torch, hooks = sys.modules["torch"], sys.modules["torch.optim.optimizer"]
    watch = _Watch(framework.weights(model))

    def entered(_module: Any, args: Any, kwargs: Any) -> None:
        if torch.is_grad_enabled() and (found := framework.tensors_in((args, kwargs))):
            watch.entered(framework.array_of(found[0]))

    def stepped(optimizer: Any, *_: Any) -> None:
        named = dict(model.named_parameters())
        for name, value in named.items():
            if value.grad is not None:
                watch.pushed(name, framework.array_of(value.grad))
        types = (str(p.dtype).replace("torch.", "") for p in named.values())
        watch.stepped(float(optimizer.param_groups[0]["lr"]), types, framework.state_of(model, optimizer))

    handles = [
        model.register_forward_pre_hook(entered, with_kwargs=True),
        hooks.register_optimizer_step_pre_hook(stepped),
    ]
    try:
        train(model)
    finally:
        for handle in handles:
            handle.remove()
    return watch.summary(framework.weights(model))


def watch_keras(framework: Any, model: Any, train: Callable[[Any], Any]) -> dict[str, Any]:
    """Run a training of Keras, `fit` or a loop of one's own, and note what must hold in it."""
    watch = _Watch(framework.weights(model))
    plain_call, undo, modes = model.call, contextlib.ExitStack(), set()

    def call(*args: Any, **kwargs: Any) -> Any:
        if found := framework.tensors_in((args, kwargs)):
            watch.entered(framework.array_of(found[0]))
        if kwargs.get("training") is not True:
            modes.add("(root)")
        return plain_call(*args, **kwargs)

    def wrap(base: Any) -> None:
        plain = base.apply_gradients

        def apply(optimizer: Any, pairs: Any, *args: Any, **kwargs: Any) -> Any:
            pairs = list(pairs)
            names = {id(v): name for name, v in framework.variables(model).items()}
            watch.with_gradient.update(
                names[id(v)] for g, v in pairs if id(v) in names and g is not None and np.any(framework.array_of(g))
            )
            types = [framework.dtype_of(v) for v in model.trainable_variables]
            state = {"evaluating": sorted(modes)}
            rate = framework.rate_of(optimizer)
            done = plain(optimizer, pairs, *args, **kwargs)
            watch.stepped(rate, types, {**framework.state_of(model, optimizer), **state})
            modes.clear()
            return done

        base.apply_gradients = apply
        undo.callback(lambda: setattr(base, "apply_gradients", plain))

    model.call = call
    undo.callback(lambda: delattr(model, "call"))
    for keras in framework.versions_of_keras():
        wrap(keras.optimizers.Optimizer)
    with undo, warnings.catch_warnings():
        # What is read from files may run as it likes: only the steps are looked at.
        warnings.filterwarnings("ignore", message=".*run_functions_eagerly.*")
        train(model)
    return watch.summary(framework.weights(model))
