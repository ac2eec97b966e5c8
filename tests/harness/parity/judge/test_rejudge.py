"""One judgement again: from the request and the few answers on which it rests, with the same result."""

import numpy as np
import pytest

from harness.parity.compare.comparison import Result
from harness.parity.judge import rejudge
from harness.parity.reference import problem
from ptycho.errors import UsageError
from tests.support.fakes.honest_bench import answers
from tests.support.golden_step0 import FIXTURE

REQUEST = problem.request(gridsize=2, seed=3, scan=FIXTURE, steps=1, quantities=("R2", "R2c"))
HONEST = answers(REQUEST)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tensor", "needed"),
    [
        ("R2/pool.odd", ("R2/pool.odd",)),
        ("R2c/light.object_ramp", ("R2c/light", "R2c/light.object_ramp")),
        ("R2c/core.stitched.object", ("R2c/core.stitched.groups", "R2c/core.stitched.object")),
    ],
)
def test_it_is_the_judgement_of_the_run(tensor: str, needed: tuple[str, ...]) -> None:
    assert rejudge.needs(REQUEST, tensor) == needed
    wrong = {name: HONEST[name] * 1.5 if name == tensor else HONEST[name] for name in needed}
    honest = {name: HONEST[name] for name in needed}
    found = rejudge.judge(REQUEST, tensor, {"torch": honest, "tf": wrong})
    assert (found.tensor, found.result, found.guilty) == (tensor, Result.FAIL, ("tf",))
    assert rejudge.judge(REQUEST, tensor, {"torch": HONEST, "tf": HONEST}).result is Result.PASS


def test_an_operation_has_a_picture_and_a_law_has_none() -> None:
    drawn = rejudge.reference(REQUEST, "R2/pool.odd")
    assert drawn is not None
    assert np.array_equal(HONEST["R2/pool.odd"], drawn)
    assert rejudge.reference(REQUEST, "R2c/root") is None


def test_another_name_is_refused() -> None:
    with pytest.raises(UsageError, match="'R3/a' is not an operation and no law"):
        rejudge.needs(REQUEST, "R3/a")
