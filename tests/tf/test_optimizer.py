"""The shared optimizer suite with the TensorFlow backend."""

from tests.support.suites.optimizer_suite import OptimizerSuite


class TestOptimizer(OptimizerSuite):
    pass
