"""The shared suite of the bench with TensorFlow."""

from tests.support.suites.bench_suite import BenchSuite


class TestBench(BenchSuite):
    pass
