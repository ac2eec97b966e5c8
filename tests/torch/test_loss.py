"""The shared loss suite with the PyTorch backend."""

from loss_suite import LossSuite


class TestLoss(LossSuite):
    pass
