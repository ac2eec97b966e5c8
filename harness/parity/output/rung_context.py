"""Puts the first failure beside the rungs below and above it, and beside the other gridsizes and precisions."""

from collections.abc import Mapping, Sequence

from harness.parity.compare.comparison import Result
from harness.parity.exchange.plan import rungs as asked_for
from harness.parity.judge.ladder import JudgedRung
from ptycho.parity.request import QUANTITIES

_RESTS_ON: Mapping[str, tuple[tuple[str, ...], str]] = {
    "R0": ((), "a declared value or a convention, before any data is read"),
    "R1": (("R0",), "reading and batching, not the contract"),
    "R2": (("R0", "R1"), "a single operation, not the data"),
    "R2b": (("R2",), "a derivative at a corner, not the values of the operation"),
    "R2c": (("R2",), "how operations belong together, a derivative, or the core; not the value of a single operation"),
    "R3": (("R2",), "how a layer is made, not its single operations"),
    "R4": (("R3",), "how the layers are put together, not a layer"),
    "R5": (("R3", "R4"), "the loss, not the network"),
    "R6": (("R4", "R5"), "a derivative, not the values"),
    "R7": (("R6",), "the optimiser, not its gradients"),
    "R8": (("R6", "R7"), "the order of steps, state, or files; not a single step"),
}
"""By rung: those whose passing narrows it down, and to what."""

_ABOVE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "R0": (("R2", "R3", "R4", "R5", "R6", "R7", "R8"), "nothing that is computed here uses the value"),
    "R2": (("R3", "R4", "R5", "R6", "R8"), "only for arguments that the network and the loss do not meet here"),
    "R2b": (("R6", "R8"), "only at corners that these batches do not meet"),
    "R3": (("R4", "R5", "R6", "R8"), "only for inputs that the forward pass does not meet, such as large ones"),
    "R4": (("R5", "R6"), "in what inference calls, not in what the loss is made of"),
    "R5": (("R6",), "in what is reported, not in what is minimised"),
}
"""By a rung that fails: those that would fail with it if it were on their way, and what follows if none does."""


def sentences(failed: JudgedRung, climbed: Sequence[JudgedRung], unanswered: Sequence[str] = ()) -> list[str]:
    """
    Return what follows from the other rungs.

    Args:
        failed: the first failure.
        climbed: every rung at every gridsize in every precision.
        unanswered: rungs that a party's adapter does not answer.
    """
    beside = {item.rung.name: item.result for item in climbed if item.conditions == failed.conditions}
    made = [_below(failed.rung.name, beside)]
    made += _above(failed, beside, unanswered)
    made += _elsewhere(failed, climbed)
    return made


def _below(name: str, beside: Mapping[str, Result]) -> str:
    rests_on, means = _RESTS_ON[name]
    passing = [rung for rung in rests_on if beside.get(rung) is Result.PASS]
    if len(passing) < len(rests_on):
        # Without them, only the half of the sentence that the failure itself says.
        means = means.partition(",")[0].partition(";")[0]
    start = f"{_together(passing)} pass{'' if len(passing) > 1 else 'es'}, " if passing else ""
    return f"{start}{name} fails: {means}"


def _above(failed: JudgedRung, beside: Mapping[str, Result], unanswered: Sequence[str]) -> list[str]:
    name = failed.rung.name
    higher = QUANTITIES[QUANTITIES.index(name) + 1 :]
    asked = asked_for(failed.precision, [rung for rung in QUANTITIES if rung not in unanswered])
    failing = [rung for rung in higher if beside.get(rung) is Result.FAIL]
    passing = [rung for rung in higher if beside.get(rung) is Result.PASS]
    missing = [rung for rung in higher if rung in asked and rung not in beside and failed.drawn is None]
    parts = []
    if failing:
        parts.append(f"{_together(failing)} fail{'' if len(failing) > 1 else 's'}, too")
    if passing:
        parts.append(f"{_together(passing)} pass{'' if len(passing) > 1 else 'es'}")
    if missing:
        parts.append(f"{_together(missing)} {'were' if len(missing) > 1 else 'was'} not reached")
    made = [f"above it: {'; '.join(parts)}"] if parts else []
    on_the_way, means = _ABOVE.get(name, ((), ""))
    if means and set(on_the_way) <= set(passing):
        made.append(f"{name} fails and {_together(on_the_way)} pass{'' if len(on_the_way) > 1 else 'es'}: {means}")
    return made


def _elsewhere(failed: JudgedRung, climbed: Sequence[JudgedRung]) -> list[str]:
    """At which other gridsizes and in which other precisions the rung passes: there the fault does not show."""
    others = [item for item in climbed if item.rung.name == failed.rung.name and item.result is Result.PASS]
    if not others:
        return []
    listed = _together([item.place for item in others])
    return [f"{failed.rung.name} passes at {listed}"]


def _together(names: Sequence[str]) -> str:
    """`R3`, `R3 and R4`, `R3, R4 and R5`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
