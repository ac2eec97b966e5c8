"""
R9, trained quality: does a training end equally well whichever backend, or precision, does it?

Each seed is trained, inferred and scored on both sides through their public commands. Every side has a core and a
thread of its own here and goes through the seeds at its own pace; what is compared are pairs. One thread a process:
the same seed then gives the same network again, so that a resumed campaign is the one that was interrupted.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.lanes.checks import attempt
from harness.lanes.device import gpu_worked, settle
from harness.lanes.device.settle import DeviceAssignment
from harness.parity.quality import campaign as quality_campaign
from harness.parity.quality import figure, measure, report, tost
from harness.parity.quality.campaign import QualityCampaign, QualityRun
from harness.parity.quality.report import QualityReport
from harness.parity.quality.sides import BACKENDS, Contest, Side
from harness.process import supervise
from harness.process.supervise import CompletedCommand
from harness.record import directory, provenance
from harness.record.log import EventLog
from harness.record.required import RequiredResults
from harness.runs import session
from harness.system.rmtree import remove_tree
from harness.system.signals import Interruption
from harness.targets import loader, staged_files
from harness.targets.loader import Target
from harness.targets.model import Command
from ptycho import fingerprint
from ptycho.data import contract
from ptycho.errors import PtychoError, UsageError

SEEDS, EPOCHS, BATCH_SIZE = 24, 7, 4
"""Why these: docs/quality.md."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}


def _built_in() -> dict[str, Path]:
    return {side.backend: loader.built_in(side.backend) for side in BACKENDS.sides}


@dataclass(frozen=True, kw_only=True)
class QualityOptions:
    """
    Options of the command.

    Attributes:
        pythons: interpreter by backend.
        scan: file to train on and to reconstruct; it must hold its object.
        root: the workspace's folder for runs.
        seeds: each is trained once on either side.
        epochs: number of epochs of each training.
        batch_size: groups per step.
        gridsize: g.
        contest: what is compared with what.
        resume: the document of an interrupted campaign, or of one to be extended.
        targets: target file by backend.
        quiet: print nothing while running.
        json: print the result as one JSON document, and only that.
        devices: device by backend, of `harness.targets.devices.CHOICES`; the CPU for one that is not named.
    """

    pythons: Mapping[str, str]
    scan: Path
    root: Path
    seeds: tuple[int, ...] = tuple(range(1, SEEDS + 1))
    epochs: int = EPOCHS
    batch_size: int = BATCH_SIZE
    gridsize: int = 1
    contest: Contest = BACKENDS
    resume: Path | None = None
    targets: Mapping[str, Path] = field(default_factory=_built_in)
    quiet: bool = False
    json: bool = False
    devices: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [f"--python {one}=… is missing" for one in self.contest.backends if one not in self.pythons]
        if len(set(self.seeds)) != len(self.seeds) or any(seed < 0 for seed in self.seeds):
            problems.append(f"seeds {list(self.seeds)}; allowed: different ones, from 0")
        if len(self.seeds) < tost.LEAST:
            problems.append(f"{len(self.seeds)} seeds; allowed: {tost.LEAST} or more, {SEEDS} by default")
        counts = {name: getattr(self, name) for name in ("epochs", "batch_size", "gridsize")}
        problems += [f"{name} {value}; allowed: 1 or more" for name, value in counts.items() if value < 1]
        if problems:
            raise UsageError("trained quality cannot be compared:\n" + "\n".join(f"  - {item}" for item in problems))


@dataclass(kw_only=True)
class _CampaignState:
    """State that the two threads share; what changes is changed under the lock."""

    options: QualityOptions
    loaded: Mapping[str, Target]
    campaign: QualityCampaign
    kept: directory.RunRoot
    events: EventLog
    interruption: Interruption
    truth: NDArray[Any]
    settings: Mapping[str, int]
    settled: DeviceAssignment
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def file(self) -> Path:
        return self.kept.path / self.options.contest.file

    def drive(self, side: Side) -> None:
        """All seeds that one side still lacks, one after the other; ends early where the other side failed."""
        try:
            for seed in self.options.seeds:
                if self.stopped.is_set():
                    return
                if not self.campaign.has(side.name, seed):
                    self.take(self.train(side, seed))
        except BaseException:
            self.stopped.set()
            raise

    def take(self, run: QualityRun) -> None:
        """Keep a run and say how it went."""
        with self.lock:
            self.campaign.add(run)
            self.campaign.write(self.file)
            self.events.write("quality.run", side=run.side, seed=run.seed, figures=dict(run.measured.figures))
            if not self.options.quiet:
                print(self.line(run), flush=True)

    def line(self, run: QualityRun) -> str:
        """One run, and the time that is left."""
        figures = run.measured.figures
        flat = ", no better than a flat object" if run.measured.collapsed else ""
        done = sum(self.campaign.has(side, seed) for side in self.campaign.sides for seed in self.options.seeds)
        left = self.left_s()
        remaining = f"about {left / 60:.0f} min left" if left >= 90 else f"about {left:.0f} s left"
        return (
            f"{run.name} ({done} of {2 * len(self.options.seeds)}): phase {figures['phase']:.2f} dB, amplitude "
            f"{figures['amplitude']:.2f} dB{flat}; {run.seconds:.0f} s, {remaining}"
        )

    def left_s(self) -> float:
        """Seconds until the slower side is through; a side without a run yet is taken to be as slow as the other."""
        sides = self.campaign.sides
        mean = {side: [run.seconds for run in self.campaign.runs if run.side == side] for side in sides}
        every = [seconds for found in mean.values() for seconds in found]
        missing = {s: sum(not self.campaign.has(s, seed) for seed in self.options.seeds) for s in sides}
        return max(missing[side] * float(np.mean(mean[side] or every or [0.0])) for side in sides)

    def train(self, side: Side, seed: int) -> QualityRun:
        """Train, infer, score; the scratch of both processes is gone afterwards."""
        target, name = self.loaded[side.name], f"{side.name}-{seed}"
        made = attempt.attempt(
            target,
            name,
            self.options.scan,
            cells=self.kept.scratch,
            values={**self.settings, "seed": seed, "device": self.settled.of(side.backend)},
            run=partial(self.command, target, self.options.pythons[side.backend]),
        )
        if made.fault is not None:
            error = PtychoError(made.fault.sentence)
            error.verdict = made.fault.verdict or made.fault.kind.verdict
            raise error
        seconds = sum(finished.seconds for finished in (made.train, made.infer) if finished is not None)
        try:
            summary: dict[str, Any] = json.loads((made.model / (target.summary or "")).read_text(encoding="utf-8"))
            self.require_device(side, target, made.model / (target.summary or ""))
            run = QualityRun(
                side=side.name,
                seed=seed,
                measured=measure.measure(
                    made.model, made.reconstruction(target), target.reconstruction_keys, self.truth
                ),
                input_sha256=summary[target.input_hash_key],
                versions=summary["fingerprint"]["packages"],
                seconds=round(seconds, 2),
            )
        except (PtychoError, OSError, ValueError, KeyError) as error:
            raise PtychoError(f"{name} ran, but what it left cannot be scored: {error!r}") from error
        refused = [text for step in ("train", "infer") for text in remove_tree(self.kept.scratch / f"{name}-{step}")]
        self.events.write("quality.scratch", side=side.name, seed=seed, refused=refused)
        return run

    def require_device(self, side: Side, target: Target, summary: Path) -> None:
        """
        Refuse a training that was to compute on a GPU and does not show that it did.

        Raises:
            PtychoError: with what is wrong with its evidence.
        """
        if self.settled.of(side.backend) == "cpu":
            return
        evidence = gpu_worked.read(summary, target.device_key)
        wrong = [evidence] if isinstance(evidence, str) else gpu_worked.problems(evidence)
        if wrong:
            raise PtychoError(f"gpu-unused: {side.name} trained elsewhere than on a GPU: {'; '.join(wrong)}")

    def command(
        self, target: Target, python: str, label: str, command: Command, cell: Sandbox, values: Mapping[str, object]
    ) -> CompletedCommand:
        """Run one command of a target in its cell: a `attempt.Runner` once target and interpreter are given."""
        told = {**values, **target.places, "python": python}
        staged_files.put(command, cell, told, root=target.root, output=Path(str(told["output"])))
        # One side must not answer for what the other leaves alive: each command has a token of its own.
        token = f"{self.kept.token}-{label}"
        env = sandbox.build(
            cell,
            token=f"{self.kept.token}:{token}",
            scratch=self.kept.scratch,
            events=self.kept.events,
            import_root=target.root,
            gpu=values["device"] == "cuda",
            extra={name: text.format(**told) for name, text in target.environment.items()} | ONE_THREAD,
        )
        return supervise.run(
            loader.fill(command.argv, told),
            env=env,
            cwd=cell.cwd,
            log=self.kept.logs / f"{label}.log",
            timeout_s=command.timeout_s,
            token=token,
            interruption=self.interruption,
        )


def run(options: QualityOptions, interruption: Interruption) -> QualityReport:
    """
    Make every run that is missing, then judge.

    Raises:
        UsageError: options or scan that cannot be used, a campaign that is another one.
        PtychoError: a run did not end well; those before it are kept.
        KeyboardInterrupt: the run was asked to end; likewise.
    """
    clock = time.monotonic()
    dataset = contract.load(options.scan)
    if dataset.obj is None:
        raise UsageError(f"{options.scan} holds no object: nothing to score against; take another fixture")
    contest = options.contest
    loaded = {side.name: side.target(options.targets[side.backend]) for side in contest.sides}
    settings = {"n_images": dataset.n_patterns, "nepochs": options.epochs}
    settings |= {"batch_size": options.batch_size, "gridsize": options.gridsize}
    commands = {
        f"{side}.{step}": list(getattr(target, step).argv)
        for side, target in loaded.items()
        for step in ("train", "infer")
    }
    kept = directory.create(options.root)
    requested = {backend: options.devices.get(backend, "cpu") for backend in contest.backends}
    described = {side.backend: loaded[side.name] for side in contest.sides}
    settled = settle.settle(requested, described, options.pythons, kept, interruption)
    # Trainings on a GPU are another campaign: none is resumed from one of the CPU.
    places = {f"{side}.device": settled.of(side) for side in requested} if settled.gpu else {}
    every = {**settings, **commands, **ONE_THREAD, **places}
    identity = quality_campaign.identify(options.scan, every, contest.backends)
    campaign = QualityCampaign(identity=identity, sides=contest.names)
    if options.resume is not None:
        try:
            campaign = quality_campaign.resume(options.resume, identity, contest.names)
        except UsageError:
            kept.remove()  # it has not begun
            raise
    with session.logged(
        kept,
        kind=contest.kind,
        name=settled.name(contest.kind),
        origin=provenance.describe(
            root=fingerprint.ROOT,
            locks=settled.locks(contest.backends),
            fixtures={options.scan.stem: options.scan},
            device=settled.asked,
        ),
        expected=RequiredResults(benchmarks=(contest.title,), left_out=tuple(settled.left_out)),
    ) as (events, ended):
        settled.require(events)
        bench = _CampaignState(
            options=options,
            loaded=loaded,
            campaign=campaign,
            kept=kept,
            events=events,
            interruption=interruption,
            truth=dataset.obj,
            settings=settings,
            settled=settled,
        )
        try:
            campaign.write(bench.file)
            if not options.quiet:
                print(f"seeds {', '.join(map(str, options.seeds))}; {len(campaign.runs)} runs taken over", flush=True)
            _both(bench)
        except BaseException:
            if campaign.runs and not options.quiet:
                print(f"{len(campaign.runs)} runs are kept; go on with --resume {bench.file}", flush=True)
            raise
        made = report.judge(campaign, options.seeds, path=bench.file, seconds=time.monotonic() - clock)
        made = made.with_picture(figure.save(kept.pictures / "quality.png", made))
        if campaign.looks[-1:] != [made.n]:
            campaign.looks.append(made.n)
        campaign.write(bench.file, made.as_dict())
        # Not as a rung: too few seeds is a verdict of its own, and no fail.
        events.write("benchmark.end", benchmark=contest.title, verdict=made.verdict.label)
        events.write("quality.end", verdict=made.verdict.name, seconds=made.seconds)
        ended(made.verdict, made.reasons)
    return made


def _both(bench: _CampaignState) -> None:
    """Both sides at once; the first error once both have ended, an interruption before any other."""
    sides = bench.options.contest.sides
    with ThreadPoolExecutor(max_workers=len(sides), thread_name_prefix="quality") as pool:
        driven = [pool.submit(bench.drive, side) for side in sides]
    errors: Sequence[BaseException] = [error for one in driven if (error := one.exception()) is not None]
    for error in sorted(errors, key=lambda found: not isinstance(found, KeyboardInterrupt)):
        raise error


def main(options: QualityOptions, *, follow: int | None = None) -> int:
    """Run, print, and return the exit code."""
    import sys

    from harness.system import identity as process_identity

    process_identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        made = run(options, interruption)
    if options.json:
        print(json.dumps(made.as_dict(), indent=1, ensure_ascii=False), flush=True)
    else:
        report.show(made)
    return int(made.verdict)
