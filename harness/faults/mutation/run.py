"""`python -m harness mutation`: the whole catalogue, or a part of it, tried and reported."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.faults.mutation import allclose, campaign, catalogue, lane_trial, publish, records, setup
from harness.faults.mutation import report as mutation_report
from harness.faults.mutation.campaign import MutationScore
from harness.faults.mutation.catalogue import FOLDER, Mutant
from harness.faults.mutation.entry import LADDER, LANE, SELF_CHECK
from harness.faults.mutation.progress import MutationProgress
from harness.faults.mutation.result import MutantOutcome, MutantTrial
from harness.faults.mutation.user_path import ladder_run
from harness.faults.mutation.user_path import report as user_path_report
from harness.record import directory, provenance
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.runs import session, summary
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT


@dataclass(frozen=True, kw_only=True)
class MutationOptions:
    """
    Options of the command.

    Attributes:
        ids: patterns of ids; empty for all.
        sample: how many of them, drawn at random; None for all.
        seed: seed of the sample.
        more: near relations of the catalogue's mutants, too.
        jobs: trials at a time.
        pythons: interpreter by side.
        scan: file for the rung of the data, and for lanes.
        root: the workspace's folder for runs.
        json: print the report as JSON, and nothing else.
        write: write page and line of the documentation.
        edits: the one-line edits instead of the catalogue.
        plain: compare outputs plainly, too.
        resume: folder of results, which is read first and written to; the run's own if None.
        folder: the catalogue.
        checkout: what is copied and changed, and holds the documentation.
    """

    ids: tuple[str, ...] = ()
    sample: int | None = None
    seed: int
    more: bool = False
    jobs: int
    pythons: Mapping[str, str]
    scan: Path
    root: Path
    json: bool = False
    write: bool = False
    edits: bool = False
    plain: bool = True
    resume: Path | None = None
    folder: Path = FOLDER
    checkout: Path = ROOT


def run(options: MutationOptions, interruption: Interruption) -> tuple[MutationScore, Path]:
    """
    Try mutants.

    Returns:
        The score, and the `mutation.json` that holds it.

    Raises:
        UsageError: the catalogue does not fit the code, or a pattern fits no mutant.
        InfrastructureError: the ladder does not pass without any mutant.
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    mutants = catalogue.load(options.folder / (catalogue.EDITS if options.edits else ""), options.checkout)
    if options.more:
        mutants += catalogue.load(options.folder / catalogue.MORE, options.checkout)
    chosen = catalogue.matching(mutants, options.ids)
    if options.sample is not None:
        chosen = campaign.sample(chosen, options.sample, options.seed)
    kept = directory.create(options.root)
    code, results = records.of_code(options.checkout), options.resume or kept.path
    before, stale = records.read(results, chosen, code)
    compared = options.plain and not options.edits
    with (
        _logged(options, chosen, kept) as (events, ended),
        MutationProgress(chosen, quiet=options.json, before=len(before)) as shown,
    ):
        if before or stale:
            shown.say(f"{len(before)} of {len(chosen)} results are there; {stale} are of other code or another entry")
        shown.say("the clean pair")
        place = setup.set_up(
            kept,
            events,
            interruption,
            pythons=options.pythons,
            scan=options.scan,
            judged={"f64", *(mutant.precision for mutant in chosen)},
            root=options.checkout,
            as_user=True,
            compared=compared,
            asked=compared or any(mutant.gate == SELF_CHECK for mutant in chosen),
        )
        if any(mutant.gate in LADDER and mutant.id not in before for mutant in chosen):
            ladder_run.stands(place)
        for side in sorted({lane_trial.LANE_OF[m.guilty] for m in chosen if m.gate == LANE and m.id not in before}):
            shown.say(f"the clean lane {side}")
            lane_trial.stands(side, place)

        def tell(made: MutantTrial) -> None:
            result = "unverified" if made.outcome is MutantOutcome.ERROR else "pass" if made.is_right else "fail"
            events.write("rung.end", rung=label(made.mutant), result=result)

        def write_down(made: MutantTrial) -> None:
            records.append(results, made, code)
            tell(made)
            shown.tried(made)

        for made in before.values():
            tell(made)
        trials = campaign.run(chosen, place, jobs=options.jobs, on_trial=write_down, before=before)
        pairs = [allclose.kills(item.answers) for item in place.wanted(None, allclose.PRECISION)] if compared else []
        score = MutationScore(
            trials=trials,
            accepted={name: not any(found[name] for found in pairs) for name in allclose.KEYS if compared},
            seconds=time.monotonic() - clock,
            catalogue=len(mutants),
            seed=None if options.sample is None else options.seed,
        )
        path = mutation_report.write(score, kept.path / "mutation.json")
        events.write("mutation.end", verdict=score.verdict.name, killed=score.killed, seconds=score.seconds)
        ended(user_path_report.verdict(score) if options.edits else score.verdict, mutation_report.wrong(score))
    return score, path


def label(mutant: Mutant) -> str:
    """Return what must report of a mutant."""
    return f"mutant {mutant.id}"


def _logged(
    options: MutationOptions, chosen: Sequence[Mutant], kept: RunRoot
) -> AbstractContextManager[tuple[EventLog, session.SessionResult]]:
    """The log of a campaign. What must report is every mutant that was chosen."""
    return session.logged(
        kept,
        kind="mutation",
        name="mutation" if options.sample is None else "mutation-sample",
        origin=provenance.describe(
            root=options.checkout,
            locks=[ROOT / "requirements" / f"{side}-cpu.txt" for side in options.pythons],
            fixtures={options.scan.stem: options.scan},
            device="cpu",
        ),
        expected=RequiredResults(rungs=tuple(map(label, chosen)), left_out=_left_out(options)),
    )


def _left_out(options: MutationOptions) -> tuple[str, ...]:
    """Yield what keeps a campaign from being one over the catalogue, in a sentence each."""
    found = [f"a part of the catalogue: {', '.join(options.ids)}"] if options.ids else []
    found += ["another catalogue: the one-line edits"] if options.edits else []
    return tuple(found)


def main(options: MutationOptions, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        score, path = run(options, interruption)
    if options.json:
        print(json.dumps(mutation_report.as_dict(score), indent=1, ensure_ascii=False))
    else:
        (user_path_report if options.edits else mutation_report).show(score)
        print(f"report: {path}", flush=True)
        print(summary.how_to_see(path.parent), flush=True)
    if options.write:
        for written in (user_path_report if options.edits else publish).write(score, options.checkout):
            print(f"written: {written}", file=sys.stderr)
    return int(user_path_report.verdict(score) if options.edits else score.verdict)


def listing(patterns: Sequence[str], *, more: bool = False, edits: bool = False) -> int:
    """Print the catalogue; returns the exit code."""
    listed = catalogue.load(FOLDER / catalogue.EDITS) if edits else catalogue.load()
    listed += catalogue.load(FOLDER / catalogue.MORE) if more else ()
    for mutant in catalogue.matching(listed, patterns):
        print(line(mutant))
    return 0


def line(mutant: Mutant) -> str:
    """A mutant in a line."""
    return f"{mutant.id:44}  {mutant.dies_at or 'lives':5}  {mutant.guilty:8} {mutant.story}"
