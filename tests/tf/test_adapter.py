"""The shared probe suite with the TensorFlow backend."""

from tests.support.suites.adapter_suite import ProbeSuite


class TestProbe(ProbeSuite):
    pass
