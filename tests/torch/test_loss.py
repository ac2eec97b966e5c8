"""The shared loss suite with the PyTorch backend."""

from tests.support.suites.loss_suite import LossSuite


class TestLoss(LossSuite):
    pass
