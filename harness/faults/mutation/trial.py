"""
One mutant tried: where it was found, which side the verdict named, and whether that is what its entry promises.

A gate that is a rung is tried on the user's path: the whole ladder runs from the changed copy, by the command line of
the session `parity`. A canary within a run of the ladder takes a shorter way: its backend's adapter answers from the
copy, and the ladder judges with the clean answers of the others. Gate R10: the self-check runs from the copy. A gate
`lane`: `harness run` does; a gate `tests`: test files do.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.entry import LADDER, LANE, SELF_CHECK, TESTS
from harness.faults.mutation.result import GateAnswer, MutantOutcome, MutantTrial, PlantedMutant, judged
from harness.faults.mutation.setup import MutationSetup
from harness.isolation import source_overlay
from harness.system.rmtree import remove_tree
from ptycho.parity.request import QUANTITIES

Gate = Callable[[PlantedMutant, MutationSetup], GateAnswer]


def up_to(gate: str) -> tuple[str, ...]:
    """Quantities up to a rung; all of them for a gate that is not a rung."""
    if gate not in LADDER:
        return QUANTITIES
    return tuple(name for name in QUANTITIES if LADDER.index(name) <= LADDER.index(gate))


def gate_of(mutant: Mutant, *, as_user: bool = False) -> Gate:
    """Return how a mutant is tried: a rung on the user's path, or on the canaries' shorter one."""
    from harness.faults.mutation import ladder_trial, lane_trial, self_check_trial, tests_trial
    from harness.faults.mutation.user_path import trial

    if mutant.gate == LANE:
        return lane_trial.run
    if mutant.gate == SELF_CHECK:
        return self_check_trial.run
    if mutant.gate == TESTS:
        return tests_trial.run
    return trial.run if as_user else ladder_trial.one_side


def run(mutant: Mutant, stage: MutationSetup) -> MutantTrial:
    """
    Plant a mutant in a copy of its own, look what the harness says, and remove the copy.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    # No id has a dot, so that what begins with this one's and a dot is this trial's alone.
    root = source_overlay.copy(stage.tree, stage.kept.scratch / f"{mutant.id}.code", _names(stage.tree))
    try:
        source_overlay.apply(mutant.edits, root, compiles=mutant.compiles)
        gate = gate_of(mutant, as_user=stage.as_user)
        compared = stage.compared and not mutant.ends and mutant.dies_at in LADDER
        first = PlantedMutant(
            mutant=mutant, root=root, label=f"{mutant.id}.first", quantities=up_to(mutant.gate), compared=compared
        )
        found = gate(first, stage)
        outcome = judged(mutant, found)
        if outcome is MutantOutcome.SURVIVED and mutant.dies_at in LADDER[:-1] and not stage.as_user:
            # Where does it show, if not where it should? That tells a wrong declaration from a hole in the ladder.
            later = gate(PlantedMutant(mutant=mutant, root=root, label=f"{mutant.id}.all", compared=False), stage)
            if later.at is not None and not later.error:
                found, outcome = replace(later, allclose=found.allclose), MutantOutcome.LATE
    finally:
        for path in stage.kept.scratch.glob(f"{mutant.id}.*"):
            remove_tree(path)
    stage.events.write("mutant.end", id=mutant.id, outcome=str(outcome), at=found.at, guilty=found.guilty)
    return MutantTrial(mutant=mutant, found=found, outcome=outcome, seconds=time.monotonic() - clock)


def _names(tree: Path) -> list[str]:
    return sorted(path.name for path in tree.iterdir())
