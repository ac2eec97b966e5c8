"""The shared suite from file to store with PyTorch."""

import pytest

from tests.support.suites.data_pipeline_suite import StoreSuite, TranspositionSuite

pytestmark = pytest.mark.integration


class TestTransposition(TranspositionSuite):
    pass


class TestStore(StoreSuite):
    pass
