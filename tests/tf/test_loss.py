"""The shared loss suite with the TensorFlow backend."""

from loss_suite import LossSuite


class TestLoss(LossSuite):
    pass
