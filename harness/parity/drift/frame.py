"""The frame of every comparison of two states of one backend: its conditions, its log, its report, its exit code."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.parity.compare.rungs import PRECISIONS
from harness.parity.drift import report, words
from harness.parity.drift.report import DriftReport
from harness.record import directory, provenance
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.runs import session
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT

GRIDSIZES = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """
    Options that every comparison has.

    Attributes:
        pythons: interpreter by side.
        scan: file for R1.
        root: the workspace's folder for runs.
        gridsizes: which to compare.
        precisions: of `PRECISIONS`.
        seed: seed of the problem.
        quiet: print nothing while running.
        json: print the report as one JSON document, and only that.
    """

    pythons: Mapping[str, str]
    scan: Path
    root: Path
    gridsizes: tuple[int, ...] = GRIDSIZES
    precisions: tuple[str, ...] = PRECISIONS
    seed: int
    quiet: bool = False
    json: bool = False

    def labels(self, who: Iterable[str], rungs: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
        """Labels of the rungs that must be judged of each who is compared, by the rungs of a precision."""
        return tuple(
            words.label(rung, name, precision, gridsize, self.seed)
            for name in who
            for precision in self.precisions
            for gridsize in self.gridsizes
            for rung in rungs(precision)
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """A sentence for each part of the ladder that is not compared."""
        gridsizes = [str(g) for g in GRIDSIZES if g not in self.gridsizes]
        precisions = [name for name in PRECISIONS if name not in self.precisions]
        return tuple(
            f"a part of the ladder: without {what}"
            for what in (f"gridsize {', '.join(gridsizes)}" if gridsizes else "", ", ".join(precisions))
            if what
        )


Finish = Callable[[DriftReport, str], Path]
"""Writes a report under the name of its file, ends the log with its verdict, and returns the path."""


@contextmanager
def logged(
    conditions: Conditions, *, kind: str, expected: RequiredResults, checkout: Path = ROOT
) -> Iterator[tuple[RunRoot, EventLog, Finish]]:
    """
    A comparison's run: its folder, its log, and what ends it.

    Args:
        conditions: of the comparison.
        kind: of run.
        expected: what must report.
        checkout: whose working tree is compared.

    Raises:
        InfrastructureError: what the working tree holds is not known.
    """
    kept = directory.create(conditions.root)
    locks = [ROOT / "requirements" / f"{side}-cpu.txt" for side in conditions.pythons]
    fixtures = {conditions.scan.stem: conditions.scan}
    origin = provenance.describe(root=checkout, locks=locks, fixtures=fixtures, device="cpu")
    with session.logged(kept, kind=kind, origin=origin, expected=expected) as (events, ended):

        def finish(made: DriftReport, file: str) -> Path:
            path = made.write(kept.path / file)
            events.write("parity.end", verdict=made.verdict.name, seconds=made.seconds)
            ended(made.verdict, [f"the comparison checked itself: {line}" for line in made.complaints])
            return path

        if unknown := provenance.unknown(origin):
            raise InfrastructureError("; ".join(unknown))
        yield kept, events, finish


def main(run: Callable[[Interruption], tuple[DriftReport, Path]], *, as_json: bool, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        made, path = run(interruption)
    return report.conclude(made, path, as_json=as_json)
