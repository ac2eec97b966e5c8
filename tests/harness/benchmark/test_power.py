"""The gate's measurement of itself: what it counts, when it is wrong, and one real block."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.benchmark import power
from harness.benchmark.gate import ProcessCost
from harness.benchmark.power import RunBlock, SelfTest
from harness.system.signals import Interruption
from harness.system.tables import plain
from ptycho.errors import InfrastructureError
from ptycho.verdict import Verdict


def blocks(scatter: float, *, seen: float = 1.0, alarm: float = 0.0) -> RunBlock:
    """Blocks that show a share of what is planted; `alarm` makes every second process slower."""
    rng = np.random.default_rng(3)
    count = iter(range(10**6))

    def run(share: float) -> ProcessCost:
        # A B B A: the second and third of four are the head's.
        head = next(count) % 4 in (1, 2)
        return ProcessCost(
            cpu=math.exp(rng.normal(0, scatter)) * (1 + seen * share + alarm * head), memory=50 * (1 + share)
        )

    return run


def measured(run: RunBlock, trials: dict[float, int] | None = None) -> SelfTest:
    return power.measure(trials or {0.0: 10, 0.10: 10}, run, Interruption(), lambda *_: None)


def test_a_sound_gate_passes_with_its_counts() -> None:
    found = measured(blocks(0.004), {0.0: 10, 0.05: 2, 0.10: 10})
    assert (found.verdict, found.complaints) == (Verdict.PASS, [])
    counts = {(one.channel, one.planted): (one.trials, one.regressions, one.inconclusive) for one in found.levels}
    assert counts[("cpu", 0.0)] == counts[("memory", 0.0)] == (10, 0, 0)
    assert counts[("cpu", 0.10)] == counts[("memory", 0.10)] == (10, 10, 0)
    assert counts[("cpu", 0.05)][0] == 2
    assert "A/A" in plain(found.table())
    assert found.as_dict()["verdict"] == "pass"


def test_a_gate_that_cries_wolf_fails() -> None:
    found = measured(blocks(0.004, alarm=0.10), {0.0: 10})
    assert found.verdict is Verdict.FAIL
    assert found.complaints == ["cpu: 10 false alarms in 10 A/A trials"]


def test_a_gate_that_is_blind_fails() -> None:
    found = measured(blocks(0.004, seen=0.0))
    assert found.verdict is Verdict.FAIL
    assert found.complaints == ["cpu: 0 of 10 trials at +10% were caught"]


def test_a_machine_that_is_too_busy_is_inconclusive_and_never_wrong() -> None:
    found = measured(blocks(0.12))
    assert (found.verdict, found.complaints) == (Verdict.INCONCLUSIVE, [])
    assert "cpu at +0%" in found.undecided


def test_a_real_process_and_a_real_plant(tmp_path: Path) -> None:
    run = power.process_block(tmp_path)
    plain_block, planted = run(0.0), run(0.20)
    assert 0.5 < plain_block.cpu < 2.0
    assert 1.1 < planted.memory / plain_block.memory < 1.3


def test_a_process_that_dies_is_no_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InfrastructureError, match="a block of the self-test failed"):
        power.process_block(tmp_path)(0.0)
