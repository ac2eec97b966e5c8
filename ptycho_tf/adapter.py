"""`python -m ptycho_tf.adapter`: answer a request of the parity ladder with TensorFlow's figures."""

import ptycho.python_version  # noqa: F401 - ends a Python that is too old

# isort: split
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

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

Array = NDArray[Any]


class BackendAdapter:
    """
    The backend opened up; see `ptycho.parity.adapter.BackendAdapter`.

    Args:
        request: model, weights, probe and precision.
    """

    def __init__(self, request: ladder_request.Request) -> None:
        from ptycho_tf.engine import create_engine

        self.engine = create_engine(
            model=request.model,
            runtime=RuntimeConfig(device=request.device, precision=request.precision, threads=request.threads),
            probe=request.probe,
            weights=request.weights,
            nphotons=request.nphotons,
        )
        if request.way == ladder_request.COMPILED:
            from ptycho_tf import compilation

            compilation.compile_engine(self.engine)

    def compiled(self) -> dict[str, int]:
        """Functions that only XLA may run."""
        from ptycho_tf import compilation

        return compilation.count_graphs(self.engine)

    def parameters(self) -> dict[str, tuple[list[int], str, bool]]:
        """Shape (canonical), dtype and whether it is trained."""
        canonical = self.engine.network.export()
        trained = {id(variable) for variable in self.engine.network.trainable_variables}
        return {
            name: (list(canonical[name].shape), str(variable.dtype.name), id(variable) in trained)
            for name, variable in self.engine.network.parameters.items()
        }

    def optimiser(self) -> dict[str, Any]:
        """Return what Adam steps, and its constants."""
        from ptycho_tf import optimizer

        constants = {"beta1": optimizer.BETA1, "beta2": optimizer.BETA2, "epsilon": optimizer.EPSILON}
        return {"parameters": sorted(self.engine.optimizer.names), **constants}

    def intensity(self, objects: Array, probe: Array) -> Array:
        """The physics alone."""
        from ptycho_tf import physics

        return _array(physics.intensity(_tensor(objects), _tensor(probe)))

    def canvas(self, patches: Array, coords_relative: Array, gridsize: int) -> Array:
        """The assembly alone."""
        from ptycho_tf import assembly

        return _array(assembly.assemble(_tensor(patches), _tensor(coords_relative), gridsize))

    def delivered(self, given: Iterable[Batch]) -> Iterator[tuple[Array, Array]]:
        """Batches as they lie on the device."""
        from ptycho_tf.dset_loader_tf_mmap import batches_to

        for batch in batches_to(given):
            yield _array(batch.diffraction), _array(batch.coords_relative)

    def layer(self, name: str, x: Array) -> Array:
        """One layer on a given input."""
        from ptycho_tf.network import spread

        head, _, part = name.partition(".")
        network = self.engine.network
        given = _tensor(x.transpose(0, 2, 3, 1), network.convolution)
        if part in ("inner", "outer"):
            return _first(spread(network.convolve(name, given, upsample=True)))
        return _first(network.pair(name, given, upsample=head in DECODERS and part != "0"))

    def forward(self, batch: Batch) -> dict[str, Array]:
        """Checkpoints, by methods of the network that record while the engine's own forward pass runs."""
        from ptycho_tf import assembly, physics

        engine, found, network = self.engine, dict[str, Array](), self.engine.network
        pair, encode, decode, forward = network.pair, network.encode, network.decode, network.forward

        def keep_pair(name: str, x: Any, *, upsample: bool = False) -> Any:
            made = pair(name, x, upsample=upsample)
            found[f"{name}.in"], found[f"{name}.out"] = _first(x), _first(made)
            return made

        def keep_code(x: Any) -> Any:
            made = encode(x)
            found["code"] = _first(made)
            return made

        def keep_head(name: str, code: Any, activation: Callable[[Any], Any]) -> Any:
            made = decode(name, code, activation)
            found[name] = _first(made)
            return made

        def keep_patches(x: Any) -> Any:
            made = forward(x)
            found["patches"] = _array(made)
            return made

        recording = {"pair": keep_pair, "encode": keep_code, "decode": keep_head, "forward": keep_patches}
        try:
            for name, method in recording.items():
                setattr(network, name, method)
            (tensors,) = _batches([batch])
            patches = engine.patches(tensors)
        finally:
            for name in recording:
                network.__dict__.pop(name, None)
        found["consistent"] = _array(patches)
        found["exit_wave"] = _array(physics.exit_wave(patches, engine.probe))
        found["intensity"] = _array(physics.intensity(patches, engine.probe))
        if engine.model.gridsize > 1:
            relative = tensors.coords_relative
            found["canvas"] = _array(assembly.assemble(_tensor(found["patches"]), relative, engine.model.gridsize))
        return found

    def terms(self, batch: Batch, mae_weight: float, tv_weight: float) -> dict[str, Array]:
        """Loss terms under given weights."""
        engine = self.engine
        before = engine.mae_weight, engine.tv_weight
        engine.mae_weight, engine.tv_weight = mae_weight, tv_weight
        try:
            (tensors,) = _batches([batch])
            made = engine.losses(tensors)
        finally:
            engine.mae_weight, engine.tv_weight = before
        return {name: _array(getattr(made, name)) for name in ("nll", "mae", "variation", "total", "deviance")}

    def weighted_gradients(self, batch: Batch, mae_weight: float, tv_weight: float) -> dict[str, Array]:
        """Gradients of the objective with its optional terms; the engine's compiled function holds its own weights."""
        from ptycho_tf.network import to_canonical
        from ptycho_tf.runtime import tf

        engine = self.engine
        before = engine.mae_weight, engine.tv_weight
        engine.mae_weight, engine.tv_weight = mae_weight, tv_weight
        (tensors,) = _batches([batch])
        try:
            with tf.GradientTape() as tape:
                total = engine.losses(tensors).total
        finally:
            engine.mae_weight, engine.tv_weight = before
        values = tape.gradient(total, engine.optimizer.targets)
        return {name: to_canonical(_array(item)) for name, item in zip(engine.optimizer.names, values, strict=True)}

    def operate(self, case: Case) -> Array:
        """One operation."""
        from ptycho_tf.operations import Operations

        return Operations(self.engine).perform(case)

    def physics_gradients(self, batch: Batch) -> dict[str, Array]:
        """Gradients to the object and to the probe."""
        from ptycho_tf import loss, physics
        from ptycho_tf.runtime import tf

        engine = self.engine
        (tensors,) = _batches([batch])
        patches = engine.patches(tensors)
        with tf.GradientTape() as tape:
            tape.watch([patches, engine.probe])
            total = loss.terms(
                intensity=physics.intensity(patches, engine.probe),
                patches=patches,
                diffraction=tensors.diffraction,
                log_scale=engine.network.log_scale,
                scale=engine.scale,
                good=tensors.good,
                good_share=tensors.good_share,
            ).total
        to_object, to_probe = tape.gradient(total, [patches, engine.probe])
        return {"object": _array(to_object), "probe": _array(to_probe)}

    def replay(self, gradients: Iterable[Mapping[str, Array]], rates: Iterable[float]) -> Iterator[dict[str, Array]]:
        """Adam alone, from zero."""
        from ptycho_tf.network import from_canonical, to_canonical
        from ptycho_tf.optimizer import Adam
        from ptycho_tf.runtime import tf

        dtype = self.engine.dtype
        adam: Adam | None = None
        parameters: dict[str, Any] = {}
        for recorded, rate in zip(gradients, rates, strict=False):
            given = {name: from_canonical(np.asarray(g)) for name, g in recorded.items()}
            if adam is None:
                parameters = {name: tf.Variable(tf.zeros(g.shape, dtype)) for name, g in given.items()}
                adam = Adam(parameters)
            adam.step([_tensor(g, dtype) for g in given.values()], tf.constant(rate, tf.float64))
            yield {**{name: to_canonical(value.numpy()) for name, value in parameters.items()}, **adam.export()}


def _batches(given: list[Batch]) -> Any:
    from ptycho_tf.dset_loader_tf_mmap import batches_to

    return batches_to(given)


def _tensor(array: Array, dtype: Any = None) -> Any:
    from ptycho_tf.runtime import tf

    return tf.constant(np.asarray(array), dtype)


def _array(tensor: Any) -> Array:
    """A copy: a later step changes parameters in place."""
    from ptycho_tf.runtime import as_array

    return np.array(as_array(tensor), order="C")


def _first(tensor: Any) -> Array:
    """Channels first."""
    return np.ascontiguousarray(_array(tensor).transpose(0, 3, 1, 2))


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer a request."""
    serve.serve(arguments, package="ptycho_tf", bench=BackendAdapter)


if __name__ == "__main__":
    main()
