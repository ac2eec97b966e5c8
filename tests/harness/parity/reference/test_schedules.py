"""The learning rates of R7: the core's schedule against the one written here, and its faults."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.parity.compare.comparison import distance
from harness.parity.reference import problem, schedules
from ptycho.parity import core
from ptycho.training.schedule import Plateau, Ramp
from tests.support.golden_step0 import FIXTURE

REQUEST = problem.request(gridsize=1, seed=3, scan=FIXTURE, steps=1)


def off() -> set[str]:
    """Names of the streams on which the core's rates are not those written here."""
    expected = dict(schedules.expected(REQUEST))
    found = dict(core.schedules(REQUEST.scan.seed))
    assert set(found) == set(expected)
    return {name.split(".")[1] for name in expected if not distance(found[name], expected[name]) <= 1e-14}


def test_the_core_follows_the_schedule() -> None:
    assert off() == set()


def test_the_rate_drops_at_the_second_bad_epoch_and_stops_at_its_floor() -> None:
    assert schedules.plateau([3, 3, 3, 3, 3], 1e-3) == [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4]
    assert schedules.plateau([3.0] * 20, 1e-3)[-1] == 1e-4
    assert schedules.plateau([3.0] * 20, 5e-5) == [5e-5] * 20
    assert schedules.plateau([-1, -1, -2, -2, -2], 1e-3) == [1e-3, 1e-3, 1e-3, 1e-3, 5e-4]


def test_the_ramp_rises_and_falls() -> None:
    assert [schedules.ramp(k, 8, 4, cosine=False) for k in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert schedules.ramp(4, 8, 0, cosine=True) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "seen_on"),
    [
        ({"patience": 3}, {"flat", "steps"}),
        ({"patience": 1}, {"flat", "steps", "jagged"}),
        ({"factor": 0.1}, {"flat", "noisy"}),
        ({"minimum": 1e-5}, {"flat", "rising"}),
        ({"threshold": 1.5}, {"noisy", "steps"}),
        ({"best": 0.0}, {"noisy"}),
    ],
)
def test_a_drifted_setting_shows(change: dict[str, Any], seen_on: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "Plateau", lambda **given: Plateau(**{**given, **change}))
    assert seen_on <= off()


def test_a_relative_threshold_never_fires_below_zero_and_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Plateau.observe

    def relative(self: Plateau, loss: float) -> Plateau:
        return honest(replace(self, threshold=1e-4 * self.best if np.isfinite(self.best) else 0.0), loss)

    monkeypatch.setattr(Plateau, "observe", relative)
    assert off()


def test_a_count_that_survives_an_improvement_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Plateau.observe
    kept: Any = lambda self, loss: replace(honest(self, loss), bad_epochs=self.bad_epochs)  # noqa: E731
    monkeypatch.setattr(Plateau, "observe", kept)
    assert "flat" in off()


@pytest.mark.parametrize("change", [{"warmup_steps": 8}, {"total_steps": 41}, {"cosine": None}])
def test_another_ramp_shows(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def made(**given: Any) -> Ramp:
        wanted = {n: (not given[n] if v is None else v) for n, v in change.items()}
        return Ramp(**{**given, **wanted})

    monkeypatch.setattr(core, "Ramp", made)
    assert off()


def test_factors_that_are_off_by_one_step_show(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Ramp.factors
    monkeypatch.setattr(Ramp, "factors", lambda self, first, count: honest(self, first + 1, count))
    assert off()
