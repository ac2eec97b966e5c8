"""The golden file is what its command computes from the committed fixture, whatever the machine."""

import hashlib

import pytest

from tests.support import golden_step0

ROUNDING = 1e-13
"""Another order of additions in another BLAS: a fifth of what the backends are allowed."""


def test_the_golden_file_is_of_the_committed_fixture() -> None:
    assert golden_step0.read()["fixture_sha256"] == hashlib.sha256(golden_step0.FIXTURE.read_bytes()).hexdigest()


@pytest.mark.slow
def test_the_golden_file_is_what_its_command_computes() -> None:
    golden, computed = golden_step0.read(), golden_step0.compute()
    for gridsize, step in computed["gridsize"].items():
        for name in ("total", "deviance"):
            assert golden["gridsize"][gridsize].pop(name) == pytest.approx(step.pop(name), rel=ROUNDING)
    assert golden == computed
