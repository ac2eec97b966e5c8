"""The shared mask suite with PyTorch."""

from mask_suite import MaskSuite


class TestMasks(MaskSuite):
    pass
