"""
Draws the trials of a kill test from one seed, so that a trial that failed can be repeated.

Victims come in turn and not by chance, so that a small sample has each of them. Every tenth trial trains with a
framework, the shipped backends in turn; the others with the stand-in.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.faults.kill import kill_points
from harness.faults.kill.kill import Victim
from harness.faults.kill.kill_points import Moment
from harness.faults.kill.workloads import STAND_IN, Workload

REAL_EVERY = 10


@dataclass(frozen=True, kw_only=True)
class PlannedKill:
    """
    A trial to come.

    Attributes:
        number: from 1.
        victim: who is killed.
        job: what runs meanwhile.
        seed: seed of its chances.
    """

    number: int
    victim: Victim
    job: Workload
    seed: str

    def moment(self, attempt: int) -> Moment:
        """Draw the moment to kill at an attempt, from 0; the first draws the part of the run, the others stay in it."""
        rng = random.Random(f"{self.seed}:{attempt}")  # noqa: S311
        first = random.Random(f"{self.seed}:0")  # noqa: S311
        trains = self.victim is Victim.TRAINING
        drawn = kill_points.draw(first, real=self.job.real, trains=trains, epochs=self.job.epochs)
        if attempt == 0:
            return drawn
        return kill_points.again(rng, drawn.anchor, real=self.job.real, epochs=self.job.epochs)


def draw(count: int, seed: int, victims: Sequence[Victim], jobs: Sequence[Workload]) -> list[PlannedKill]:
    """
    Draw trials.

    Args:
        count: how many.
        seed: of everything that is drawn.
        victims: the processes to kill, in turn.
        jobs: the stand-in and the shipped backends; trials without a backend are the stand-in's.
    """
    stand_in = next(job for job in jobs if job.name == STAND_IN)
    backends = [job for job in jobs if job.real]
    planned, dear = [], 0
    for number in range(1, count + 1):
        job = stand_in
        if backends and number % REAL_EVERY == 0:
            job, dear = backends[dear % len(backends)], dear + 1
        victim = victims[(number - 1) % len(victims)]
        planned.append(PlannedKill(number=number, victim=victim, job=job, seed=f"{seed}:{number}"))
    return planned
