"""
The closed set of verdicts and their exit codes: every command of the project ends with one of these.

They live in the core, and not in the harness, because the pipelines end with the same codes as the harness that
drives them, and imports point one way.
"""

from collections.abc import Iterable
from enum import IntEnum


class Verdict(IntEnum):
    """
    End of a command, a lane or a run. The value is the process exit code.

    Anything that is not evidence of success is not a pass: a silent test, a lane that did not run and a missing
    figure are all `FAIL`.
    """

    PASS = 0
    FAIL = 1
    USAGE = 2
    BUDGET = 10
    TIMEOUT = 11
    OOM = 12
    INFRA = 13
    INCONCLUSIVE = 14
    INTERRUPTED = 130

    @property
    def label(self) -> str:
        """The word that documents and people use, for example `pass`."""
        return self.name.lower()

    @classmethod
    def parse(cls, label: object) -> "Verdict | None":
        """The verdict of a label, in either case; None for anything else."""
        return cls.__members__.get(str(label).upper())

    @classmethod
    def worst(cls, verdicts: "Iterable[Verdict]", *, default: "Verdict | None" = None) -> "Verdict":
        """
        The verdict that decides among several.

        What stopped the evidence from being gathered comes before what the evidence says.

        Args:
            verdicts: of which the worst counts.
            default: for none at all.

        Raises:
            ValueError: there is none, and no default.
        """
        found = min(verdicts, key=_WORST_FIRST.index, default=default)
        if found is None:
            raise ValueError("no verdict to choose from, and no default")
        return found


_WORST_FIRST = (
    *(Verdict.INTERRUPTED, Verdict.USAGE, Verdict.INFRA, Verdict.OOM, Verdict.TIMEOUT),
    *(Verdict.FAIL, Verdict.BUDGET, Verdict.INCONCLUSIVE, Verdict.PASS),
)
