"""The shared physics suite with the TensorFlow backend."""

from physics_suite import PhysicsSuite


class TestPhysics(PhysicsSuite):
    pass
