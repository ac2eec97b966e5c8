"""The shared loss suite with the TensorFlow backend."""

from tests.support.suites.loss_suite import LossSuite


class TestLoss(LossSuite):
    pass
