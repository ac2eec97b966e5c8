"""An engine whose functions XLA compiles (`jit_compile`): a way of running that is compared with the plain one."""

from ptycho_tf.engine import TensorFlowEngine
from ptycho_tf.runtime import tf


def compile_engine(engine: TensorFlowEngine) -> None:
    """
    Replace the engine's functions by ones that XLA compiles whole, for each size of a batch.

    Args:
        engine: any.
    """
    engine.compile(jit=True)


def count_graphs(engine: TensorFlowEngine) -> dict[str, int]:
    """Return how many of the functions that were called only XLA may run, and how many TensorFlow ran itself."""
    called = [
        concrete
        for function in vars(engine).values()
        if isinstance(function, tf.types.experimental.PolymorphicFunction) and function.experimental_get_tracing_count()
        for concrete in [function.get_concrete_function()]
    ]
    compiled = [concrete.function_def.attr["_XlaMustCompile"].b for concrete in called]
    return {"graphs": sum(compiled), "breaks": len(compiled) - sum(compiled)}
