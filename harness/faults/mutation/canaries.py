"""
A random handful of mutants inside every run of the ladder, under the run's own figures.

They cost one adapter each on the run's clean answers; those that need more (a lane, the whole ladder, the long
trajectory, another precision than the gate's) are left to `harness mutation`. The seed is printed: a canary that
survives can be drawn again.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.faults.mutation import campaign, catalogue
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.entry import LADDER
from harness.faults.mutation.result import MutantTrial
from harness.faults.mutation.setup import MutationSetup
from harness.isolation import source_overlay
from harness.parity.exchange.clean_answers import merged
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.selfcheck.gate import PRECISION
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT

COUNT, JOBS = 3, 2


def cheap(mutant: Mutant) -> bool:
    """Whether a mutant can be tried within a run of the ladder."""
    return mutant.dies_at in LADDER[:-1] and mutant.precision == PRECISION and mutant.owners in ({"torch"}, {"tf"})


def draw(seed: int, count: int = COUNT, mutants: Sequence[Mutant] | None = None) -> tuple[Mutant, ...]:
    """
    A random choice of cheap mutants, from both backends in turn.

    Args:
        seed: seed of the choice.
        count: how many.
        mutants: to choose from; the catalogue if None.
    """
    known = catalogue.load() if mutants is None else mutants
    generator = random.Random(seed)  # noqa: S311  # not for secrets
    piles = [[mutant for mutant in known if cheap(mutant) and mutant.owners == {side}] for side in ("torch", "tf")]
    generator.shuffle(piles)
    for pile in piles:
        generator.shuffle(pile)
    drawn: list[Mutant] = []
    while len(drawn) < count and any(piles):
        drawn += [pile.pop() for pile in piles if pile]
    return tuple(drawn[:count])


def plant(
    count: int,
    seed: int,
    heard: Sequence[AnsweredQuestion],
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    *,
    pythons: Mapping[str, str],
    scan: Path,
) -> tuple[list[dict[str, Any]], list[str]]:
    """
    Draw canaries and try them; with the first argument filled in, what `gate.prove` takes.

    Args:
        count: how many.
        seed: seed of the draw.
        heard: the run's questions with everybody's answers.
        kept: the run.
        events: its log.
        interruption: whether to end early.
        pythons: interpreter by side.
        scan: file for the rung of the data.

    Returns:
        The result of each, as plain values; and what is wrong with them, one sentence each.
    """
    drawn = draw(seed, count)
    trials = run(drawn, heard, kept, events, interruption, pythons=pythons, scan=scan) if drawn else []
    return [trial.as_dict() for trial in trials], complaints(trials)


def run(
    drawn: Sequence[Mutant],
    heard: Sequence[AnsweredQuestion],
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    *,
    pythons: Mapping[str, str],
    scan: Path,
    jobs: int = JOBS,
) -> list[MutantTrial]:
    """
    Try canaries on a run's own clean answers.

    Args:
        drawn: by `draw`.
        heard: the run's questions with everybody's answers.
        kept: the run.
        events: its log.
        interruption: whether to end early.
        pythons: interpreter by side.
        scan: file for the rung of the data.
        jobs: how many at a time.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    gate = [item for item in heard if item.question.precision == PRECISION]
    place = MutationSetup(
        tree=source_overlay.copy(ROOT, kept.scratch / "canaries"),
        kept=kept,
        events=events,
        interruption=interruption,
        pythons=pythons,
        scan=scan,
        clean=merged(gate),
    )
    return campaign.run(drawn, place, jobs=jobs)


def complaints(trials: Sequence[MutantTrial]) -> list[str]:
    """Return what is wrong with canaries, one sentence each; empty if all died where they should."""
    found = []
    for item in trials:
        if not item.is_right:
            why = item.found.error or f"it means: {item.mutant.story}"
            found.append(f"canary {item.mutant.id} {item.outcome}; it must be killed at {item.mutant.dies_at}: {why}")
        elif item.names_guilty is False:
            found.append(f"canary {item.mutant.id} names {item.found.guilty}; it is {item.mutant.guilty}")
    return found
