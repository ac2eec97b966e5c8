"""The shared adapter suite with the TensorFlow backend."""

from tests.support.suites.adapter_suite import AdapterSuite


class TestAdapter(AdapterSuite):
    pass
