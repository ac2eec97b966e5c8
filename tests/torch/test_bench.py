"""The shared suite of the bench with PyTorch."""

from bench_suite import BenchSuite


class TestBench(BenchSuite):
    pass
