"""The shared network suite with the PyTorch backend."""

from network_suite import NetworkSuite


class TestNetwork(NetworkSuite):
    pass
