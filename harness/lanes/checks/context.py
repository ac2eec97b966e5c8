"""
The context of a lane's checks: the target, where its commands run, and where they report.

Reconstructions are compared as they are, without registration or a forgiven phase: two runs of one command owe each
other everything.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.lanes.checks import attempt as train_infer
from harness.record.findings import Finding
from harness.record.outcome import Outcome
from harness.targets.loader import Target
from ptycho.errors import PtychoError

if TYPE_CHECKING:
    from harness.lanes.checks.reconstruction import TargetReconstruction


def side_by_side(
    makers: Sequence[Callable[[], train_infer.TrainInferRun]], at_once: int
) -> list[train_infer.TrainInferRun]:
    """Make attempts in threads, each of which waits for a process; in line if it is one at a time."""
    if at_once == 1:
        return [maker() for maker in makers]
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="attempts") as pool:
        return list(pool.map(lambda maker: maker(), makers))


@dataclass(frozen=True, kw_only=True)
class CheckContext:
    """
    A place to try a target.

    Attributes:
        target: the pipeline, prepared (`argv.prepared`).
        values: its placeholders.
        cells: folder for the cells of its commands.
        run: runs a command.
        outcome: gets the findings.
        reproduce: a command line that runs the lane again.
        at_once: attempts that run side by side.
    """

    target: Target
    values: Mapping[str, object]
    cells: Path
    run: train_infer.Runner
    outcome: Outcome
    reproduce: tuple[str, ...]
    at_once: int = 1

    def attempts(self, makers: Sequence[Callable[[], train_infer.TrainInferRun]]) -> list[train_infer.TrainInferRun]:
        """Make some attempts, as many at a time as the target allows; they come back in their order."""
        return side_by_side(makers, self.at_once)

    def attempt(
        self,
        name: str,
        path: Path,
        *,
        target: Target | None = None,
        infer: bool = True,
        **values: object,
    ) -> train_infer.TrainInferRun:
        """One short training, and inference if wanted, with some placeholders changed."""
        return train_infer.attempt(
            target or self.target,
            name,
            path,
            cells=self.cells,
            values={**self.values, "nepochs": self.target.checks.short_nepochs, **values},
            run=self.run,
            infer=infer,
        )

    def find(self, finding: Finding) -> None:
        """Report a finding; one without a command gets that of the lane."""
        from dataclasses import replace

        command = finding.command or shlex.join(self.reproduce)
        self.outcome.find(replace(finding, command=command))

    def seen(self, attempt: train_infer.TrainInferRun) -> "TargetReconstruction | None":
        """The reconstruction of an attempt, or None where it has none that can be read: the job has said so."""
        from harness.lanes.checks import reconstruction

        if attempt.fault is not None or attempt.infer is None:
            return None
        place = attempt.reconstruction(self.target)
        try:
            if self.target.pictures is not None:
                return reconstruction.read_pictures(place, self.target.pictures)
            return reconstruction.read(place, self.target.reconstruction_keys)
        except (PtychoError, OSError, ValueError):
            return None

    def distance(self, one: train_infer.TrainInferRun, other: train_infer.TrainInferRun) -> float | None:
        """‖a − b‖ / ‖b‖ of two reconstructions; infinite if they differ in shape or place; None if one is missing."""
        import numpy as np

        a, b = self.seen(one), self.seen(other)
        if a is None or b is None:
            return None
        if a.obj.shape != b.obj.shape or a.origin != b.origin:
            return float("inf")
        size = float(np.linalg.norm(b.obj))
        return float(np.linalg.norm(a.obj - b.obj)) / size if size > 0 else float(np.linalg.norm(a.obj))
