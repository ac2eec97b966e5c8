"""The shared mask suite with TensorFlow."""

from tests.support.suites.mask_suite import MaskSuite


class TestMasks(MaskSuite):
    pass
