"""The shared integration suite with the PyTorch backend."""

from typing import ClassVar

import pytest

from tests.support.suites.integration_suite import IntegrationSuite

pytestmark = pytest.mark.integration


class TestPyTorch(IntegrationSuite):
    backend: ClassVar[str] = "ptycho_torch"
