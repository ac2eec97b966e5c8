"""The shared physics suite with the PyTorch backend."""

from tests.support.suites.physics_suite import PhysicsSuite


class TestPhysics(PhysicsSuite):
    pass
