"""The one-line edits of a careless colleague: is each found and named rightly, and how far is it to the edited line?"""

from pathlib import Path

from harness.faults.mutation import publish, report
from harness.faults.mutation.campaign import MutationScore
from harness.faults.mutation.result import MutantOutcome, MutantTrial
from harness.faults.mutation.user_path.hints import FEW
from harness.system import tables
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

NEAR = 25 / 30
"""Part of the edits from which at most two steps must lead from the terminal to the edited line."""

HEADINGS = ("edit", "kind", "edited", "exit", "rung", "side", "the terminal sends to", "steps", "result")


def near(score: MutationScore) -> int:
    """Return how many edits are at most two steps away."""
    return sum(item.found.steps is not None and item.found.steps <= FEW for item in score.trials)


def verdict(score: MutationScore) -> Verdict:
    """A pass only if every edit is found as declared, and the way is short from nearly all of them."""
    if any(item.outcome is MutantOutcome.ERROR for item in score.trials):
        return Verdict.INFRA
    killed = bool(score.trials) and all(item.outcome is MutantOutcome.KILLED for item in score.trials)
    return Verdict.PASS if killed and near(score) >= NEAR * len(score.trials) else Verdict.FAIL


def row(item: MutantTrial) -> tuple[str, ...]:
    """An edit as a row."""
    found, mutant = item.found, item.mutant
    reasons = "" if item.outcome is MutantOutcome.KILLED else f": {found.error or '; '.join(found.disagreements)}"
    return (
        mutant.id,
        mutant.kind,
        str(mutant.spot or "–"),
        "–" if found.exit_code is None else str(found.exit_code),
        f"{found.at or '–'} (by {mutant.dies_at})",
        " and ".join(found.guilty) or "–",
        found.hints[0] if found.hints else "–",
        "more" if found.steps is None else str(found.steps),
        "as declared" if item.outcome is MutantOutcome.KILLED else f"{item.outcome}{reasons}".rstrip(": "),
    )


def sentence(score: MutationScore) -> str:
    """The result in a sentence."""
    total = len(score.trials)
    killed = sum(item.outcome is MutantOutcome.KILLED for item in score.trials)
    once = sum(item.found.steps == 1 for item in score.trials)
    return (
        f"{killed} of {total} one-line edits end with the right exit code, rung and side everywhere that a user looks; "
        f"from {near(score)} of {total} at most two steps lead from the terminal's text to the edited line, "
        f"from {once} one."
    )


def show(score: MutationScore) -> None:
    """Print the table."""
    tables.show((HEADINGS, *map(row, score.trials)), title="one-line edits")
    for text in report.wrong(score):
        print(f"wrong: {text}")
    print(sentence(score))
    ended = verdict(score)
    print(f"edits: {ended.label} (exit {int(ended)}) in {score.seconds:.0f} s", flush=True)


def write(score: MutationScore, root: Path = ROOT) -> tuple[Path, ...]:
    """Write the table into the page of the score."""
    text = (
        f"## One-line edits\n\nWritten by `nox -s mutation -- --edits --write`. {sentence(score)} "
        "One step: the first place that the failure's text names is the edited function of the edited file. Two: one "
        "of the first two places is the edited file.\n\n"
    )
    return (publish.write_edits(text + tables.markdown((HEADINGS, *map(row, score.trials))), root),)
