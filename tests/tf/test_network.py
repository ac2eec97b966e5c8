"""The shared network suite with the TensorFlow backend."""

from network_suite import NetworkSuite


class TestNetwork(NetworkSuite):
    pass
