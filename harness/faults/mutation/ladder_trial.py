"""
A canary's way up the ladder: its backend's adapter answers from the changed copy, and the ladder judges here.

It is shorter than the user's path: rungs above the declared one are not asked, and the clean answers of the other
backend and of the oracle are at hand. The gridsizes are tried one after the other: the first at which a mutant is
killed in time settles it. What is compared plainly is asked here, too, whichever way a mutant is tried.

An adapter that raises or dies fails the rung that it was at, like one that answers wrongly.
"""

from collections.abc import Sequence

from harness.faults.mutation import allclose, judge
from harness.faults.mutation.result import GateAnswer, MutantOutcome, PlantedMutant, judged
from harness.faults.mutation.setup import MutationSetup
from harness.parity.compare.response import Answer
from harness.parity.exchange import backend_client
from harness.parity.exchange.backend_client import PACKAGES
from harness.parity.exchange.clean_answers import CleanAnswers
from ptycho.verdict import Verdict


def one_side(planted: PlantedMutant, stage: MutationSetup) -> GateAnswer:
    """Ask the changed backend, one gridsize after the other, until the mutant has died in time."""
    (side,) = planted.mutant.owners
    found = GateAnswer()
    for item in stage.wanted(planted.mutant.gridsize, planted.mutant.precision):
        wanted = tuple(name for name in planted.quantities if name in item.request.quantities)
        reply = _ask(planted, stage, side, f"{planted.label}-{item.gridsize}", item, wanted)
        machine = next((why for why in reply.failures.values() if why.verdict is not Verdict.FAIL), None)
        if machine is not None:
            return GateAnswer(error=f"{side} {machine.sentence}")
        told = judge.judge({**item.answers, side: reply}, item.expected, item.request, wanted)
        found = GateAnswer(
            at=told["at"],
            how=told["how"],
            gridsize=item.gridsize if told["at"] is not None else None,
            guilty=tuple(told["guilty"]),
            detail=told["detail"],
        )
        if judged(planted.mutant, found) is not MutantOutcome.SURVIVED:
            break
    return found


def plainly(planted: PlantedMutant, stage: MutationSetup) -> dict[str, bool] | None:
    """
    Return what plain comparators find of a mutant's outputs; an output that is not there is found by all of them.

    Groups show most, if the mutant does not ask for single patterns.

    Returns:
        By comparator, whether it finds the mutant; None where there are no clean outputs to compare with.
    """
    wanted = stage.wanted(planted.mutant.gridsize, allclose.PRECISION)
    item = max(wanted, key=lambda clean: clean.gridsize, default=None)
    if item is None:
        return None
    owners = planted.mutant.owners
    changed = [side for side in PACKAGES if owners & {side, "core"}]
    outputs = dict(item.answers)
    for side in changed:
        reply = _ask(planted, stage, side, f"{planted.label}.plain.{side}", item, allclose.QUANTITIES)
        if reply.failures or reply.refusals:
            return dict.fromkeys(allclose.KEYS, True)
        outputs[side] = reply
    return allclose.kills(outputs)


def _ask(
    planted: PlantedMutant, stage: MutationSetup, side: str, label: str, item: CleanAnswers, wanted: Sequence[str]
) -> Answer:
    """One backend's answer from the changed copy to some rungs of a question."""
    party = backend_client.Party(side=side, python=stage.pythons[side], import_root=planted.root)
    request = stage.ask_for(item, wanted)
    (reply,) = backend_client.ask(party, [request], label, stage.kept, stage.events, stage.interruption).answers
    return reply
