"""
The hard budget: what an epoch may take on the wall clock, and when a miss is the machine's and not the code's.

A process that takes longer than the budget on a quiet machine is over it, and nothing is repeated. On a contended one
it is run again, afresh. If that is over, too, its processor time decides: more than the budget is too much on any
machine; less than the budget says nothing, because it may have waited for others all the time.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ptycho.verdict import Verdict

BUDGET_S = 120.0
"""Wall time of a process that trains for one epoch."""

KILLED_AT = 1.5
"""Of the budget: then the process is ended and judged."""

WAITED = 1.25
"""Wall by processor time from which on a process was kept waiting; asked only where the kernel counts nothing else."""


@dataclass(frozen=True, kw_only=True)
class BudgetAttempt:
    """
    One process against the budget.

    Attributes:
        wall_s: wall time from start to end.
        cpu_s: processor time of all its processes.
        killed: whether it was ended at the limit.
        contended: whether others kept the machine busy; None where the kernel does not count it.
    """

    wall_s: float
    cpu_s: float
    killed: bool
    contended: bool | None

    @property
    def excused(self) -> bool:
        """Whether the wall clock says nothing about it."""
        return self.contended if self.contended is not None else self.wall_s > WAITED * self.cpu_s


@dataclass(frozen=True, kw_only=True)
class BudgetResult:
    """
    The result.

    Attributes:
        verdict: `PASS`, `BUDGET` or `INCONCLUSIVE`.
        sentence: why, with the figures.
        attempts: one or two.
    """

    verdict: Verdict
    sentence: str
    attempts: tuple[BudgetAttempt, ...]


def judge(run: Callable[[], BudgetAttempt], budget_s: float = BUDGET_S) -> BudgetResult:
    """
    Hold a process against the budget: a wall time of exactly the budget is within it (≤), and so is processor time.

    Args:
        run: runs it afresh, and ends it at `KILLED_AT` times the budget.
        budget_s: seconds.
    """
    attempts = [run()]
    if _over(attempts[0], budget_s) and attempts[0].excused:
        attempts.append(run())
    last = attempts[-1]
    said = f"{last.wall_s:.1f} s{' when it was killed' if last.killed else ''}, budget {budget_s:g} s"
    said += f", {last.cpu_s:.1f} s of processor time"
    again = "; again after a first one on a busy machine" if len(attempts) > 1 else ""
    if not _over(last, budget_s):
        verdict = Verdict.PASS
    elif last.cpu_s > budget_s or not last.excused:
        verdict = Verdict.BUDGET
    else:
        verdict, again = Verdict.INCONCLUSIVE, "; others kept the machine busy both times: too busy to judge"
    return BudgetResult(verdict=verdict, sentence=said + again, attempts=tuple(attempts))


def _over(attempt: BudgetAttempt, budget_s: float) -> bool:
    return attempt.killed or attempt.wall_s > budget_s
