"""The budget's rule on made-up processes: quiet, contended, killed, and those that only waited."""

import pytest

from harness.benchmark import budget
from harness.benchmark.budget import BudgetAttempt
from ptycho.verdict import Verdict


def attempt(wall_s: float, cpu_s: float, contended: bool | None = False) -> BudgetAttempt:
    return BudgetAttempt(wall_s=min(wall_s, 180.0), cpu_s=cpu_s, killed=wall_s > 180.0, contended=contended)


@pytest.mark.parametrize(
    ("attempts", "verdict"),
    [
        ([attempt(119, 119)], Verdict.PASS),
        ([attempt(121, 20)], Verdict.BUDGET),  # quiet: it slept, and that is its own affair
        ([attempt(500, 1)], Verdict.BUDGET),
        ([attempt(121, 100, True), attempt(90, 90)], Verdict.PASS),
        ([attempt(121, 100, True), attempt(130, 110)], Verdict.BUDGET),  # the second one ran on a quiet machine
        ([attempt(500, 60, True), attempt(500, 60, True)], Verdict.INCONCLUSIVE),
        ([attempt(500, 60, True), attempt(160, 125, True)], Verdict.BUDGET),
        ([attempt(500, 60, None), attempt(500, 60, None)], Verdict.INCONCLUSIVE),
        ([attempt(125, 121, None)], Verdict.BUDGET),
    ],
)
def test_the_verdict_and_how_many_processes_it_takes(attempts: list[BudgetAttempt], verdict: Verdict) -> None:
    left = iter(attempts)
    judged = budget.judge(lambda: next(left))
    assert (judged.verdict, list(judged.attempts), list(left)) == (verdict, attempts, [])


def test_the_sentence_has_the_figures() -> None:
    judged = budget.judge(lambda: attempt(500, 170, contended=True))
    assert judged.sentence == (
        "180.0 s when it was killed, budget 120 s, 170.0 s of processor time; again after a first one on a busy machine"
    )
