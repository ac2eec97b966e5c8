"""The shared physics suite with the PyTorch backend."""

from physics_suite import PhysicsSuite


class TestPhysics(PhysicsSuite):
    pass
