"""
Runs the ladder on planted defects, and on a few planted faults, inside every run that passes.

A comparator that has come to accept everything passes every pair of backends. So the run's own clean answers are spoilt
in every way that the ladder should see, and copies of the code are changed as a careless commit would.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import AnsweredQuestion
from harness.parity.output.evidence import SelfValidation
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption

PRECISION = "f64"
"""In which the ladder is a gate, and in which it is checked."""


class Plant(Protocol):
    """Plants a few faults on a run's clean answers; says the result of each, and what was not seen."""

    def __call__(
        self,
        seed: int,
        heard: Sequence[AnsweredQuestion],
        kept: RunRoot,
        events: EventLog,
        interruption: Interruption,
        *,
        pythons: Mapping[str, str],
        scan: Path,
    ) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
        """Plant them and look."""
        ...


def prove(
    plant: Plant | None,
    seed: int,
    heard: Sequence[AnsweredQuestion],
    parties: Sequence[Party],
    scan: Path,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
) -> SelfValidation:
    """
    Check the ladder on what a run has just heard.

    Args:
        plant: plants faults; None: none are planted.
        seed: seed of the draw.
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
    from harness.parity.exchange import clean_answers
    from harness.parity.selfcheck import selfcheck

    clock = time.monotonic()
    gate = [item for item in heard if item.question.precision == PRECISION]
    if not gate:
        return SelfValidation()
    clean = clean_answers.merged(gate)[0]
    complaints = [
        f"self-check: {sentence}"
        for sentence in selfcheck.run(clean.request, clean.answers, clean.expected, kept.scratch)
    ]
    pythons = {party.side: party.python for party in parties}
    planted: tuple[Sequence[Mapping[str, Any]], Sequence[str]] = ((), ())
    if plant is not None:
        planted = plant(seed, heard, kept, events, interruption, pythons=pythons, scan=scan)
    canaries, unseen = planted
    return SelfValidation(
        checked=True,
        seed=seed if canaries else None,
        canaries=tuple(canaries),
        complaints=(*complaints, *unseen),
        seconds=time.monotonic() - clock,
    )
