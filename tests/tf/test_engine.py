"""The shared engine suite with TensorFlow, and the number of traces."""

from itertools import repeat

from ptycho.training.engine import SupportsTracing
from tests.support.small_problem import ONE, make_batch
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.engine_suite import EngineSuite, engine_at_start, new_engine


class TestEngine(EngineSuite):
    def test_batches_and_rates_of_any_size_share_one_trace(self, backend: BackendUnderTest) -> None:
        engine = engine_at_start(backend, ONE, "f32")
        engine.train_epoch([make_batch(ONE, size) for size in (3, 1, 2)], repeat(1e-3))
        engine.train_epoch([make_batch(ONE, 2)], repeat(5e-4))
        assert engine._train.experimental_get_tracing_count() == 1

    def test_tracing_ahead_is_all_the_tracing_and_takes_no_step(self, backend: BackendUnderTest) -> None:
        engine = new_engine(backend, ONE, "f32")
        before = {name: value.tobytes() for name, value in engine.state().items()}
        traces = isinstance(engine, SupportsTracing)
        assert traces
        engine.trace()
        assert {name: value.tobytes() for name, value in engine.state().items()} == before
        # Both are there already: neither Python function runs again.
        engine._train_step = engine._scores = None
        engine.train_epoch([make_batch(ONE, 2)], repeat(1e-3))
        engine.evaluate([make_batch(ONE, 1)])
        counts = [compiled.experimental_get_tracing_count() for compiled in (engine._train, engine._score)]
        assert counts == [1, 1]
