"""
The common part of a campaign's trials: its run, its jobs, and the proof that each passes as long as nobody is killed.

Without that proof a next run that fails would be the kill's fault, whatever was wrong before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.faults.kill import launch, snapshot, workloads
from harness.faults.kill.launch import LaunchedCommand
from harness.faults.kill.snapshot import Guard
from harness.faults.kill.workloads import STAND_IN, Workload
from harness.isolation.sandbox import Sandbox
from harness.record import directory
from harness.record.directory import RunRoot
from harness.record.log import EventLog
from harness.system.rmtree import remove_tree
from harness.system.signals import Interruption
from harness.targets import loader
from ptycho.errors import InfrastructureError

LIMIT_S = 300.0
"""For one run of a job; a bound for the sake of having one."""


@dataclass(frozen=True, kw_only=True)
class KillSetup:
    """
    Place of a campaign's trials.

    Attributes:
        kept: the campaign's own run.
        events: its log.
        interruption: whether to end early.
        scan: file to train on.
        checkout: folder of the packages under test.
        jobs: what can be run.
    """

    kept: RunRoot
    events: EventLog
    interruption: Interruption
    scan: Path
    checkout: Path
    jobs: tuple[Workload, ...] = ()

    def start(self, argv: Sequence[str], places: Guard, name: str, output: Path) -> LaunchedCommand:
        """Start a command of a trial, under a token of its own, behind the one by which a sweep finds the campaign."""
        outer = f"{self.kept.token}:"
        token = f"{self.kept.token}-{name}"
        return launch.start(argv, guard=places, token=token, outer=outer, output=output, checkout=self.checkout)


def set_up(stage: KillSetup, pythons: Mapping[str, str]) -> KillSetup:
    """
    Write the jobs' target files and run each once.

    Args:
        stage: without jobs.
        pythons: interpreter by job: the stand-in's, and those of the shipped backends that take part.

    Raises:
        UsageError: there is no such backend.
        InfrastructureError: a job does not pass, or leaves something, although nobody is killed.
    """
    folder = stage.kept.scratch / "targets"
    folder.mkdir()
    found = []
    for name, python in pythons.items():
        target = loader.load(workloads.write(name, folder, stage.checkout))
        found.append(_stands(Workload(name=name, python=python, target=target), stage))
    return replace(stage, jobs=tuple(found))


def model_digest(run: RunRoot, scan: Path) -> str:
    """Digest of the weights that a run's training left in its scratch."""
    from ptycho.training import checkpoint

    tensors, _ = checkpoint.load(output(run, scan) / checkpoint.MODEL)
    return checkpoint.digest(tensors)


def output(run: RunRoot, scan: Path) -> Path:
    """Output folder of a run's training."""
    return Sandbox(path=run.scratch / f"{scan.stem}-train").output


def _stands(job: Workload, stage: KillSetup) -> Workload:
    folder = stage.kept.scratch / f"clean-{job.name}"
    places = Guard(path=folder / "places").make()
    before = snapshot.state(places)
    argv = launch.lane(job.python, job.target.file, stage.scan, "--keep")
    launched = stage.start(argv, places, f"clean-{job.name}", folder / "output.log")
    try:
        code = launched.wait(LIMIT_S, stage.interruption)
        changed = snapshot.differences(before, snapshot.state(places))
        if code != 0 or changed or (alive := launched.alive()):
            wrong = f"exit code {code}" if code != 0 else ", ".join(changed or alive)
            raise InfrastructureError(f"the job {job.name} does not pass without a kill: {wrong}\n{launched.tail(25)}")
        (run,) = directory.find(places.root)
        digest = "" if job.name != STAND_IN else model_digest(run, stage.scan)
    finally:
        launched.end()
    remove_tree(folder)
    return replace(job, reference=digest)
