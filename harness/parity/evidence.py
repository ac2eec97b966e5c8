"""What is kept of a failure: the comparison that decided as a file that can be judged again, and its picture."""

from collections.abc import Sequence

from harness.parity import again, ladder, picture, replay
from harness.parity.hearing import Heard
from harness.parity.ladder import Climbed
from harness.parity.report import Evidence
from harness.runroot import RunRoot


def keep(climbed: Sequence[Climbed], heard: Sequence[Heard], kept: RunRoot) -> Evidence:
    """
    Keep the comparison that decided, and draw it.

    Args:
        climbed: every rung.
        heard: every question with its answers.
        kept: the run.

    Returns:
        Paths and a command; empty where nothing failed, or only plain values, which are in the report itself.
    """
    failed = ladder.first_failure(climbed)
    if failed is None or failed.worst is None or not failed.worst.figures:
        return Evidence()
    item = next(item for item in heard if _was_climbed_on(item, failed))
    tensor = failed.worst.tensor
    stem = f"{failed.precision}-gridsize-{failed.gridsize}-{tensor.replace('/', '-')}"
    sides = {side: answer.arrays.get(tensor) for side, answer in item.answers.items()}
    if failed.rung.name in again.RUNGS:
        arrays = {side: answer.arrays for side, answer in item.answers.items()}
        question = item.question
        file = replay.save_with_request(kept.path / f"{stem}.npz", tensor, question.path, question.request, arrays)
        oracle = again.reference(item.question.request, tensor)
    else:
        oracle = item.expected.arrays.get(tensor)
        file = replay.save(kept.path / f"{stem}.npz", tensor, failed.gridsize, sides, oracle, failed.precision)
    drawn = picture.save(kept.pictures / f"{stem}.png", tensor, sides, oracle)
    return Evidence(replay=str(file), picture=str(drawn) if drawn else None, command=replay.command(file))


def _was_climbed_on(heard: Heard, climbed: Climbed) -> bool:
    """Whether a rung was climbed on this question's answers."""
    question = heard.question
    same = (question.gridsize, question.precision) == (climbed.gridsize, climbed.precision)
    return same and climbed.rung.name in question.request.quantities
