"""The shared assembly suite with the TensorFlow backend."""

from assembly_suite import AssemblySuite


class TestAssembly(AssemblySuite):
    pass
