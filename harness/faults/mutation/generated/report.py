"""The score of generated changes: killed, equivalent, alive; and every survivor with its file and line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.faults.mutation.generated.trial import ALIVE, EQUIVALENT, ERROR, KILLED, ChangeTrial
from ptycho.verdict import Verdict

SCHEMA = "ptycho-mutation-generated/1"
LEAST_KILLED, MOST_EQUIVALENT, LEAST_RIGHT = 0.97, 0.08, 0.98
"""Shares: killed of what is not equivalent (≥), equivalent of all (≤), right sides of all that were named (≥)."""


@dataclass(frozen=True, kw_only=True)
class GeneratedScore:
    """
    The result of a sample.

    Attributes:
        tried: every change, in the order of the draw.
        functions: functions out of which they were drawn.
        changes: changes that there are in all of them.
        seed: of the draw.
        seconds: wall time.
    """

    tried: Sequence[ChangeTrial]
    functions: int
    changes: int
    seed: int
    seconds: float = 0.0

    def count(self, outcome: str) -> int:
        """Changes with an outcome."""
        return sum(item.outcome == outcome for item in self.tried)

    @property
    def named(self) -> list[bool]:
        """Of each verdict that names a side, whether it is the right one."""
        return [item.named_rightly for item in self.tried if item.named_rightly is not None]

    @property
    def verdict(self) -> Verdict:
        """A pass only if enough were killed, few are equivalent, sides are right; undecided if one was not tried."""
        killed, alive, equivalent = self.count(KILLED), self.count(ALIVE), self.count(EQUIVALENT)
        enough = killed >= LEAST_KILLED * (killed + alive) and equivalent <= MOST_EQUIVALENT * len(self.tried)
        if not enough or sum(self.named) < LEAST_RIGHT * len(self.named):
            return Verdict.FAIL
        return Verdict.PASS if self.tried and not self.count(ERROR) else Verdict.INFRA


def sentence(score: GeneratedScore) -> str:
    """The score in one sentence."""
    part = (
        f"{len(score.tried)} changes, drawn with seed {score.seed} out of {score.changes} in {score.functions} "
        f"functions: {score.count(KILLED)} killed, {score.count(EQUIVALENT)} equivalent, {score.count(ALIVE)} alive"
    )
    if errors := score.count(ERROR):
        part += f", {errors} undecided"
    if score.named:
        part += f"; the right side named in {sum(score.named)} of {len(score.named)} verdicts"
    return part + "."


def lines(score: GeneratedScore) -> list[str]:
    """Every change that was not killed, and every side that was named wrongly, with file and line."""
    found = [f"{item.outcome}: {item.change}{_why(item)}" for item in score.tried if item.outcome != KILLED]
    return found + [
        f"wrong side: {item.change}: {item.at} names {' and '.join(item.named)}; it is {item.owner}"
        for item in score.tried
        if item.named_rightly is False
    ]


def _why(item: ChangeTrial) -> str:
    return f" ({item.detail})" if item.detail else f" ({item.tests} test files can see it)"


def as_dict(score: GeneratedScore) -> dict[str, Any]:
    """Plain values, for JSON."""
    return {
        "schema": SCHEMA,
        "verdict": score.verdict.label,
        "exit_code": int(score.verdict),
        "seed": score.seed,
        "functions": score.functions,
        "changes": score.changes,
        "outcomes": dict(sorted(Counter(item.outcome for item in score.tried).items())),
        "named": len(score.named),
        "named_rightly": sum(score.named),
        "seconds": round(score.seconds, 1),
        "trials": [row(item) for item in score.tried],
    }


def row(item: ChangeTrial) -> dict[str, Any]:
    """One change as plain values."""
    change = item.change
    return {
        "id": change.id,
        **{name: getattr(change, name) for name in ("file", "function", "kind", "line", "start", "old", "new")},
        **{name: getattr(item, name) for name in ("outcome", "at", "owner", "detail", "tests")},
        "named": list(item.named),
        "seconds": round(item.seconds, 1),
    }
