"""The shared suite of stored states with the TensorFlow backend."""

from tests.support.golden.stored_state_suite import StoredStateSuite


class TestStoredState(StoredStateSuite):
    pass
