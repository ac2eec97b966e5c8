"""`python -m ptycho_torch.adapter`: answer a request of the parity ladder with PyTorch's figures."""

import ptycho.python_version  # noqa: F401 - ends a Python that is too old

# isort: split
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ptycho.errors import exit_when_started

with exit_when_started(__name__):
    import numpy as np
    from numpy.typing import NDArray

    from ptycho.config import RuntimeConfig
    from ptycho.parity import request as ladder_request
    from ptycho.parity import serve
    from ptycho.parity.case import Case
    from ptycho.physics.architecture import DECODERS
    from ptycho.training.engine import Batch

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]


class BackendAdapter:
    """
    The backend opened up; see `ptycho.parity.adapter.BackendAdapter`.

    Args:
        request: model, weights, probe and precision.
    """

    def __init__(self, request: ladder_request.Request) -> None:
        from ptycho_torch.engine import create_engine

        self.engine = create_engine(
            model=request.model,
            runtime=RuntimeConfig(device=request.device, precision=request.precision, threads=request.threads),
            probe=request.probe,
            weights=request.weights,
            nphotons=request.nphotons,
        )
        if request.way == ladder_request.COMPILED:
            from ptycho_torch import compilation

            compilation.compile_engine(self.engine)

    def compiled(self) -> dict[str, int]:
        """The compiler's own count of graphs, and of functions that it left."""
        from ptycho_torch import compilation

        return compilation.count_graphs()

    def _tensor(self, array: Array) -> "Tensor":
        """A copy on the engine's device: what is asked for alone is computed there, too."""
        import torch

        return torch.from_numpy(np.array(array)).to(self.engine.device)

    def parameters(self) -> dict[str, tuple[list[int], str, bool]]:
        """Shape, dtype and whether it is trained."""
        named = self.engine.network.named_parameters()
        return {name: (list(p.shape), str(p.dtype).removeprefix("torch."), p.requires_grad) for name, p in named}

    def optimiser(self) -> dict[str, Any]:
        """Return what Adam steps, and its constants."""
        from ptycho_torch import optimizer

        constants = {"beta1": optimizer.BETA1, "beta2": optimizer.BETA2, "epsilon": optimizer.EPSILON}
        return {"parameters": sorted(self.engine.optimizer.names), **constants}

    def intensity(self, objects: Array, probe: Array) -> Array:
        """The physics alone."""
        from ptycho_torch import physics

        return _array(physics.intensity(self._tensor(objects), self._tensor(probe)))

    def canvas(self, patches: Array, coords_relative: Array, gridsize: int) -> Array:
        """The assembly alone."""
        from ptycho_torch import assembly

        return _array(assembly.assemble(self._tensor(patches), self._tensor(coords_relative), gridsize))

    def delivered(self, given: Iterable[Batch]) -> Iterator[tuple[Array, Array]]:
        """Batches as they lie on the device."""
        from ptycho_torch.dset_loader_pt_mmap import batches_to

        for batch in batches_to(given, self.engine.device):
            yield _array(batch.diffraction), _array(batch.coords_relative)

    def layer(self, name: str, x: Array) -> Array:
        """One layer on a given input."""
        head, _, part = name.partition(".")
        module, given = self.engine.network.get_submodule(name), self._tensor(x).to(self.engine.dtype)
        with self.engine.network.narrow(given.device.type):
            if part in ("inner", "outer"):
                return _array(module.upsampled(given))
            return _array(module(given, upsample=head in DECODERS and part != "0"))

    def forward(self, batch: Batch) -> dict[str, Array]:
        """Checkpoints, by hooks on the network while the engine's own forward pass runs."""
        from torch import nn

        from ptycho_torch import assembly, physics

        engine, found, network = self.engine, dict[str, Array](), self.engine.network

        def keep_block(name: str, _module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
            found[f"{name}.in"], found[f"{name}.out"] = _array(given[0]), _array(made)

        def keep(name: str, _module: nn.Module, _given: tuple[Any, ...], made: Any) -> None:
            found[name] = _array(made)

        whole = {"": "patches", "encoder": "code", "amplitude": "amplitude", "phase": "phase"}
        hooks = []
        for name, module in network.named_modules():
            if name in whole:
                hooks.append(module.register_forward_hook(partial(keep, whole[name])))
            elif type(module).__name__ == "Pair":
                hooks.append(module.register_forward_hook(partial(keep_block, name)))
        try:
            (tensors,) = _batches([batch], engine.device)
            patches = engine.patches(tensors)
        finally:
            for hook in hooks:
                hook.remove()
        found["consistent"] = _array(patches)
        found["exit_wave"] = _array(physics.exit_wave(patches, engine.probe))
        found["intensity"] = _array(physics.intensity(patches, engine.probe))
        if engine.model.gridsize > 1:
            relative = tensors.coords_relative
            found["canvas"] = _array(assembly.assemble(self._tensor(found["patches"]), relative, engine.model.gridsize))
        return found

    def terms(self, batch: Batch, mae_weight: float, tv_weight: float) -> dict[str, Array]:
        """Loss terms under given weights."""
        engine = self.engine
        before = engine.mae_weight, engine.tv_weight
        engine.mae_weight, engine.tv_weight = mae_weight, tv_weight
        try:
            (tensors,) = _batches([batch], engine.device)
            made = engine.losses(tensors)
        finally:
            engine.mae_weight, engine.tv_weight = before
        return {name: _array(getattr(made, name)) for name in ("nll", "mae", "variation", "total", "deviance")}

    def weighted_gradients(self, batch: Batch, mae_weight: float, tv_weight: float) -> dict[str, Array]:
        """Gradients of the objective with its optional terms."""
        engine = self.engine
        before = engine.mae_weight, engine.tv_weight
        engine.mae_weight, engine.tv_weight = mae_weight, tv_weight
        try:
            return engine.gradients(batch)
        finally:
            engine.mae_weight, engine.tv_weight = before

    def operate(self, case: Case) -> Array:
        """One operation."""
        from ptycho_torch.operations import Operations

        return Operations(self.engine).perform(case)

    def physics_gradients(self, batch: Batch) -> dict[str, Array]:
        """Gradients to the object and to the probe."""
        import torch

        from ptycho_torch import loss, physics

        engine = self.engine
        (tensors,) = _batches([batch], engine.device)
        patches = engine.patches(tensors).detach().requires_grad_()
        illumination = engine.probe.detach().clone().requires_grad_()
        total = loss.terms(
            intensity=physics.intensity(patches, illumination),
            patches=patches,
            diffraction=tensors.diffraction,
            log_scale=engine.network.log_intensity_scale,
            scale=engine.scale,
            good=tensors.good,
            good_share=tensors.good_share,
        ).total
        to_object, to_probe = torch.autograd.grad(total, (patches, illumination))
        return {"object": _array(to_object), "probe": _array(to_probe)}

    def replay(self, gradients: Iterable[Mapping[str, Array]], rates: Iterable[float]) -> Iterator[dict[str, Array]]:
        """Adam alone, from zero."""
        from ptycho_torch.optimizer import Adam

        adam: Adam | None = None
        parameters: dict[str, Tensor] = {}
        for recorded, rate in zip(gradients, rates, strict=False):
            if adam is None:
                parameters = {
                    name: self._tensor(np.zeros_like(g)).to(self.engine.dtype) for name, g in recorded.items()
                }
                adam = Adam(parameters)
            adam.step([self._tensor(g).to(self.engine.dtype) for g in recorded.values()], rate)
            yield {**{name: _array(value) for name, value in parameters.items()}, **adam.export()}


def _batches(given: list[Batch], device: str) -> Any:
    from ptycho_torch.dset_loader_pt_mmap import batches_to

    return batches_to(given, device)


def _array(tensor: "Tensor") -> Array:
    """A copy: a later step changes parameters in place."""
    from ptycho_torch.runtime import as_array

    return np.array(as_array(tensor), order="C")


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer a request."""
    serve.serve(arguments, package="ptycho_torch", bench=BackendAdapter)


if __name__ == "__main__":
    main()
