"""`python -m ptycho_torch.bench`: time the PyTorch backend in the blocks of `ptycho.training.microbench`."""

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
    The network alone, as a programmer would train it in a few lines: own copy of the weights, `torch.optim.Adam`.

    Args:
        engine: whose network is copied.
        frames: `(B, C, N, N)` what it sees in every step.

    Returns:
        A function that takes some steps, waits for the last, and returns the objective before it.
    """
    import torch

    from ptycho_torch.network import Network

    network = Network(engine.model, engine.scale, engine.runtime.precision).to(engine.device)
    network.load(engine.network.export())
    trained = [value for value in network.parameters() if value.requires_grad]
    adam = torch.optim.Adam(trained, lr=1e-3, fused=True)
    given, wanted = (torch.from_numpy(array).to(engine.device) for array in (frames, microbench.wanted(frames)))

    def run(steps: int) -> float:
        for _ in range(steps):
            adam.zero_grad()
            objective = torch.view_as_real(network(given) - wanted).square().mean()
            objective.backward()
            adam.step()
        return float(objective.item())

    return run


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line and measure."""
    microbench.main(arguments, package="ptycho_torch", bare=bare)


if __name__ == "__main__":
    main()
