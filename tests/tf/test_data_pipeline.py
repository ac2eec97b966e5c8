"""The shared suite from file to store with TensorFlow."""

from data_pipeline_suite import StoreSuite, TranspositionSuite


class TestTransposition(TranspositionSuite):
    pass


class TestStore(StoreSuite):
    pass
