"""
Whether a pass means anything: the ladder on planted defects, and a few planted faults, inside every run that passes.

A comparator that has come to accept everything passes every pair of backends. So the run's own clean answers are spoilt
in every way that the ladder should see, and copies of the code are changed as a careless commit would.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import Heard
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption


@dataclass(frozen=True, kw_only=True)
class Proof:
    """
    What became of planted defects and faults.

    Attributes:
        checked: whether the ladder was checked on planted defects.
        seed: of the choice of canaries; None if none was tried.
        canaries: what became of each, as plain values.
        complaints: what was not seen, one sentence each; any of them fails the run.
        seconds: wall time.
    """

    checked: bool = False
    seed: int | None = None
    canaries: tuple[Mapping[str, Any], ...] = ()
    complaints: tuple[str, ...] = ()
    seconds: float = 0.0

    def sentences(self) -> list[str]:
        """What to tell of it."""
        if not self.checked:
            return []
        told = ", ".join(f"{item['id']} ({item['outcome']} at {item['at']})" for item in self.canaries)
        count = f"{len(self.canaries)} canaries of seed {self.seed}: {told}" if self.canaries else "no canaries"
        return [f"self-check on planted defects, and {count}; {self.seconds:.0f} s", *self.complaints]


def prove(
    count: int,
    seed: int,
    heard: Sequence[Heard],
    parties: Sequence[Party],
    scan: Path,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
) -> Proof:
    """
    Check the ladder on what a run has just heard.

    Args:
        count: how many faults to plant.
        seed: of their choice.
        heard: the run's questions with everybody's clean answers.
        parties: who was asked.
        scan: file for R1.
        kept: the run.
        events: its log.
        interruption: asked while waiting.

    Returns:
        An empty proof if nothing was heard in float64 by both backends.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    from harness.faults.mutation import canaries, setup
    from harness.parity.selfcheck import selfcheck

    clock = time.monotonic()
    gate = [item for item in heard if item.question.precision == canaries.PRECISION]
    if not gate:
        return Proof()
    clean = setup.merged(gate)[0]
    complaints = [
        f"self-check: {sentence}"
        for sentence in selfcheck.run(clean.request, clean.answers, clean.expected, kept.scratch)
    ]
    drawn = canaries.draw(seed, count) if count else ()
    pythons = {party.side: party.python for party in parties}
    trials = canaries.run(drawn, heard, kept, events, interruption, pythons=pythons, scan=scan) if drawn else []
    return Proof(
        checked=True,
        seed=seed if drawn else None,
        canaries=tuple(trial.as_dict() for trial in trials),
        complaints=(*complaints, *canaries.complaints(trials)),
        seconds=time.monotonic() - clock,
    )
