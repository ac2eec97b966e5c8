"""
A mutant on the user's path: the whole ladder from the changed copy, and everything that a user sees of it.

It is killed only if exit code, side, rung, `parity.json`, verdict, event log and report agree that it is; what does
not agree is said one by one. What both backends share is changed for both, and for the oracle, like everything else
that a user of such a checkout would run.
"""

from dataclasses import replace

from harness.faults.mutation import ladder_trial, run_in_copy
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.entry import LADDER, SELF_CHECK
from harness.faults.mutation.result import GateAnswer, PlantedMutant
from harness.faults.mutation.setup import MutationSetup
from harness.faults.mutation.user_path import accounts, hints, ladder_run
from harness.faults.mutation.user_path.accounts import Account
from harness.faults.mutation.user_path.ladder_run import LadderRun
from ptycho.verdict import Verdict

MACHINE = (Verdict.TIMEOUT, Verdict.OOM, Verdict.INFRA, Verdict.INCONCLUSIVE, Verdict.INTERRUPTED)
"""Exit codes that say something about the machine, unless they are what the mutant must end with."""


def run(planted: PlantedMutant, stage: MutationSetup) -> GateAnswer:
    """Run the ladder and the report from the copy; beside them what is compared plainly."""
    found = judge(ladder_run.walk(planted.root, planted.label, stage), planted.mutant)
    if found.error or not planted.compared:
        return found
    return replace(found, allclose=ladder_trial.plainly(planted, stage))


def judge(walked: LadderRun, mutant: Mutant) -> GateAnswer:
    """Return what a user reads about a mutant, and what of that is wrong."""
    told, *_ = accounts.of(walked)
    if walked.exit_code == Verdict.PASS and told.exit_code == Verdict.PASS:
        return GateAnswer(exit_code=walked.exit_code, disagreements=tuple(accounts.contradictions(accounts.of(walked))))
    if walked.exit_code < 0 or (walked.exit_code in MACHINE and walked.exit_code != mutant.exit_code):
        return GateAnswer(
            error=f"ended with {walked.exit_code}: {run_in_copy.last_line(walked.terminal)}", exit_code=walked.exit_code
        )
    shown = hints.named(walked.terminal)
    found = _fallen(walked, told, mutant)
    wrong = [] if walked.parity is not None else ["there is no parity.json"]
    if walked.exit_code != mutant.exit_code:
        wrong.append(f"it ends with exit code {walked.exit_code} and not {mutant.exit_code}")
    if found.guilty != mutant.accused:
        wrong.append(f"it names {accounts.named(found.guilty)}; it is {mutant.guilty}")
    wrong += accounts.contradictions(accounts.of(walked))
    wrong += accounts.unnamed(walked)
    return replace(
        found,
        exit_code=walked.exit_code,
        disagreements=tuple(wrong),
        hints=tuple(map(str, shown)),
        steps=None if mutant.spot is None else hints.steps(shown, mutant.spot),
    )


def _fallen(walked: LadderRun, told: Account, mutant: Mutant) -> GateAnswer:
    """Return where the ladder failed, by `parity.json`."""
    parity = walked.parity
    if parity is None:
        return GateAnswer(at=mutant.gate, how="crash", detail=run_in_copy.last_line(walked.terminal))
    if told.place is not None:
        first = parity["first_failure"]
        tensor = str(first.get("tensor") or "")
        return GateAnswer(
            at=told.place.rung,
            how="rung",
            gridsize=told.place.gridsize,
            guilty=told.guilty or (),
            detail="; ".join([*([tensor] if tensor else []), *first.get("reasons", ())]),
        )
    refused = parity.get("refused") or {}
    if refused:
        reasons = [f"{side}: {reason}" for side, given in refused.items() for reason in given]
        guilty = tuple(sorted({side.partition(",")[0] for side in refused}))
        return GateAnswer(at=LADDER[0], how="refused", guilty=guilty, detail=reasons[0])
    # Every rung passes and yet the run fails: the proof that it can fail did not hold.
    return GateAnswer(at=SELF_CHECK, how="self-check", detail=run_in_copy.last_line(walked.terminal))
