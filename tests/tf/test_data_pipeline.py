"""The shared suite from file to store with TensorFlow."""

from tests.support.suites.data_pipeline_suite import StoreSuite, TranspositionSuite


class TestTransposition(TranspositionSuite):
    pass


class TestStore(StoreSuite):
    pass
