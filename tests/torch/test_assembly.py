"""The shared assembly suite with the PyTorch backend."""

from assembly_suite import AssemblySuite


class TestAssembly(AssemblySuite):
    pass
