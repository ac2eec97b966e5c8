"""
The half of `ptycho_attach` that knows PyTorch: forward hooks, a function mode, autograd hooks, optimiser hooks.

Nothing here imports PyTorch: it is taken from `sys.modules`, where the maintainer's own code has put it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

NAME = "torch"
Array = np.ndarray[Any, Any]
_CHANCE = (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_dropout",
    "feature_alpha_dropout",
)
"""Functions that throw dice: what enters them goes on, since no other framework throws the same."""


def _torch() -> Any:
    return sys.modules["torch"]


def _tables() -> Any:
    """The file beside this one that knows kinds and settings."""
    return sys.modules["ptycho_attach"].beside("ptycho_attach_torch_layers")


def typed(tensor: Any) -> tuple[Array, str]:
    """A tensor as an array, and the name of its type."""
    return array_of(tensor), str(tensor.dtype).replace("torch.", "")


def kind_of(module: Any) -> str:
    """Kind of a module; `other:CLASS` if it is none that is known."""
    return str(_tables().kind_of(module))


def owns(model: Any) -> bool:
    """Whether a model is a module of PyTorch."""
    return "torch" in sys.modules and isinstance(model, _torch().nn.Module)


def versions() -> dict[str, str]:
    """Versions for the report."""
    return {"torch": str(_torch().__version__)}


def set_precision(precision: str) -> None:
    """Set the precision of numbers that are made from now on; do nothing where there is no PyTorch."""
    if "torch" in sys.modules:
        torch = _torch()
        torch.set_default_dtype(torch.float64 if precision == "f64" else torch.float32)
        torch.manual_seed(0)


def ready(model: Any, precision: str) -> Any:
    """The model in a precision."""
    return model.double() if precision == "f64" else model


def tensors(arrays: Sequence[Array]) -> tuple[Any, ...]:
    """Arrays as tensors."""
    return tuple(_torch().from_numpy(np.ascontiguousarray(array)) for array in arrays)


def array_of(tensor: Any) -> Array:
    """A tensor as an array of its own."""
    torch, plain = _torch(), tensor.detach().cpu().resolve_conj().resolve_neg()
    wide = plain.float() if plain.dtype in (torch.bfloat16, torch.float16) else plain
    return np.array(wide.numpy())


def leaves(model: Any) -> dict[str, Any]:
    """Modules that are recorded: of a known kind, or without parts."""
    found: dict[str, Any] = {}

    def walk(module: Any, path: str) -> None:
        if not kind_of(module).startswith("other:") or not any(True for _ in module.children()):
            found[path or type(module).__name__] = module
            return
        for name, child in module.named_children():
            walk(child, f"{path}.{name}" if path else name)

    walk(model, "")
    return found


def weights(model: Any) -> dict[str, Array]:
    """Parameters and states, by name."""
    return {name: array_of(tensor) for name, tensor in _named(model)}


def _named(model: Any) -> Iterator[tuple[str, Any]]:
    yield from model.named_parameters()
    kept = set(model.state_dict())
    yield from ((n, b) for n, b in model.named_buffers() if n in kept and (b.is_floating_point() or b.is_complex()))


def assign(model: Any, values: Mapping[str, Array]) -> None:
    """Set those of the parameters and states that are named."""
    torch = _torch()
    with torch.no_grad():
        for name, tensor in _named(model):
            if name in values:
                tensor.copy_(torch.from_numpy(np.array(values[name]).reshape(tuple(tensor.shape))))


def dry_run(model: Any, loss: Callable[..., Any], batch: Any) -> None:
    """Call the model once, so that lazy weights are made."""
    loss(model, *batch)


def layers(model: Any) -> list[dict[str, Any]]:
    """Every module that has weights of its own or is recorded: name, class, kind, weights, and if they are trained."""
    found, owned = [], leaves(model)
    inside = {id(part) for leaf in owned.values() for part in leaf.modules()}
    for path, module in {**owned, **{n: m for n, m in model.named_modules() if id(m) not in inside}}.items():
        kind = kind_of(module)
        own = dict(module.named_parameters(recurse=path in owned))
        own |= {n: b for n, b in module.named_buffers(recurse=path in owned) if b.is_floating_point()}
        prefix = f"{path}." if any(module is m for n, m in model.named_modules() if n == path) and path else ""
        rows = [
            {
                "name": f"{prefix}{name}",
                "role": name,
                "shape": list(tensor.shape),
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "layout": _tables().layout(module, kind, name, tensor.dim()),
                "trainable": bool(tensor.requires_grad) if isinstance(tensor, _torch().nn.Parameter) else None,
            }
            for name, tensor in own.items()
        ]
        if rows or path in owned:
            row = {"name": path or "(root)", "class": type(module).__name__, "kind": kind, "weights": rows}
            found.append({**row, "training": bool(module.training)})
    return found


def tensors_in(value: Any) -> list[Any]:
    """Tensors of a nested result, in order."""
    if isinstance(value, _torch().Tensor):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return [tensor for part in parts for tensor in tensors_in(part)]


class _Hooks:
    """Hooks on every leaf of a model, and a mode that sees functions called between them."""

    def __init__(self, model: Any, tape: Any) -> None:
        self.tape, self.model, self.inside_model = tape, model, 0
        self.handles = [
            model.register_forward_pre_hook(lambda *_: self._enter(1)),
            model.register_forward_hook(lambda *_: self._enter(-1), always_call=True),
        ]
        for path, module in leaves(model).items():
            self._attach(path, module)

    def _enter(self, by: int) -> None:
        self.inside_model += by

    def _attach(self, path: str, module: Any) -> None:
        kind, numbers, held = kind_of(module), [], []

        def before(mod: Any, args: Any, kwargs: Any) -> Any:
            if self.tape.open:
                inputs = tensors_in((args, kwargs))
                rank = inputs[0].dim() if inputs else 0
                settings = _tables().settings_of(
                    kind, {**vars(mod), **{n: getattr(mod, n, None) for n in ("approximate",)}}, rank
                )
                arrays = [typed(tensor) for tensor in inputs]
                numbers.append(self.tape.begin(path, kind, arrays, settings, bool(mod.training)))
                held.append(inputs)
            self.tape.depth += 1

        def after(_mod: Any, _args: Any, _kwargs: Any, output: Any) -> Any:
            self.tape.depth -= 1
            if kind == "dropout":
                # Chance has no twin in another framework: its rate is compared, and what enters goes on.
                output = tensors_in((_args, _kwargs))[0]
            if not self.tape.open:
                return output
            held.pop()
            return self.leave(numbers.pop(), output)

        self.handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        self.handles.append(module.register_forward_hook(after, with_kwargs=True))

    def leave(self, number: int, output: Any) -> Any:
        """Note what a call gave, moved where the run is one of noise, and ask for its gradient."""
        torch, noise = _torch(), self.tape.noise
        if noise is not None and isinstance(output, torch.Tensor) and output.is_floating_point():
            output = output * torch.from_numpy(noise.factor(tuple(output.shape))).to(output.dtype)
        found = tensors_in(output)
        self.tape.end(number, [typed(tensor) for tensor in found])
        for position, tensor in enumerate(found):
            if tensor.requires_grad:
                tensor.register_hook(self._keeper(f"call/{number}/grad/{position}"))
        return output

    def _keeper(self, name: str) -> Callable[[Any], None]:
        def keep(gradient: Any) -> None:
            self.tape.arrays[name] = self.tape.arrays.get(name, 0) + array_of(gradient)

        return keep

    def mode(self) -> Any:
        """A mode that records functions of `FUNCTIONS` called between the layers."""
        hooks, functions = self, _tables().FUNCTIONS

        class Mode(sys.modules["torch.overrides"].TorchFunctionMode):  # type: ignore[misc]
            def __torch_function__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
                kwargs, name = dict(kwargs or {}), getattr(function, "__name__", "").rstrip("_")
                if name in _CHANCE:
                    return args[0] if args else kwargs["input"]
                if name == "scaled_dot_product_attention":
                    args, kwargs = (*args[:4], 0.0, *args[5:]) if len(args) > 4 else args, {**kwargs}
                    kwargs.update({"dropout_p": 0.0} if len(args) <= 4 else {})
                if hooks.tape.depth or not hooks.tape.open or not hooks.inside_model or name not in functions:
                    return function(*args, **kwargs)
                kind, names = functions[name]
                given = {**dict(zip(names, args[1:])), **kwargs}  # noqa: B905 - Python 3.10
                entering = tensors_in((args[:1], kwargs.get("input")))
                settings = _tables().settings_of(kind, given, entering[0].dim())
                number = hooks.tape.begin(f"functional {name}", kind, [typed(t) for t in entering], settings, None)
                hooks.tape.depth += 1
                try:
                    output = function(*args, **kwargs)
                finally:
                    hooks.tape.depth -= 1
                return hooks.leave(number, output)

        return Mode()

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def record(
    model: Any, loss: Callable[..., Any], batch: Sequence[Any], tape: Any, *, optimizer: Any, steps: int
) -> None:
    """One run: the first forward and backward in full, then the optimiser's steps on the same batch."""
    chosen, schedule = optimizer if isinstance(optimizer, (tuple, list)) else (optimizer, None)
    tape.arrays |= {f"weight/{name}": array for name, array in weights(model).items()}
    hooks = _Hooks(model, tape)
    for step in range(steps if chosen is not None else 1):
        before = weights(model)
        model.zero_grad(set_to_none=True)
        with tape.recording(step == 0), hooks.mode():
            value = loss(model, *batch)
        if step == 0:
            after = weights(model)
            parameters = {name for name, _ in model.named_parameters()}
            tape.arrays |= {f"state/{n}": after[n].astype(float) - before[n] for n in after if n not in parameters}
            tape.arrays["loss"] = array_of(value).reshape(np.shape(array_of(value)))
        if value.requires_grad:
            value.backward()
        gradients = {n: array_of(p.grad) for n, p in model.named_parameters() if p.grad is not None}
        if step == 0:
            tape.arrays |= {f"grad/{name}": array for name, array in gradients.items()}
        if chosen is None:
            continue
        rate = float(chosen.param_groups[0]["lr"])
        chosen.step()
        if schedule is not None:
            schedule.step()
        tape.arrays |= {f"stepgrad/{step}/{name}": array for name, array in gradients.items()}
        after, names = weights(model), [name for name, _ in model.named_parameters()]
        tape.arrays |= {f"step/{step}/{name}": after[name].astype(float) - before[name] for name in names}
        tape.arrays[f"steploss/{step}"] = array_of(value)
        tape.steps.append({"rate": rate, "loss": float(value.detach()), **state_of(model, chosen)})
    hooks.remove()


def state_of(model: Any, optimizer: Any) -> dict[str, Any]:
    """Return what must hold at every step: which layers are in evaluation mode, which weights no optimiser holds."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = dict(model.named_parameters())
    counts = [int(s["step"]) for s in optimizer.state.values() if isinstance(s, Mapping) and "step" in s]
    return {
        "count": max(counts) if counts else None,
        "evaluating": [name or "(root)" for name, module in model.named_modules() if not module.training],
        "not held": [name for name, p in named.items() if p.requires_grad and id(p) not in held],
        "frozen": [name for name, p in named.items() if not p.requires_grad],
        "not finite": [name for name, p in named.items() if not np.isfinite(array_of(p)).all()],
    }


def describe_optimizer(optimizer: Any) -> dict[str, Any]:
    """Settings of an optimiser in words that both frameworks share."""
    chosen = optimizer[0] if isinstance(optimizer, (tuple, list)) else optimizer
    group, kind = chosen.param_groups[0], type(chosen).__name__.lower()
    found: dict[str, Any] = {
        "kind": kind,
        "rate": float(group["lr"]),
        "weight decay": float(group["weight_decay"] or 0),
    }
    if "betas" in group:
        found |= {"beta 1": float(group["betas"][0]), "beta 2": float(group["betas"][1])}
        found |= {"epsilon": float(group["eps"]), "epsilon added": "after bias correction"}
        found |= {"amsgrad": bool(group.get("amsgrad"))}
    elif "momentum" in group and kind == "sgd":
        found |= {"momentum": float(group["momentum"]), "nesterov": bool(group["nesterov"])}
        found |= {"dampening": float(group["dampening"])}
    return found
