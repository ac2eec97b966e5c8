"""The shared optimizer suite with the PyTorch backend."""

from optimizer_suite import OptimizerSuite


class TestOptimizer(OptimizerSuite):
    pass
