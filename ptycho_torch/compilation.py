"""An engine whose functions `torch.compile` compiles: a way of running that is compared with the plain one."""

import torch

from ptycho.errors import InfrastructureError
from ptycho_torch.engine import TorchEngine

FUNCTIONS = ("patches", "losses")
"""Methods of the engine on which training, evaluation and prediction rest."""


def compile_engine(engine: TorchEngine) -> None:
    """
    Replace the engine's forward pass and losses by compiled ones; the backward pass is compiled with them.

    Each must be compiled whole: where the compiler would leave one for Python, it raises. What was compiled in this
    process before is forgotten: the compiler refuses a function that it has compiled for eight engines.

    Args:
        engine: any.

    Raises:
        InfrastructureError: nothing can be compiled here, as without a C++ compiler.
    """
    from torch._dynamo.utils import counters
    from torch._inductor import config

    # In this process: its workers would share the other backend's core, and outlive a process that is killed.
    config.compile_threads = 1
    _check()
    torch._dynamo.reset()
    counters.clear()
    for name in FUNCTIONS:
        setattr(engine, name, torch.compile(getattr(engine, name), fullgraph=True))


def _check() -> None:
    try:
        torch.compile(lambda x: x + 1, fullgraph=True)(torch.zeros(2))
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise InfrastructureError(
            f"torch.compile compiles nothing here ({type(error).__name__}: {first:.200}); it needs a C++ compiler: "
            "install g++ or clang++ so that it is found through PATH"
        ) from error


def count_graphs() -> dict[str, int]:
    """Return what was counted since `compile_engine`: graphs, and places where a function was left for Python."""
    from torch._dynamo.utils import counters

    return {"graphs": counters["stats"]["unique_graphs"], "breaks": sum(counters["graph_break"].values())}
