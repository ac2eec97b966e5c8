"""The shared engine suite with the TensorFlow backend."""

from engine_suite import EngineSuite


class TestEngine(EngineSuite):
    pass
