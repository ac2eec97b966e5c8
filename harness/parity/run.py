"""
`python -m harness parity`: ask both backends the same, each in a process of its own, and compare.

Everything that a run needs later is kept in its run root: the requests, the report, and of the first failure a replay
file and a picture. A run that passes has also proved that it can fail: the ladder is checked on planted defects, and a
few faults are planted into copies of the code.
"""

import json
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.lanes.device import settle
from harness.lanes.device.settle import DeviceAssignment
from harness.parity import survey as parity_survey
from harness.parity.compare import failure
from harness.parity.compare.comparison import Result
from harness.parity.compare.floors import of_kinds
from harness.parity.compare.rungs import MIXED, PRECISIONS, RUNGS
from harness.parity.exchange import plan
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import CORE, ORACLE, AnsweredQuestion, hear
from harness.parity.judge import ladder, unanswered
from harness.parity.judge.ladder import JudgedRung
from harness.parity.output import artifacts, replay
from harness.parity.output import report as ladder_report
from harness.parity.output.evidence import SelfValidation
from harness.parity.output.progress import Display
from harness.parity.output.report import LadderReport
from harness.parity.reference.problem import CHECKPOINTS
from harness.parity.selfcheck.gate import Plant, prove
from harness.parity.survey import Survey
from harness.record import directory, provenance
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.runs import session, summary
from harness.system.signals import Interruption
from harness.targets import environment, loader, preflight
from ptycho.errors import PtychoError
from ptycho.fingerprint import ROOT
from ptycho.parity import serve
from ptycho.parity.request import QUANTITIES
from ptycho.verdict import Verdict

GRIDSIZES = (1, 2)
"""Groups of one pattern and of two by two: the whole ladder has both."""


@dataclass(frozen=True, kw_only=True)
class ParityOptions:
    """
    Options of the command.

    Attributes:
        parties: those that are asked.
        scan: file for R1.
        gridsizes: which to compare.
        precisions: of `f64`, the gate, and `f32`, the second opinion.
        seed: seed of the problem.
        steps: length of the trajectory.
        root: the workspace's folder for runs.
        plant: plants canaries in a run that passes; None: there are none.
        canary_seed: seed of the draw; drawn and printed if None.
        quiet: print nothing while running.
        json: print the report as one JSON document, and only that.
        devices: device by side, of `harness.targets.devices.CHOICES`; the CPU for one that is not named.
        unasked: sides that are left out, and so unverified.
    """

    parties: Sequence[Party]
    scan: Path
    gridsizes: tuple[int, ...]
    precisions: tuple[str, ...] = PRECISIONS
    seed: int
    steps: int
    root: Path
    plant: Plant | None = None
    canary_seed: int | None = None
    quiet: bool = False
    json: bool = False
    devices: Mapping[str, str] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()

    @property
    def answered(self) -> tuple[str, ...]:
        """Rungs that every party answers."""
        return tuple(name for name in QUANTITIES if all(name in party.adapter.quantities for party in self.parties))


@dataclass(kw_only=True)
class _LadderSession:
    """A ladder while it is climbed."""

    climbed: list[JudgedRung] = field(default_factory=list)
    refused: dict[str, Sequence[str]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def judge(self, heard: AnsweredQuestion) -> list[JudgedRung]:
        """Judge one question; what is refused and what was climbed is kept."""
        question = heard.question
        for side, why in ladder.refusals(heard.answers).items():
            self.refused[f"{side}, {question.label}"] = why
        measured, notes = of_kinds(answer.kind for answer in heard.answers.values())
        self.notes |= dict.fromkeys(notes)
        judged = ladder.climb(
            question.gridsize,
            heard.answers,
            heard.expected,
            question.request.quantities,
            precision=question.precision,
            floors=measured,
        )
        self.climbed += judged
        return judged


def run(options: ParityOptions, interruption: Interruption) -> tuple[LadderReport, Path]:
    """
    Climb the ladder.

    Returns:
        The report, and the `parity.json` that holds it.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    kept = directory.create(options.root)
    options, settled = _devices(options, kept, interruption)
    with _logged(options, (options.seed,), kept, settled) as (events, ended):
        settled.require(events)
        made, heard = _climb(options, kept, events, interruption)
        proof = SelfValidation()
        own = all(party.target is None for party in options.parties) and not options.unasked
        if own and ladder.verdict(made.climbed, made.refused) is Verdict.PASS:
            drawn = secrets.randbelow(2**31) if options.canary_seed is None else options.canary_seed
            proof = prove(options.plant, drawn, heard, options.parties, options.scan, kept, events, interruption)
        told = LadderReport(
            climbed=ladder.in_order(made.climbed),
            refused=made.refused,
            evidence=artifacts.keep(made.climbed, heard, kept),
            parties=_parties(heard),
            proof=proof,
            unanswered=tuple(name for name in QUANTITIES if name not in options.answered),
            foreign=tuple(party.side for party in options.parties if party.target is not None),
            seed=options.seed,
            seconds=time.monotonic() - clock,
            devices={side: device.words for side, device in settled.chosen.items()} if settled.gpu else {},
            notes=tuple(made.notes),
            unasked=options.unasked,
        )
        path = told.write(kept.path / "parity.json")
        events.write("parity.end", verdict=told.verdict.name, seconds=told.seconds)
        ended(told.verdict, told.proof.complaints)
    return told, path


def _logged(
    options: ParityOptions, wanted: Sequence[int], kept: RunRoot, settled: DeviceAssignment
) -> AbstractContextManager[tuple[EventLog, session.SessionResult]]:
    """The log of a run of the ladder. What must report is every rung of every question."""
    # A foreign target's environment has no lock of ours.
    locks = settled.locks([p.side for p in options.parties if p.target is None])
    fixtures = {options.scan.stem: options.scan}
    return session.logged(
        kept,
        kind="parity",
        name=settled.name("parity"),
        origin=provenance.describe(root=ROOT, locks=locks, fixtures=fixtures, device=settled.asked),
        expected=RequiredResults(
            rungs=tuple(
                plan.label(rung, precision, gridsize, seed)
                for seed in wanted
                for precision in options.precisions
                for gridsize in options.gridsizes
                for rung in plan.rungs(precision, options.answered)
            ),
            left_out=(*left_out(options, wanted), *settled.left_out),
        ),
    )


def left_out(options: ParityOptions, wanted: Sequence[int]) -> Iterator[str]:
    """Yield what keeps a run from being one of the whole ladder, in a sentence each."""
    if missing := [str(g) for g in GRIDSIZES if g not in options.gridsizes]:
        yield f"a part of the ladder: without gridsize {', '.join(missing)}"
    # Another checkout need not have mixed precision, and another device has no floors for it.
    spared = {MIXED} if any(party.target is not None or party.device != "cpu" for party in options.parties) else set()
    if absent := [name for name in PRECISIONS if name not in {*options.precisions, *spared}]:
        yield f"a part of the ladder: without {', '.join(absent)}"
    if options.steps < max(CHECKPOINTS):
        yield f"a shorter trajectory: {options.steps} steps instead of {max(CHECKPOINTS)}"
    for side in options.unasked:
        yield f"a part of the sides: without {side}"
    if options.plant is None and len(wanted) == 1:
        yield "a part of the ladder: without canaries (--canaries 0)"


def _devices(
    options: ParityOptions, kept: RunRoot, interruption: Interruption
) -> tuple[ParityOptions, DeviceAssignment]:
    """The options with every party on its device, and what is known of the devices."""
    parties = {party.side: party for party in options.parties}
    settled = settle.settle(
        {side: options.devices.get(side, "cpu") for side in parties},
        {side: party.described for side, party in parties.items()},
        {side: party.python for side, party in parties.items()},
        kept,
        interruption,
    )
    placed = [replace(party, device=settled.of(side)) for side, party in parties.items()]
    return replace(options, parties=placed), settled


def _climb(
    options: ParityOptions, kept: RunRoot, events: EventLog, interruption: Interruption
) -> tuple[_LadderSession, list[AnsweredQuestion]]:
    """Every question in its order; the verdict of the low rungs is reported as soon as the last of them is judged."""
    made, found = _LadderSession(), list[AnsweredQuestion]()
    try:
        asked = _plan(options, (options.seed,), kept)
    except PtychoError:
        raise
    except Exception as error:
        # The questions are made by the core and the oracle: what raises there is in what both backends share.
        made.climbed.append(_unasked(options, error))
        return made, found
    low = sum(question.is_low for question in asked)
    names = [*(party.side for party in options.parties), ORACLE]
    with Display(names, asked, quiet=options.quiet) as display:
        for heard in hear(options.parties, asked, kept, events, interruption, on_progress=display.answered):
            display.refused(ladder.refusals(heard.answers))
            judged = made.judge(heard)
            _tell(events, heard, judged)
            display.judged(judged)
            found.append(heard)
            if heard.number + 1 == low:
                early = ladder.verdict(made.climbed, made.refused)
                events.write("parity.low", verdict=early.name)
                display.say(f"{plan.LOW[0]} to {plan.LOW[-1]}: {early.label}")
    return made, found


def _unasked(options: ParityOptions, error: Exception) -> JudgedRung:
    """The lowest rung of a run whose questions could not even be made."""
    record = serve.describe(error, ROOT)
    why = failure.of_error(record, ROOT, CORE)
    sides = [party.side for party in options.parties]
    return JudgedRung(
        rung=RUNGS[0],
        gridsize=options.gridsizes[0],
        precision=options.precisions[0],
        judgements=(unanswered.without_oracle(RUNGS[0].name, why, sides),),
    )


def survey(options: ParityOptions, wanted: Sequence[int], interruption: Interruption) -> tuple[Survey, Path]:
    """
    Climb the ladder at many seeds: one process a backend for all of them, and nothing kept but the figures.

    Args:
        options: as for `run`; its seed and canaries are left aside.
        wanted: the seeds.
        interruption: asked while waiting.
    """
    kept = directory.create(options.root)
    made = {seed: _LadderSession() for seed in wanted}
    options, settled = _devices(options, kept, interruption)
    with _logged(options, wanted, kept, settled) as (events, ended):
        settled.require(events)
        asked = _plan(options, wanted, kept)
        names = [*(party.side for party in options.parties), ORACLE]
        with Display(names, asked, quiet=options.quiet) as display:
            for heard in hear(
                options.parties,
                asked,
                kept,
                events,
                interruption,
                on_progress=display.answered,
                timeout_s=SURVEY_TIMEOUT_S,
            ):
                judged = made[heard.question.seed].judge(heard)
                _tell(events, heard, judged)
                display.judged(judged)
                heard.question.path.unlink()
        found = parity_survey.collect(
            {seed: item.climbed for seed, item in made.items()},
            {f"seed {seed}, {key}": why for seed, item in made.items() for key, why in item.refused.items()},
        )
        path = found.write(kept.path / "parity-seeds.json")
        events.write("parity.end", verdict=found.verdict.name)
        ended(found.verdict, ())
    return found, path


def _tell(events: EventLog, heard: AnsweredQuestion, judged: Sequence[JudgedRung]) -> None:
    question = heard.question
    for item in judged:
        label = plan.label(item.rung.name, item.precision, item.gridsize, question.seed)
        worst = item.worst if item.result != Result.PASS else None
        fields: dict[str, Any] = {}
        if worst is not None:
            where = None if worst.location is None else str(worst.location)
            fields = {"guilty": list(item.guilty), "tensor": worst.tensor, "reason": "; ".join(worst.reasons)}
            fields |= {} if where is None else {"where": where}
            cause = ladder.verdict([item], {})
            fields |= {} if cause is Verdict.FAIL else {"cause": cause.label}
        events.write("rung.end", rung=label, result=str(item.result), **fields)


SURVEY_TIMEOUT_S = 6 * 3600.0
"""A bound for the sake of having one: a survey takes minutes a seed."""


def _plan(options: ParityOptions, wanted: Sequence[int], kept: RunRoot) -> list[plan.Question]:
    return plan.plan(
        gridsizes=options.gridsizes,
        precisions=options.precisions,
        seeds=wanted,
        scan=options.scan,
        steps=options.steps,
        folder=kept.path,
        answered=options.answered,
        # An adapter of another checkout may know no masks.
        masked=all(party.target is None for party in options.parties),
    )


def _parties(heard: Sequence[AnsweredQuestion]) -> Mapping[str, Mapping[str, object]]:
    return {item.question.label: {side: dict(found.manifest) for side, found in item.answers.items()} for item in heard}


def parties(pythons: Mapping[str, str], files: Mapping[str, Path]) -> list[Party]:
    """
    Those that are asked: the targets of some files, the shipped ones for the other sides.

    Raises:
        UsageError: a file is not a target, or has no adapter.
        InfrastructureError: something that it names is missing.
    """
    found = []
    for side, python in pythons.items():
        target = loader.load(files[side]) if side in files else None
        if target is not None:
            preflight.require(target)
        found.append(Party(side=side, python=python, target=target))
        # Asked for now, so that a target without an adapter is refused before anything runs.
        _ = found[-1].adapter
    return found


def _settled(party: Party, root: Path, interruption: Interruption) -> Party:
    """A party with its own environment, if its target has one."""
    if party.target is None:
        return party
    target, _ = environment.prepare(party.target, root, interruption)
    return replace(party, target=target, python=str(target.interpreter) if target.install else party.python)


def main(options: ParityOptions, *, follow: int | None, wanted: Sequence[int] = ()) -> int:
    """Run, at one seed or at many, print, and return the exit code."""
    from harness.system import identity

    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        settled = [_settled(party, options.root, interruption) for party in options.parties]
        options = replace(options, parties=settled)
        if wanted:
            surveyed, path = survey(options, wanted, interruption)
            verdict, show = surveyed.verdict, partial(parity_survey.show, surveyed)
        else:
            made, path = run(options, interruption)
            verdict, show = made.verdict, partial(ladder_report.show, made)
    if options.json:
        print(path.read_text(encoding="utf-8"), end="", flush=True)
    else:
        show()
        print(f"report: {path}", flush=True)
        print(summary.how_to_see(path.parent), flush=True)
    return int(verdict)


def again(path: Path, *, as_json: bool = False) -> int:
    """Judge one kept comparison again; returns the exit code."""
    judged = replay.again(path)
    if as_json:
        print(json.dumps(ladder_report.judgement(judged), indent=1, ensure_ascii=False, allow_nan=False), flush=True)
    else:
        replay.show(judged)
    return int(Verdict.PASS if judged.result == "pass" else Verdict.FAIL)
