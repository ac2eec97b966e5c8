"""`python -m harness kill-test`: kill runs at random moments, and look what is left and whether the next one passes."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.faults.kill import campaign, plan, workloads
from harness.faults.kill import report as kill_report
from harness.faults.kill.campaign import KillScore
from harness.faults.kill.kill import Victim
from harness.faults.kill.plan import PlannedKill
from harness.faults.kill.progress import KillProgress
from harness.faults.kill.setup import KillSetup, set_up
from harness.faults.kill.trial import KillTrial
from harness.record import directory, provenance
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.runs import session, summary
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.fingerprint import ROOT


@dataclass(frozen=True, kw_only=True)
class KillTestOptions:
    """
    Options of the command.

    Attributes:
        count: how many kills.
        seed: of everything that is drawn.
        victims: the process to kill.
        pythons: interpreter by shipped backend that takes part.
        jobs: kills at a time.
        scan: file to train on.
        root: the workspace's folder for runs.
        json: print the report as JSON, and nothing else.
        whole: kills of a whole campaign; fewer are a sample, which has a name of its own.
        checkout: folder of the packages under test.
    """

    count: int
    seed: int
    victims: tuple[Victim, ...] = tuple(Victim)
    pythons: Mapping[str, str]
    jobs: int
    scan: Path
    root: Path
    json: bool = False
    whole: int = 200
    checkout: Path = ROOT


def label(number: int) -> str:
    """Name of a kill in the log: each of them must report."""
    return f"kill {number:03d}"


def run(options: KillTestOptions, interruption: Interruption) -> tuple[KillScore, Path]:
    """
    Make the kills.

    Returns:
        The score, and the `kill-test.json` that holds it.

    Raises:
        UsageError: there is no such backend.
        InfrastructureError: a job does not pass although nobody is killed.
        KeyboardInterrupt: the campaign was asked to end.
    """
    clock = time.monotonic()
    kept = directory.create(options.root)
    with _logged(options, kept) as (events, ended), KillProgress(options.count, quiet=options.json) as shown:

        def tell(made: KillTrial) -> None:
            result = "fail" if made.failures else "pass"
            events.write("ending.end", **made.as_dict())
            events.write("rung.end", rung=label(made.planned.number), result=result)
            shown.tried(made)

        shown.say(f"seed {options.seed}; first without a kill")
        stage = KillSetup(
            kept=kept, events=events, interruption=interruption, scan=options.scan, checkout=options.checkout
        )
        stage = set_up(stage, {workloads.STAND_IN: sys.executable, **options.pythons})
        planned: list[PlannedKill] = plan.draw(options.count, options.seed, options.victims, stage.jobs)
        trials = campaign.run(planned, stage, jobs=options.jobs, on_trial=tell)
        score = KillScore(
            trials=trials,
            planned=options.count,
            seed=options.seed,
            seconds=time.monotonic() - clock,
            strays=_strays(),
        )
        path = kill_report.write(score, kept.path / "kill-test.json")
        ended(score.verdict, [f"a process outlived all trials: {stray}" for stray in score.strays])
    return score, path


def _logged(options: KillTestOptions, kept: RunRoot) -> AbstractContextManager[tuple[EventLog, session.SessionResult]]:
    """The log of a campaign. What must report is every kill."""
    return session.logged(
        kept,
        kind="kill-test",
        name="kill-test" if options.count >= options.whole else "kill-test-sample",
        origin=provenance.describe(
            root=options.checkout, locks=[], fixtures={options.scan.stem: options.scan}, device="cpu"
        ),
        expected=RequiredResults(
            rungs=tuple(label(number) for number in range(1, options.count + 1)), left_out=_left_out(options)
        ),
    )


def _left_out(options: KillTestOptions) -> tuple[str, ...]:
    """Return what keeps a campaign from being a whole one, in a sentence each."""
    missing = [victim.value for victim in Victim if victim not in options.victims]
    return (f"a part of the victims: without {', '.join(missing)}",) if missing else ()


def _strays() -> tuple[str, ...]:
    """Living processes below this one after the last trial, each killed: none is ours any more."""
    below = identity.descendants(os.getpid())
    found = [process for process in below if identity.start_time(process.pid) is not None]
    told = tuple(identity.describe(process) for process in found)
    identity.end(lambda: [item for item in found if identity.start_time(item.pid)], grace_s=0.0, hurry=lambda: True)
    return told


def main(options: KillTestOptions, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        score, path = run(options, interruption)
    if options.json:
        print(json.dumps(kill_report.as_dict(score), indent=1, ensure_ascii=False))
    else:
        kill_report.show(score)
        print(f"report: {path}", flush=True)
        print(summary.how_to_see(path.parent), flush=True)
    return int(score.verdict)
