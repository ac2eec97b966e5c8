"""The shared optimizer suite with the TensorFlow backend."""

from optimizer_suite import OptimizerSuite


class TestOptimizer(OptimizerSuite):
    pass
