"""The shared suite of the default model with the TensorFlow backend."""

from tests.support.suites.default_model_suite import DefaultModelSuite


class TestDefaultModel(DefaultModelSuite):
    pass
