"""
What the checks share: the target, where its commands run, and where they report.

Reconstructions are compared as they are, without registration or a forgiven phase: two runs of one command owe each
other everything.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.lanes.checks import attempt as train_infer
from harness.record.findings import Finding
from harness.record.outcome import Outcome
from harness.targets.loader import Target
from ptycho.errors import PtychoError

if TYPE_CHECKING:
    from harness.lanes.checks.reconstruction import Seen


@dataclass(frozen=True, kw_only=True)
class Bench:
    """
    A place to try a target.

    Attributes:
        target: the pipeline, prepared (`argv.prepared`).
        values: its placeholders.
        cells: folder for the cells of its commands.
        run: runs a command.
        outcome: gets the findings.
        reproduce: a command line that runs the lane again.
    """

    target: Target
    values: Mapping[str, object]
    cells: Path
    run: train_infer.Runner
    outcome: Outcome
    reproduce: tuple[str, ...]

    def attempt(
        self,
        name: str,
        path: Path,
        *,
        target: Target | None = None,
        infer: bool = True,
        **values: object,
    ) -> train_infer.Attempt:
        """One short training, and inference if wanted, with some placeholders changed."""
        return train_infer.attempt(
            target or self.target,
            name,
            path,
            cells=self.cells,
            values={**self.values, "nepochs": 1, **values},
            run=self.run,
            infer=infer,
        )

    def find(self, finding: Finding) -> None:
        """Report a finding; one without a command gets that of the lane."""
        from dataclasses import replace

        command = finding.command or shlex.join(self.reproduce)
        self.outcome.find(replace(finding, command=command))

    def seen(self, attempt: train_infer.Attempt) -> "Seen | None":
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

    def distance(self, one: train_infer.Attempt, other: train_infer.Attempt) -> float | None:
        """‖a − b‖ / ‖b‖ of two reconstructions; infinite if they differ in shape or place; None if one is missing."""
        import numpy as np

        a, b = self.seen(one), self.seen(other)
        if a is None or b is None:
            return None
        if a.obj.shape != b.obj.shape or a.origin != b.origin:
            return float("inf")
        size = float(np.linalg.norm(b.obj))
        return float(np.linalg.norm(a.obj - b.obj)) / size if size > 0 else float(np.linalg.norm(a.obj))
