"""The shared probe suite with the TensorFlow backend."""

from probe_suite import ProbeSuite


class TestProbe(ProbeSuite):
    pass
