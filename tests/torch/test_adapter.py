"""The shared probe suite with the PyTorch backend."""

from tests.support.suites.adapter_suite import ProbeSuite


class TestProbe(ProbeSuite):
    pass
