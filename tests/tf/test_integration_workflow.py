"""The shared integration suite with the TensorFlow backend."""

from typing import ClassVar

from tests.support.suites.integration_suite import IntegrationSuite


class TestTensorFlow(IntegrationSuite):
    backend: ClassVar[str] = "ptycho_tf"
