"""`python -m harness endings`: kill runs at random moments, and look what is left and whether the next one passes."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness import origin, processes, report_commands, run_log, runroot
from harness.endings import campaign, jobs, plan, report
from harness.endings.campaign import Score
from harness.endings.plan import Planned
from harness.endings.progress import Progress
from harness.endings.stage import Stage, set_up
from harness.endings.strike import Victim
from harness.endings.trial import Trial
from harness.events import EventLog
from harness.expectations import Expected
from harness.interruption import Interruption
from harness.runroot import RunRoot
from ptycho.fingerprint import ROOT


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    What the user asked for.

    Attributes:
        count: how many kills.
        seed: of everything that is drawn.
        victims: whom to kill.
        pythons: interpreter by shipped backend that takes part.
        jobs: kills at a time.
        scan: file to train on.
        root: the workspace's folder for runs.
        json: print the report as JSON, and nothing else.
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
    checkout: Path = ROOT


def label(number: int) -> str:
    """Name of a kill in the log: each of them must report."""
    return f"kill {number:03d}"


def run(options: Options, interruption: Interruption) -> tuple[Score, Path]:
    """
    Make the kills.

    Returns:
        The score, and the `endings.json` that holds it.

    Raises:
        UsageError: there is no such backend.
        InfrastructureError: a job does not pass although nobody is killed.
        KeyboardInterrupt: the campaign was asked to end.
    """
    clock = time.monotonic()
    kept = runroot.create(options.root)
    with _logged(options, kept) as (events, ended), Progress(options.count, quiet=options.json) as shown:

        def tell(made: Trial) -> None:
            result = "fail" if made.failures else "pass"
            events.write("ending.end", **made.as_dict())
            events.write("rung.end", rung=label(made.planned.number), result=result)
            shown.tried(made)

        shown.say(f"seed {options.seed}; first without a kill")
        stage = Stage(kept=kept, events=events, interruption=interruption, scan=options.scan, checkout=options.checkout)
        stage = set_up(stage, {jobs.STAND_IN: sys.executable, **options.pythons})
        planned: list[Planned] = plan.draw(options.count, options.seed, options.victims, stage.jobs)
        trials = campaign.run(planned, stage, jobs=options.jobs, on_trial=tell)
        score = Score(
            trials=trials,
            planned=options.count,
            seed=options.seed,
            seconds=time.monotonic() - clock,
            strays=_strays(),
        )
        path = report.write(score, kept.path / "endings.json")
        ended(score.verdict, [f"a process outlived all trials: {stray}" for stray in score.strays])
    return score, path


def _logged(options: Options, kept: RunRoot) -> AbstractContextManager[tuple[EventLog, run_log.Ended]]:
    """The log of a campaign. What must report is every kill."""
    return run_log.logged(
        kept,
        kind="endings",
        origin=origin.describe(
            root=options.checkout, locks=[], fixtures={options.scan.stem: options.scan}, device="cpu"
        ),
        expected=Expected(rungs=tuple(label(number) for number in range(1, options.count + 1))),
    )


def _strays() -> tuple[str, ...]:
    """Living processes below this one after the last trial, each killed: none is ours any more."""
    below = processes.descendants(os.getpid())
    found = [process for process in below if processes.start_time(process.pid) is not None]
    told = tuple(processes.describe(process) for process in found)
    processes.end(lambda: [item for item in found if processes.start_time(item.pid)], grace_s=0.0, hurry=lambda: True)
    return told


def main(options: Options, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    processes.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        score, path = run(options, interruption)
    if options.json:
        print(json.dumps(report.as_dict(score), indent=1, ensure_ascii=False))
    else:
        report.show(score)
        print(f"report: {path}", flush=True)
        print(report_commands.how_to_see(path.parent), flush=True)
    return int(score.verdict)
