"""The shared suite of an independent model, in TensorFlow."""

from typing import ClassVar

from tests.support.suites.independent_suite import IndependentSuite


class TestIndependentModel(IndependentSuite):
    adapter = "tf_adapter"
    faults: ClassVar = (
        ('padding="SAME") +', 'padding="SAME") -', "R3", "R3/encoder.0"),
        ("amplitude * self.tf.sin(phase)", "-amplitude * self.tf.sin(phase)", "R4", "R4/patches"),
        ("size, -x, -y), 1) + 0.001", "size, -x, -y), 1) + 0.01", "R4", "R4/canvas"),
        ("tf.square(frames * self.scale)", "frames * self.scale", "R5", "R5/plain.nll"),
        ("(spread + ADAM_EPSILON)", "(spread + 1e-7)", "R7", "R7/1.kernel_1"),
    )
