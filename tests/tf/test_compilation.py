"""An engine whose functions XLA compiles: the same figures but for rounding, and what shows that they were compiled."""

import numpy as np
import pytest

from ptycho_tf import compilation
from tests.support.distances import distance
from tests.support.small_problem import ONE, make_batch
from tests.support.suites.backend import BackendUnderTest
from tests.support.suites.engine_suite import new_engine


@pytest.mark.slow
def test_a_compiled_engine_gives_the_same_and_shows_that_it_is_compiled(backend: BackendUnderTest) -> None:
    batch = make_batch(ONE, 2)
    plain, compiled = new_engine(backend, ONE, "f64"), new_engine(backend, ONE, "f64")
    compilation.compile_engine(compiled)
    assert compilation.count_graphs(compiled) == {"graphs": 0, "breaks": 0}
    (before,), (after,) = (list(engine.predict([batch])) for engine in (plain, compiled))
    assert 0 < distance(after, before) < 1e-12
    assert compilation.count_graphs(plain) == {"graphs": 0, "breaks": 1}
    assert compilation.count_graphs(compiled) == {"graphs": 1, "breaks": 0}
    assert np.array_equal(next(iter(compiled.predict([batch]))), after)
