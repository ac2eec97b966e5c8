"""The shared suite of an independent model, in PyTorch."""

from typing import ClassVar

from tests.support.suites.independent_suite import IndependentSuite


class TestIndependentModel(IndependentSuite):
    adapter = "torch_adapter"
    faults: ClassVar = (
        ("pad(x, (1, 1, 1, 1))", 'pad(x, (1, 1, 1, 1), mode="reflect")', "R3", "R3/encoder.0"),
        ("(count + 0.001)", "(count + 0.01)", "R4", "R4/canvas"),
        ("* self.photon_scale) ** 2", "* self.photon_scale)", "R5", "R5/plain.nll"),
        ("eps=1e-8", "eps=1e-7", "R7", "R7/1.kernel_1"),
        ("adam.zero_grad()", "pass", "R8", "R8/1.weights"),
    )
