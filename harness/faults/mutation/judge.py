"""The ladder's verdict on answers that are at hand, as a canary is judged."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.parity.compare.response import Answer
from harness.parity.judge import ladder
from harness.parity.judge.ladder import OracleAnswer
from ptycho.parity.request import Request


def judge(
    answers: Mapping[str, Answer], expected: OracleAnswer, request: Request, quantities: Sequence[str]
) -> dict[str, Any]:
    """
    The ladder's verdict as plain values.

    Args:
        answers: by side.
        expected: the oracle's.
        request: what was asked.
        quantities: the rungs of it that are judged.

    Returns:
        `at` the lowest rung that failed, None if all pass; `how` `rung` or `refused`; `guilty`; `detail`.
    """
    refused = ladder.refusals(answers)
    if refused:
        reasons = [f"{side}: {reason}" for side, told in refused.items() for reason in told]
        return {"at": quantities[0], "how": "refused", "guilty": sorted(refused), "detail": reasons[0]}
    gridsize, precision = request.model.gridsize, request.precision
    climbed = ladder.climb(gridsize, answers, expected, quantities, precision=precision)
    failed = ladder.first_failure(climbed)
    if failed is None:
        return {"at": None, "how": "", "guilty": [], "detail": ""}
    reasons = [failed.worst.tensor, *failed.worst.reasons] if failed.worst else ["nothing was compared"]
    return {"at": failed.rung.name, "how": "rung", "guilty": list(failed.guilty), "detail": "; ".join(reasons)}
