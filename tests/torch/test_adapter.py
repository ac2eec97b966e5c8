"""The shared probe suite with the PyTorch backend."""

from probe_suite import ProbeSuite


class TestProbe(ProbeSuite):
    pass
