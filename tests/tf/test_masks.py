"""The shared mask suite with TensorFlow."""

from mask_suite import MaskSuite


class TestMasks(MaskSuite):
    pass
