"""
One kill and its aftermath: start a run, kill at the moment, look at log and checkpoint, run again, look at everything.

The order matters. The checkpoint is copied before the next run sweeps it away; processes and bytes are looked at after
the next run, because it is what cleans up after a harness that could not.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.faults.kill import kill_points, launch, postconditions, snapshot
from harness.faults.kill.kill import SentKill, Victim, bit, runs, strike
from harness.faults.kill.launch import NOXFILE, LaunchedCommand
from harness.faults.kill.plan import PlannedKill
from harness.faults.kill.postconditions import PostconditionFailure, ResumeResult
from harness.faults.kill.setup import LIMIT_S, KillSetup
from harness.faults.kill.snapshot import Guard
from harness.record import log as event_log
from harness.record.log import Row
from harness.system.rmtree import remove_tree

ATTEMPTS = 6
"""A kill that comes too late is drawn again this often."""

ALONE_S = 60.0
"""How long a harness whose nox was killed may take to end by itself."""


@dataclass(frozen=True, kw_only=True)
class KillTrial:
    """
    The result of a kill.

    Attributes:
        planned: what was to be done.
        moment: when the kill was sent, in words.
        phase: what it hit, by the log.
        missed: kills before that came too late.
        failures: what does not hold.
        checkpoint: the result of the last checkpoint.
        seconds: wall time.
    """

    planned: PlannedKill
    moment: str = ""
    phase: str = ""
    missed: int = 0
    failures: tuple[PostconditionFailure, ...] = ()
    checkpoint: ResumeResult = field(default_factory=ResumeResult)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for the log."""
        return {
            "trial": self.planned.number,
            "victim": str(self.planned.victim),
            "job": self.planned.job.name,
            "moment": self.moment,
            "phase": self.phase,
            "missed": self.missed,
            "checkpoint_epoch": self.checkpoint.epoch if self.checkpoint.loaded else None,
            "failures": [str(failure) for failure in self.failures],
            "seconds": round(self.seconds, 1),
        }


@dataclass(kw_only=True)
class _Scene:
    """The places of a trial while it goes on."""

    planned: PlannedKill
    stage: KillSetup
    folder: Path
    places: Guard
    failures: list[PostconditionFailure] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.planned.number:03d}"

    def start(self, *options: str, nox: bool = False, log: str) -> LaunchedCommand:
        job = self.planned.job
        argv = launch.lane(job.python, job.target.file, self.stage.scan, *options)
        if nox:
            argv = launch.through_nox(argv, self.places, self.folder / "nox")
        return self.stage.start(argv, self.places, self.name, self.folder / log)

    def fail(self, check: str, sentences: Sequence[str]) -> None:
        self.failures += postconditions.of(check, sentences)


def run(planned: PlannedKill, stage: KillSetup) -> KillTrial:
    """
    Try one kill.

    Raises:
        KeyboardInterrupt: the campaign was asked to end; no process of the trial is left.
    """
    clock = time.monotonic()
    folder = stage.kept.scratch / f"trial-{planned.number:03d}"
    places = Guard(path=folder / "places").make()
    if planned.victim is Victim.NOX:
        (places.cwd / "noxfile.py").write_text(NOXFILE)
    scene = _Scene(planned=planned, stage=stage, folder=folder, places=places)
    started: list[LaunchedCommand] = []
    try:
        made = _tried(scene, snapshot.state(places), started)
    finally:
        for launched in started:
            launched.end()
    if made.failures:
        _keep(folder, places, stage.kept.path / "failed" / scene.name)
    remove_tree(folder)
    return replace(made, seconds=time.monotonic() - clock)


def _tried(scene: _Scene, before: snapshot.State, started: list[LaunchedCommand]) -> KillTrial:
    planned, stage = scene.planned, scene.stage
    for attempt in range(ATTEMPTS):
        moment = planned.moment(attempt)
        known = runs(scene.places.root)
        # A training's checkpoint must outlive the harness that outlives it.
        keep = ("--keep",) if planned.victim is Victim.TRAINING else ()
        launched = scene.start(*keep, nox=planned.victim is Victim.NOX, log=f"killed-{attempt}.log")
        started.append(launched)
        struck = strike(launched, planned.victim, moment, known, stage.interruption, LIMIT_S)
        if struck is not None and (resumed := _aftermath(scene, launched, struck)) is not None:
            break
        if launched.wait(LIMIT_S, stage.interruption) is None:
            scene.fail("kill", [f"a run that was not killed did not end in {LIMIT_S:g} s"])
    else:
        scene.fail("kill", [f"the run was over before {ATTEMPTS} kills, the last one at {moment}"])
        return KillTrial(planned=planned, moment=str(moment), missed=ATTEMPTS, failures=tuple(scene.failures))
    _next_run(scene, struck, before, started)
    return KillTrial(
        planned=planned,
        moment=str(moment),
        phase=kill_points.phase(struck.rows),
        missed=attempt,
        failures=tuple(scene.failures),
        checkpoint=resumed,
    )


def _aftermath(scene: _Scene, launched: LaunchedCommand, struck: SentKill) -> ResumeResult | None:
    """Return what must hold before the next run; None if the kill turns out to have hit nobody."""
    planned, stage = scene.planned, scene.stage
    saved, resumed = scene.folder / "saved", ResumeResult()
    if planned.victim is Victim.HARNESS:
        copied = postconditions.save_checkpoint(struck.run, stage.scan, saved)
        # Once its fixture has reported, a run removes the checkpoint with its scratch: it may be half way.
        reported = any(row["event"] == "fixture.end" for row in _rows(struck))
        least = 0 if reported and copied is None else _epochs(struck.rows)
        resumed = postconditions.resume(copied, planned.job, stage, scene.name, least=least, most=None)
    elif planned.victim is Victim.TRAINING:
        code = launched.wait(LIMIT_S, stage.interruption)
        rows = _rows(struck)
        if not bit(planned.victim, rows):
            return None
        assert struck.run is not None
        scene.fail("verdict", postconditions.verdict(struck.run, code))
        copied = postconditions.save_checkpoint(struck.run, stage.scan, saved)
        least = _epochs(rows)
        resumed = postconditions.resume(copied, planned.job, stage, scene.name, least=least, most=least + 1)
    else:
        _ends_alone(scene, launched)
    scene.fail("checkpoint", resumed.wrong)
    if struck.run is not None and struck.run.events.is_file():
        scene.fail("log", postconditions.log(struck.run.events.read_bytes(), scene.folder / "rebuilt"))
    return resumed


def _ends_alone(scene: _Scene, launched: LaunchedCommand) -> None:
    """The harness below a killed nox notices and ends by itself."""
    until = time.monotonic() + ALONE_S
    while (alive := launched.alive()) and time.monotonic() < until:
        scene.stage.interruption.check()
        time.sleep(0.05)
    scene.fail("processes", [f"alive {ALONE_S:g} s after nox was killed: {found}" for found in alive])


def _next_run(scene: _Scene, struck: SentKill, before: snapshot.State, started: list[LaunchedCommand]) -> None:
    """Run the same again, and look at what is left."""
    launched = scene.start(log="next.log")
    started.append(launched)
    code = launched.wait(LIMIT_S, scene.stage.interruption)
    if code != 0:
        scene.fail("next run", [f"it ended with {code}: {launched.tail()}"])
    scene.fail("next run", postconditions.left_in(scene.places.root))
    scene.fail("processes", launched.alive())
    names = {run.rpartition("-")[2] for run in map(str, runs(scene.places.root))}
    names |= {str(row["pid"]) for row in _rows(struck)}
    changed = snapshot.differences(before, snapshot.state(scene.places))
    scene.fail("bytes", [*changed, *snapshot.shared_memory(frozenset(names))])
    if struck.run is not None and struck.run.events.is_file():
        scene.fail("log", postconditions.log(struck.run.events.read_bytes(), scene.folder / "rebuilt-later"))


def _rows(struck: SentKill) -> list[Row]:
    """The whole log of the killed run by now."""
    if struck.run is None or not struck.run.events.is_file():
        return list(struck.rows)
    return list(event_log.parse(struck.run.events.read_bytes()).rows)


def _epochs(rows: Sequence[Row]) -> int:
    return postconditions.epochs(rows)


def _keep(folder: Path, places: Guard, kept: Path) -> None:
    """Keep what a failed trial can be understood by: outputs, logs, and what the runs kept, without their scratch."""
    kept.mkdir(parents=True)
    for path in folder.glob("*.log"):
        shutil.copyfile(path, kept / path.name)
    for path in runs(places.root):
        for name in ("events.ndjson", "verdict.json", "run.json"):
            if (path / name).is_file():
                shutil.copyfile(path / name, kept / f"{path.name}-{name}")
        for log in (path / "logs").glob("*.log"):
            shutil.copyfile(log, kept / f"{path.name}-{log.name}")
