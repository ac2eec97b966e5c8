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

from harness.lanes.device import settle
from harness.lanes.device.settle import DeviceAssignment
from harness.parity import survey as parity_survey
from harness.parity.compare import failure
from harness.parity.compare.rungs import MIXED, PRECISIONS, RUNGS
from harness.parity.exchange import plan
from harness.parity.exchange.backend_client import Party
from harness.parity.exchange.collect import CORE, ORACLE, AnsweredQuestion, hear
from harness.parity.judge import ladder, unanswered
from harness.parity.judge.ladder import JudgedRung
from harness.parity.ladder_session import LadderSession, write_rungs
from harness.parity.output import artifacts, replay
from harness.parity.output import report as ladder_report
from harness.parity.output.evidence import SelfValidation
from harness.parity.output.progress import Display
from harness.parity.output.report import LadderReport
from harness.parity.reference.drawn import PRECISION, DrawnProblem, draw
from harness.parity.reference.drawn import RUNGS as DRAWN_RUNGS
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
        drawn: patch sides of drawn problems that are climbed, too; a survey climbs one of each at every seed, and
            nothing else.
        drawn_seed: seed of the first of them; drawn and printed if None.
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
    drawn: tuple[int, ...] = ()
    drawn_seed: int | None = None

    @property
    def problems(self) -> tuple[DrawnProblem, ...]:
        """Drawn problems of a run, each of a seed of its own."""
        first = 0 if self.drawn_seed is None else self.drawn_seed
        return tuple(draw(side, first + number) for number, side in enumerate(self.drawn))

    @property
    def answered(self) -> tuple[str, ...]:
        """Rungs that every party answers."""
        return tuple(name for name in QUANTITIES if all(name in party.adapter.quantities for party in self.parties))


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
    if options.drawn and options.drawn_seed is None:
        options = replace(options, drawn_seed=secrets.randbelow(2**31))
    with _logged(options, (options.seed,), kept, settled, options.problems) as (events, ended):
        settled.require(events)
        made, heard = _climb(options, kept, events, interruption)
        proof = SelfValidation()
        own = all(party.target is None for party in options.parties) and not options.unasked
        if own and ladder.verdict(made.climbed, made.refused) is Verdict.PASS:
            drawn = secrets.randbelow(2**31) if options.canary_seed is None else options.canary_seed
            own_answers = [item for item in heard if item.question.drawn is None]
            proof = prove(options.plant, drawn, own_answers, options.parties, options.scan, kept, events, interruption)
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
            problems=tuple(item.words for item in options.problems),
        )
        path = told.write(kept.path / "parity.json")
        events.write("parity.end", verdict=told.verdict.name, seconds=told.seconds)
        ended(told.verdict, told.proof.complaints)
    return told, path


def _logged(
    options: ParityOptions,
    wanted: Sequence[int],
    kept: RunRoot,
    settled: DeviceAssignment,
    problems: Sequence[DrawnProblem] = (),
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
            rungs=(
                *(
                    plan.label(rung, precision, gridsize, seed)
                    for seed in wanted
                    for precision in options.precisions
                    for gridsize in options.gridsizes
                    for rung in plan.rungs(precision, options.answered)
                ),
                *(
                    plan.label(rung, PRECISION, item.model.gridsize, item.seed, item.model.side)
                    for item in problems
                    for rung in DRAWN_RUNGS
                    if rung in options.answered
                ),
            ),
            left_out=(*left_out(options, wanted), *settled.left_out),
        ),
    )


def left_out(options: ParityOptions, wanted: Sequence[int]) -> Iterator[str]:
    """Yield what keeps a run from being one of the whole ladder, in a sentence each."""
    if not wanted:
        yield "a part of the ladder: drawn problems alone"
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
    if not options.drawn and len(wanted) == 1 and all(party.target is None for party in options.parties):
        yield "a part of the ladder: without drawn problems (--no-drawn)"
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
) -> tuple[LadderSession, list[AnsweredQuestion]]:
    """Every question in its order; the verdict of the low rungs is reported as soon as the last of them is judged."""
    made, found = LadderSession(), list[AnsweredQuestion]()
    try:
        asked = [*_plan(options, (options.seed,), kept), *_plan_drawn(options, options.problems, kept)]
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
            write_rungs(events, heard, judged)
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
    made = {seed: LadderSession() for seed in wanted}
    options, settled = _devices(options, kept, interruption)
    problems = [draw(side, seed) for seed in wanted for side in options.drawn]
    with _logged(options, () if problems else wanted, kept, settled, problems) as (events, ended):
        settled.require(events)
        asked = _plan_drawn(options, problems, kept) if problems else _plan(options, wanted, kept)
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
                write_rungs(events, heard, judged)
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


def _plan_drawn(options: ParityOptions, problems: Sequence[DrawnProblem], kept: RunRoot) -> list[plan.Question]:
    return plan.plan_drawn(problems, scan=options.scan, folder=kept.path, answered=options.answered)


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
