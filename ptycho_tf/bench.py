"""`python -m ptycho_tf.bench`: time the TensorFlow backend in the blocks of `ptycho.training.microbench`."""

import ptycho.python_version  # noqa: F401 - ends a Python that is too old

# isort: split
from collections.abc import Callable, Sequence
from typing import Any

from ptycho.errors import exit_when_started

with exit_when_started(__name__):
    import numpy as np
    from numpy.typing import NDArray

    from ptycho.training import microbench


def bare(engine: Any, frames: NDArray[np.float32]) -> Callable[[int], float]:
    """
    The network alone, as a programmer would train it in a few lines: own copy of the weights, the fused Adam kernel.

    Args:
        engine: whose network is copied.
        frames: `(B, C, N, N)` what it sees in every step.

    Returns:
        A function that takes some steps, waits for the last, and returns the objective before it.
    """
    from ptycho_tf.network import Network
    from ptycho_tf.runtime import tf

    network = Network(engine.model, engine.scale, engine.runtime.precision)
    network.load(engine.network.export())
    trained = [value for value in network.parameters.values() if value.trainable]
    moments = [[tf.Variable(tf.zeros_like(value)) for value in trained] for _ in range(2)]
    powers = [tf.Variable(beta, dtype=trained[0].dtype) for beta in (0.9, 0.999)]
    given, wanted = tf.constant(frames), tf.constant(microbench.wanted(frames))

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            missed = network.forward(given) - wanted
            objective = tf.reduce_mean(tf.square(tf.math.real(missed)) + tf.square(tf.math.imag(missed)))
        for value, first, second, slope in zip(trained, *moments, tape.gradient(objective, trained), strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=value.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=1e-3,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-8,
                grad=slope,
            )
        for power, beta in zip(powers, (0.9, 0.999), strict=True):
            power.assign(power * beta)
        return objective

    def run(steps: int) -> float:
        for _ in range(steps):
            objective = step()
        return float(objective.numpy())

    return run


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line and measure."""
    microbench.main(arguments, package="ptycho_tf", bare=bare)


if __name__ == "__main__":
    main()
