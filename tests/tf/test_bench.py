"""The shared suite of the bench with TensorFlow."""

from bench_suite import BenchSuite


class TestBench(BenchSuite):
    pass
