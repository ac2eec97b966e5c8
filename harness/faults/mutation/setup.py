"""
The common part of all trials: a copy of the code as it is, and everybody's clean answers, which are asked for once.

A mutant changes one side; the other side's answers and the oracle's are the same for all of them.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.isolation import source_overlay
from harness.parity.compare.response import Answer
from harness.parity.exchange import collect, plan
from harness.parity.exchange.backend_client import PACKAGES, Party
from harness.parity.exchange.clean_answers import CleanAnswers, merged
from harness.parity.judge import ladder
from harness.parity.judge.ladder import JudgedRung
from harness.parity.selfcheck import tampered
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT

STEPS = 4
"""Length of the trajectory: one more than there are batches, so that their order and the second moment matter."""

GRIDSIZES, PRECISIONS, SEED = (1, 2), ("f64", "f32", "bf16"), 42


@dataclass(frozen=True, kw_only=True)
class MutationSetup:
    """
    Place where mutants are tried.

    Attributes:
        tree: a copy of the code without any fault.
        kept: the run.
        events: its log.
        interruption: whether to end early.
        pythons: interpreter by side.
        scan: file for the rung of the data, and for lanes.
        clean: questions with clean answers.
        checkout: what `tree` is a copy of.
        as_user: whether rungs are tried on the user's path.
        compared: whether outputs are compared plainly, too.
        lock: held while a file that trials share is written.
    """

    tree: Path
    kept: RunRoot
    events: EventLog
    interruption: Interruption
    pythons: Mapping[str, str]
    scan: Path
    clean: Sequence[CleanAnswers]
    checkout: Path = ROOT
    as_user: bool = False
    compared: bool = True
    _asked: dict[tuple[int, str, tuple[str, ...]], Path] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wanted(self, gridsize: int | None, precision: str) -> list[CleanAnswers]:
        """The questions at one gridsize, or at all, in one precision."""
        return [item for item in self.clean if item.precision == precision and gridsize in (None, item.gridsize)]

    def ask_for(self, item: CleanAnswers, quantities: Sequence[str]) -> Path:
        """File of a request for some of a question's quantities; written once."""
        key = item.gridsize, item.precision, tuple(quantities)
        with self.lock:
            if key not in self._asked:
                path = self.kept.scratch / f"request-{len(self._asked)}.npz"
                replace(item.request, quantities=key[2]).save(path)
                self._asked[key] = path
            return self._asked[key]

    def kept_answers(self, item: CleanAnswers) -> tuple[Path, Path]:
        """A question and its clean answers as files, a folder a side; written once."""
        request = self.ask_for(item, item.request.quantities)
        with self.lock:
            folder = request.with_name(f"{request.stem}-answers")
            if not folder.exists():
                for side, package in PACKAGES.items():
                    tampered.write(folder / side, item.answers[side], request, package, self.tree)
        return request, folder


def climb(item: CleanAnswers, answers: Mapping[str, Answer], quantities: Sequence[str]) -> list[JudgedRung]:
    """Judge answers to a question by the ladder."""
    return ladder.climb(item.gridsize, answers, item.expected, quantities, precision=item.precision)


def set_up(
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    *,
    pythons: Mapping[str, str],
    scan: Path,
    judged: Collection[str] = PRECISIONS,
    root: Path = ROOT,
    as_user: bool = False,
    compared: bool = True,
    asked: bool = True,
) -> MutationSetup:
    """
    Copy the code, ask everybody, and make sure that the ladder passes as long as nothing is planted.

    Args:
        kept: the run.
        events: its log.
        interruption: asked while waiting.
        pythons: interpreter by side.
        scan: file for the rung of the data, and for lanes.
        judged: precisions in which a mutant is judged; the others only give outputs to compare plainly.
        root: the checkout.
        as_user: whether rungs are tried on the user's path.
        compared: whether outputs are compared plainly, too.
        asked: whether anybody needs the clean answers.

    Raises:
        InfrastructureError: the ladder does not pass: whatever a mutant did would prove nothing.
        KeyboardInterrupt: the run was asked to end.
    """
    tree = source_overlay.copy(root, kept.scratch / "clean")
    planned = plan.plan(
        gridsizes=GRIDSIZES, precisions=PRECISIONS, seeds=(SEED,), scan=scan, steps=STEPS, folder=kept.scratch
    )
    parties = [Party(side=side, python=python, import_root=tree) for side, python in pythons.items()]
    clean = merged(collect.hear(parties, planned, kept, events, interruption)) if asked else []
    wrong = [sentence for item in clean if item.precision in judged for sentence in standing(item)]
    if wrong:
        listed = "\n".join(f"  - {sentence}" for sentence in wrong)
        raise InfrastructureError(f"the ladder does not pass without a mutant; run `harness parity` first:\n{listed}")
    return MutationSetup(
        tree=tree,
        kept=kept,
        events=events,
        interruption=interruption,
        pythons=pythons,
        scan=scan,
        clean=clean,
        checkout=root,
        as_user=as_user,
        compared=compared,
    )


def standing(item: CleanAnswers) -> list[str]:
    """Return what is wrong with clean answers, one sentence each; empty if every rung that is judged passes."""
    at = f"{item.precision}, gridsize {item.gridsize}"
    found = [f"{at}: {side}: {why}" for side, reasons in ladder.refusals(item.answers).items() for why in reasons]
    failed = ladder.first_failure(climb(item, item.answers, item.request.quantities))
    if failed is not None:
        what = f" at {failed.worst.tensor}" if failed.worst is not None else ""
        found.append(f"{at}: {failed.rung.name} is {failed.result}{what}")
    return found
