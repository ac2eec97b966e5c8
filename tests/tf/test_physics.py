"""The shared physics suite with the TensorFlow backend."""

from tests.support.suites.physics_suite import PhysicsSuite


class TestPhysics(PhysicsSuite):
    pass
