"""The shared engine suite with the PyTorch backend."""

from engine_suite import EngineSuite


class TestEngine(EngineSuite):
    pass
