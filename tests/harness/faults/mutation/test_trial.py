"""What a gate's verdict means for a mutant, and which gate a mutant is led to."""

import pytest

from harness.faults.mutation import ladder_trial, lane_trial, self_check_trial
from harness.faults.mutation import trial as mutation_trial
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.user_path import trial
from harness.isolation.source_overlay import Edit
from ptycho.parity.request import QUANTITIES


def test_rungs_above_the_declared_one_are_not_asked_for() -> None:
    assert mutation_trial.up_to("R4") == QUANTITIES[: QUANTITIES.index("R4") + 1]
    assert mutation_trial.up_to("R10") == QUANTITIES


def of(file: str, dies_at: str | None = "R4") -> Mutant:
    return Mutant(id="a", edits=(Edit(file=file, old="a", new="b"),), guilty="core", story="s", dies_at=dies_at)


@pytest.mark.parametrize(
    ("mutant", "gate"),
    [
        (of("ptycho_torch/a.py"), trial.run),
        (of("ptycho_tf/a.py", None), trial.run),
        (of("ptycho/a.py"), trial.run),
        (of("harness/parity/judge/oracle.py"), trial.run),
        (of("harness/parity/a.py", "R10"), self_check_trial.run),
        (of("harness/parity/a.py", None), self_check_trial.run),
        (of("ptycho_tf/a.py", "lane"), lane_trial.run),
    ],
)
def test_whose_code_is_changed_decides_how_it_is_tried(mutant: Mutant, gate: mutation_trial.Gate) -> None:
    assert mutation_trial.gate_of(mutant, as_user=True) is gate


def test_a_canary_takes_the_shorter_way() -> None:
    assert mutation_trial.gate_of(of("ptycho_torch/a.py")) is ladder_trial.one_side
