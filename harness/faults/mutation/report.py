"""Reports a campaign as `mutation.json`, as a table, and as the page and the line that the documentation shows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from harness.faults.mutation.allclose import COMPARATORS, KEYS, KINDS, key
from harness.faults.mutation.campaign import MutationScore
from harness.faults.mutation.entry import ENDING, GATES
from harness.faults.mutation.result import MutantOutcome, MutantTrial
from harness.files.run_files import write_text
from harness.system import tables

SCHEMA = "ptycho-mutation/1"
HEADINGS = (
    *("declared at", "mutants", "killed there", "killed earlier", "late", "contradicted", "alive"),
    "right side named",
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table: the mutants that are declared to die at one gate."""

    gate: str
    trials: tuple[MutantTrial, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        killed = [item for item in self.trials if item.outcome is MutantOutcome.KILLED]
        there = sum(item.found.at == item.mutant.dies_at for item in killed)
        named = [item.names_guilty for item in self.trials if item.names_guilty is not None]
        numbers = (
            len(self.trials),
            there,
            len(killed) - there,
            sum(item.outcome is MutantOutcome.LATE for item in self.trials),
            sum(item.outcome is MutantOutcome.CONTRADICTED for item in self.trials),
            sum(item.outcome in (MutantOutcome.SURVIVED, MutantOutcome.ERROR) for item in self.trials),
        )
        return (self.gate, *map(str, numbers), f"{sum(named)} of {len(named)}" if named else "–")


def lines(score: MutationScore) -> list[Line]:
    """Rows by declared gate, in the order of the climb."""
    by_gate = {gate: tuple(item for item in score.faults if item.mutant.dies_at == gate) for gate in GATES}
    by_gate |= {f"{kind}, at any rung": tuple(i for i in score.ending if i.mutant.kind == kind) for kind in ENDING}
    return [Line(gate=gate, trials=trials) for gate, trials in by_gate.items() if trials]


def sentence(score: MutationScore) -> str:
    """The score in one sentence."""
    total, named = len(score.faults), len(score.named)
    part = f"{score.killed} of {total} planted faults killed at or before their declared rung"
    if named:
        part += f", the right side named in {score.rightly} of {named} verdicts ({100 * score.rightly / named:.0f} %)"
    if score.ending:
        dead = sum(item.outcome is MutantOutcome.KILLED for item in score.ending)
        part += f"; {dead} of {len(score.ending)} faults that keep a backend from answering"
        part += f", file and function named in {sum(item.found.steps == 1 for item in score.ending)}"
    living = sum(item.is_right for item in score.equivalents)
    if score.equivalents:
        part += f"; {living} of {len(score.equivalents)} equivalent changes pass, as they must"
    return part + "."


def plain_rows(score: MutationScore) -> list[tuple[str, ...]]:
    """By plain comparator: what it finds on each kind of output and on all, and whether it accepts the clean pair."""
    if not score.accepted or not any(item.found.allclose is not None for item in score.faults):
        return []
    rows = []
    for name in COMPARATORS:
        kinds = [(key(name, kind),) for kind in KINDS]
        cells = []
        for names in (*kinds, tuple(chain.from_iterable(kinds))):
            found, shown = score.found_plainly(names)
            word = "accepted" if all(score.accepted[one] for one in names) else "rejected"
            cells.append(f"{found} of {shown}, {word}")
        rows.append((name, *cells))
    by_ladder = [item for item in score.faults if item.found.allclose is not None]
    killed = sum(item.outcome is MutantOutcome.KILLED for item in by_ladder)
    return [*rows, ("the ladder", *("–" for _ in KINDS), f"{killed} of {len(by_ladder)}, accepted")]


PLAIN_HEADINGS = ("found by `allclose`, and the clean pair is", *KINDS, "all three")


def wrong(score: MutationScore) -> list[str]:
    """Every trial that did not end as promised, and every verdict that named the wrong side."""
    found = []
    for item in score.trials:
        mutant, told = item.mutant, item.found
        where = f"{told.at}, gridsize {told.gridsize}" if told.gridsize else told.at
        if item.outcome is MutantOutcome.ERROR:
            found.append(f"{mutant.id}: undecided: {told.error}")
        elif not item.is_right and mutant.dies_at is None:
            found.append(f"{mutant.id}: declared equivalent, but killed at {where}: {told.detail}")
        elif item.outcome is MutantOutcome.CONTRADICTED:
            found.append(f"{mutant.id}: at {where}, {'; '.join(told.disagreements)}")
        elif item.outcome is MutantOutcome.LATE:
            found.append(f"{mutant.id}: killed at {where} and not at {mutant.dies_at}: {told.detail}")
        elif not item.is_right:
            found.append(f"{mutant.id}: survives, and should be killed at {mutant.dies_at}: {mutant.story}")
        elif item.names_guilty is False:
            found.append(f"{mutant.id}: names {' and '.join(told.guilty)} at {where}; it is {mutant.guilty}")
    return found


def elsewhere(score: MutationScore) -> list[str]:
    """Faults that keep a backend from answering whose place is not the first that the terminal names."""
    return [
        f"{item.mutant.id}: it is {item.mutant.spot}; the terminal names {', '.join(item.found.hints) or 'nothing'}"
        for item in score.ending
        if item.outcome is MutantOutcome.KILLED and item.found.steps != 1
    ]


def as_dict(score: MutationScore) -> dict[str, Any]:
    """Plain values, for JSON."""
    outcomes = {str(kind): sum(item.outcome is kind for item in score.faults) for kind in MutantOutcome}
    return {
        "schema": SCHEMA,
        "verdict": score.verdict.label,
        "exit_code": int(score.verdict),
        "seconds": round(score.seconds, 1),
        "catalogue": score.catalogue,
        "seed": score.seed,
        "mutants": len(score.faults),
        "outcomes": outcomes,
        "ending": len(score.ending),
        "ending_killed": sum(item.outcome is MutantOutcome.KILLED for item in score.ending),
        "ending_located": sum(item.found.steps == 1 for item in score.ending),
        "crashes": sum(item.found.how == "crash" for item in score.faults),
        "named": len(score.named),
        "named_rightly": score.rightly,
        "equivalents": len(score.equivalents),
        "equivalents_alive": sum(item.is_right for item in score.equivalents),
        "allclose": {
            name: {"finds": found, "of": shown, "accepts_clean_pair": score.accepted[name]}
            for name in (KEYS if score.accepted else ())
            for found, shown in (score.found_plainly((name,)),)
        },
        "wrong": wrong(score),
        "elsewhere": elsewhere(score),
        "trials": [item.as_dict() for item in score.trials],
    }


def write(score: MutationScore, path: Path) -> Path:
    """Write `mutation.json`."""
    write_text(path, json.dumps(as_dict(score), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def show(score: MutationScore) -> None:
    """Print the tables, with rich on a terminal, and what did not end as promised."""
    rows = [line.cells for line in lines(score)]
    tables.show((HEADINGS, *rows), title="mutants by declared rung")
    if plain := plain_rows(score):
        headings = tuple(text.replace("`", "") for text in PLAIN_HEADINGS)
        tables.show((headings, *plain), title="the same mutants, plainly compared")
    for text in wrong(score):
        print(f"wrong: {text}")
    for text in elsewhere(score):
        print(f"elsewhere: {text}")
    tried = "" if len(score.trials) == score.catalogue else f" ({len(score.trials)} of {score.catalogue} tried)"
    print(sentence(score))
    verdict = f"{score.verdict.label} (exit {int(score.verdict)})"
    print(f"mutation: {verdict} in {score.seconds:.0f} s{tried}", flush=True)


def page(score: MutationScore, stories: Mapping[str, str]) -> str:
    """
    The page of the score: tables, every mutant, every equivalent with its proof.

    Args:
        score: score of the whole catalogue.
        stories: introduction by heading, in order.
    """
    parts = [f"## {heading}\n\n{text}\n" for heading, text in stories.items()]
    mutants = [
        (
            item.mutant.id,
            str(item.mutant.dies_at),
            f"{item.found.at or '–'}{' (crash)' if item.found.how == 'crash' else ''}",
            " and ".join(item.found.guilty) or "–",
            item.mutant.story,
        )
        for item in (*score.faults, *score.ending)
    ]
    parts.append(
        "## Every mutant\n\n" + tables.markdown((("mutant", "declared", "died", "accused", "what it does"), *mutants))
    )
    proofs = [(item.mutant.id, str(item.outcome), item.mutant.proof) for item in score.equivalents]
    if proofs:
        parts.append(
            "## Equivalents\n\n" + tables.markdown((("change", "outcome", "why nothing tells it apart"), *proofs))
        )
    return "\n".join(parts)
