"""The shared assembly suite with the PyTorch backend."""

from tests.support.suites.assembly_suite import AssemblySuite


class TestAssembly(AssemblySuite):
    pass
