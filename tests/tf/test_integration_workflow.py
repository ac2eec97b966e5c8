"""The shared integration suite with the TensorFlow backend."""

from typing import ClassVar

import pytest

from tests.support.suites.integration_suite import IntegrationSuite

pytestmark = pytest.mark.integration


class TestTensorFlow(IntegrationSuite):
    backend: ClassVar[str] = "ptycho_tf"
