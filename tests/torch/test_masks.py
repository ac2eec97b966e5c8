"""The shared mask suite with PyTorch."""

from tests.support.suites.mask_suite import MaskSuite


class TestMasks(MaskSuite):
    pass
