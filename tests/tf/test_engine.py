"""The shared engine suite with TensorFlow, and the number of traces."""

from itertools import repeat

from backend import BackendUnderTest
from engine_suite import EngineSuite, engine_at_start
from small_problem import ONE, make_batch


class TestEngine(EngineSuite):
    def test_batches_and_rates_of_any_size_share_one_trace(self, backend: BackendUnderTest) -> None:
        engine = engine_at_start(backend, ONE, "f32")
        engine.train_epoch([make_batch(ONE, size) for size in (3, 1, 2)], repeat(1e-3))
        engine.train_epoch([make_batch(ONE, 2)], repeat(5e-4))
        assert engine._train.experimental_get_tracing_count() == 1
