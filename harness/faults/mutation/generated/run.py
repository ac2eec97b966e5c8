"""`python -m harness mutation --generate`: changes drawn from the syntax tree, tried, and reported with their lines."""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.faults.mutation import records, setup
from harness.faults.mutation.generated import draw, report, trial
from harness.faults.mutation.generated.changes import GeneratedChange
from harness.faults.mutation.generated.report import GeneratedScore
from harness.faults.mutation.generated.trial import ALIVE, EQUIVALENT, ERROR, ChangeJudges, ChangeTrial, TestsOf
from harness.faults.mutation.setup import MutationSetup
from harness.faults.mutation.user_path import ladder_run
from harness.files import untrusted
from harness.files.run_files import write_text
from harness.record import directory, provenance
from harness.record.required import RequiredResults
from harness.runs import session, summary
from harness.system import identity
from harness.system.pool import several
from harness.system.progress import Steps
from harness.system.signals import Interruption
from ptycho.errors import UsageError
from ptycho.fingerprint import ROOT

FILE, PROOFS = "generated.ndjson", "equivalents.json"
MAX_PROOFS = 2**20


@dataclass(frozen=True, kw_only=True)
class GeneratedOptions:
    """
    The options of a sample.

    Attributes:
        count: how many changes.
        seed: of the draw; None takes it from the commit.
        jobs: trials at a time.
        pythons: interpreter by side.
        scan: file for the rung of the data.
        root: the workspace's folder for runs.
        tests_of: which test files can see a file.
        json: print the report as JSON, and nothing else.
        resume: folder of results, which is read first and written to; the run's own if None.
        places: folders whose functions are drawn.
        ladder: whether the ladder is asked where the tests find nothing.
        checkout: what is copied and changed.
    """

    count: int
    seed: int | None = None
    jobs: int
    pythons: Mapping[str, str]
    scan: Path
    root: Path
    tests_of: TestsOf
    json: bool = False
    resume: Path | None = None
    places: Sequence[str] = draw.PLACES
    ladder: bool = True
    checkout: Path = ROOT


def run(
    options: GeneratedOptions,
    interruption: Interruption,
    checks_of: Callable[[MutationSetup, TestsOf], ChangeJudges] | None = None,
) -> tuple[GeneratedScore, Path]:
    """
    Draw changes and try them.

    Args:
        options: what is asked.
        interruption: asked while waiting.
        checks_of: makes what judges; the tests and the ladder if None.

    Returns:
        The score, and the `generated.json` that holds it.

    Raises:
        UsageError: there is no commit to take the seed from, or a proof is for no change.
        InfrastructureError: the ladder does not pass without any change.
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    seed = draw.seed_of(options.checkout) if options.seed is None else options.seed
    every = draw.functions(options.checkout, options.places)
    chosen = draw.drawn(options.checkout, every, options.count, seed)
    kept = directory.create(options.root)
    results, code = options.resume or kept.path, records.of_code(options.checkout)
    before, proofs = read(results, chosen, code), proofs_of(results)
    left = [change for change in chosen if change.id not in before]
    with (
        session.logged(
            kept,
            kind="mutation",
            name="mutation-generated",
            origin=provenance.describe(root=options.checkout, locks=[], fixtures={}, device="cpu"),
            expected=RequiredResults(rungs=tuple(map(label, chosen)), left_out=("a sample of generated changes",)),
        ) as (events, ended),
        Steps("changes", len(chosen), quiet=options.json, before=len(before)) as shown,
    ):
        shown.say(f"seed {seed}: {len(chosen)} changes, {len(before)} results are there")
        place = setup.set_up(
            kept,
            events,
            interruption,
            pythons=options.pythons,
            scan=options.scan,
            root=options.checkout,
            as_user=True,
            compared=False,
            asked=False,
        )
        place = replace(place, tree=trial.whole(options.checkout, kept.scratch / "whole"))
        if checks_of is None:
            checks = trial.checks_of(place, options.tests_of, ladder=options.ladder)
            if options.ladder and any(trial.owner(change) in trial.LADDER_OWNERS for change in left):
                ladder_run.stands(place)
        else:
            checks = checks_of(place, options.tests_of)
        done = dict(before)
        for made in several(
            lambda change: trial.run(change, place, checks), left, jobs=options.jobs, interruption=interruption
        ):
            done[made.change.id] = made
            append(results, made, code)
            shown.done(f"{made.outcome}: {made.change}", seconds=made.seconds, notable=made.outcome == ALIVE)
        tried = [proved(done[change.id], proofs) for change in chosen]
        for made in tried:
            result = "unverified" if made.outcome == ERROR else "fail" if made.outcome == ALIVE else "pass"
            events.write("rung.end", rung=label(made.change), result=result)
        score = GeneratedScore(
            tried=tried,
            functions=sum(map(bool, every.values())),
            changes=sum(map(len, every.values())),
            seed=seed,
            seconds=time.monotonic() - clock,
        )
        path = kept.path / "generated.json"
        write_text(path, json.dumps(report.as_dict(score), indent=1, ensure_ascii=False) + "\n")
        ended(score.verdict, report.lines(score))
    return score, path


def label(change: GeneratedChange) -> str:
    """Return what must report of a change."""
    return f"change {change.id}"


def main(options: GeneratedOptions, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        score, path = run(options, interruption)
    if options.json:
        print(json.dumps(report.as_dict(score), indent=1, ensure_ascii=False))
    else:
        for line in report.lines(score):
            print(line)
        print(report.sentence(score))
        print(f"report: {path}", flush=True)
        print(summary.how_to_see(path.parent), flush=True)
    return int(score.verdict)


def append(folder: Path, made: ChangeTrial, code: str) -> None:
    """Write down one result; an undecided one is not, and so is tried again."""
    if made.outcome == ERROR:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"code": code, **report.row(made)}, ensure_ascii=False) + "\n")


def read(folder: Path, chosen: Sequence[GeneratedChange], code: str) -> dict[str, ChangeTrial]:
    """Results of the same changes of the same code that were written down; a line that was cut off is none."""
    wanted = {change.id: change for change in chosen}
    found: dict[str, ChangeTrial] = {}
    path = folder / FILE
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if said.get("code") == code and said.get("id") in wanted:
            names = ("outcome", "at", "detail", "tests", "seconds")
            values = {name: said[name] for name in names}
            found[said["id"]] = ChangeTrial(change=wanted[said["id"]], named=tuple(said["named"]), **values)
    return found


def proofs_of(folder: Path) -> dict[str, str]:
    """
    Proofs that a change is equivalent, by its id: `equivalents.json` in the folder of results.

    Raises:
        UsageError: it is not an object of texts.
    """
    path = folder / PROOFS
    if not path.is_file():
        return {}
    try:
        found = json.loads(untrusted.read_text(path, MAX_PROOFS))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(proof, str) and proof.strip() for proof in found.values()):
        raise UsageError(f'{path} must say why each change is equivalent: {{"ID": "PROOF"}}')
    return found


def proved(made: ChangeTrial, proofs: Mapping[str, str]) -> ChangeTrial:
    """
    A survivor with a proof is equivalent.

    Raises:
        UsageError: the proof is of a change that was killed.
    """
    proof = proofs.get(made.change.id)
    if proof is None or made.outcome in (EQUIVALENT, ERROR):
        return made
    if made.outcome != ALIVE:
        raise UsageError(f"{made.change.id} was killed ({made.detail}); take its proof out of {PROOFS}")
    return replace(made, outcome=EQUIVALENT, detail=proof)
