"""The shared integration suite with the PyTorch backend."""

from typing import ClassVar

from tests.support.suites.integration_suite import IntegrationSuite


class TestPyTorch(IntegrationSuite):
    backend: ClassVar[str] = "ptycho_torch"
