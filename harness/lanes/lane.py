"""
A lane from beginning to end: sweep, ledger, device, job, checks, suite, clean-up, ledger again, verdict.

Whatever happens in the middle, the end happens: children are gone when `supervise.run` returns, scratch is removed,
leaks are named, the outcome is written. Only SIGKILL prevents that, and then the next run or `clean` makes up for it.
"""

import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from harness.isolation import command as isolated_command
from harness.isolation import leaks, sandbox
from harness.isolation.gpu_untouched import GpuEvidence, GpuWatcher
from harness.isolation.sandbox import Sandbox
from harness.lanes import log as lane_log
from harness.lanes import suite
from harness.lanes.checks import argv as check_argv
from harness.lanes.checks import attempt, memory
from harness.lanes.checks import leaks as checks_leaks
from harness.lanes.checks import run as checks_run
from harness.lanes.checks.context import CheckContext, side_by_side
from harness.lanes.device import choose
from harness.lanes.device import proof as device_proof
from harness.lanes.live import LiveView
from harness.process import result as command_result
from harness.process import supervise
from harness.process.limits import Limits
from harness.record import directory, known_failures
from harness.record.findings import Finding
from harness.record.log import EventLog
from harness.record.outcome import Outcome
from harness.runs import clean
from harness.system.signals import Interruption
from harness.targets import loader, preflight, staged_files
from harness.targets.loader import Target
from harness.targets.model import Command
from ptycho.errors import PtychoError
from ptycho.verdict import Verdict

_NO_LIMITS = Limits()
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class LaneOptions:
    """
    Options of a lane.

    Attributes:
        device: one of `harness.targets.devices.CHOICES`.
        fixtures: name and file of each fixture.
        root: the workspace's folder for runs.
        keep: leave the scratch in place, to look into it.
        strict: a change in a shared place that cannot be attributed to anybody fails, too.
        foreign: patterns of paths that others are known to write meanwhile.
        pytest: the user's own arguments for the suite.
        quiet: print nothing while running.
        brief: job and suite only, without the checks that train again.
    """

    device: str
    fixtures: Mapping[str, Path]
    root: Path
    keep: bool = False
    strict: bool = False
    foreign: tuple[str, ...] = ()
    pytest: tuple[str, ...] = ()
    quiet: bool = False
    brief: bool = False


@dataclass(kw_only=True)
class Lane:
    """
    A running lane: what its steps share.

    Attributes:
        target: the pipeline.
        options: what was asked for.
        run: the run's folder.
        events: its log.
        interruption: whether to end early.
        outcome: findings so far.
        device: the device, the CPU until it is known.
        cells: cells made so far, by label.
        pids: pids of the commands run so far.
        proofs: what each command touched of a GPU, by label.
    """

    target: Target
    options: LaneOptions
    run: directory.RunRoot
    events: EventLog
    interruption: Interruption
    outcome: Outcome
    device: choose.Device = choose.CPU
    cells: dict[str, Sandbox] = field(default_factory=dict)
    pids: list[int] = field(default_factory=list)
    proofs: dict[str, GpuEvidence] = field(default_factory=dict)

    def command(
        self,
        label: str,
        argv: list[str],
        cell: Sandbox,
        *,
        timeout_s: float,
        gpu: bool,
        echo: bool = False,
        private_tmp: bool = True,
        limits: Limits = _NO_LIMITS,
        staged: Sequence[Path] = (),
        variables: Mapping[str, str] = _NOTHING,
    ) -> supervise.CompletedCommand:
        """Run a command in its cell, log it, and attribute to it what it leaves in places of its own."""
        target, run = self.target, self.run
        values = {**target.places, "cache": cell.cache}
        # Commands run side by side: each has a token of its own.
        token = f"{run.token}-{label}"
        env = sandbox.build(
            cell,
            token=f"{run.token}:{token}",
            scratch=run.scratch,
            events=run.events,
            import_root=target.root,
            gpu=gpu,
            extra={name: text.format(**values) for name, text in target.environment.items()} | dict(variables),
        )
        self.cells[label] = cell
        log = run.logs / f"{label}.log"
        self.events.write("command.start", label=label, argv=argv, timeout_s=timeout_s, gpu=gpu, log=str(log))
        watch = GpuWatcher(cell)
        finished = supervise.run(
            argv,
            env=env,
            cwd=cell.cwd,
            log=log,
            timeout_s=timeout_s,
            token=token,
            interruption=self.interruption,
            echo=echo,
            meanwhile=watch.sample,
            limits=limits,
        )
        self.pids.append(finished.pid)
        self.outcome.commands[label] = isolated_command.command_end(self.events, label, finished)
        self.proofs[label] = device_proof.after(
            label, watch, finished, gpu=gpu, events=self.events, outcome=self.outcome
        )
        for survivor in finished.survivors:
            self.outcome.find(checks_leaks.of_process(label, survivor))
        staged_files.take_away(staged, cell)
        for leak in private_leaks(cell, tmp=private_tmp and finished.stop is None):
            self.events.write("leak", label=label, path=leak.path, place=leak.place)
            self.outcome.find(checks_leaks.of_command(label, leak))
        return finished

    def say(self, text: str) -> None:
        """Tell the user what goes on, unless asked to be quiet."""
        if not self.options.quiet:
            print(text, flush=True)

    def target_command(
        self, label: str, command: Command, cell: Sandbox, values: Mapping[str, object]
    ) -> supervise.CompletedCommand:
        """Run a command of the target: a `attempt.Runner`."""
        self.say(f"{label} …")
        argv = loader.fill(command.argv, values)
        staged = staged_files.put(command, cell, values, root=self.target.root, output=Path(str(values["output"])))
        finished = self.command(
            label, argv, cell, timeout_s=command.timeout_s, gpu=self.device.gpu, limits=command.limits, staged=staged
        )
        if label.endswith(f"-{self.target.working_step}"):
            device_proof.after_training(
                self.target, label, cell, self.proofs[label], finished, events=self.events, outcome=self.outcome
            )
        return finished

    def begin(self) -> None:
        """Write into the log what the run is about and what must report."""
        options = self.options
        lane_log.begin(
            self.events,
            self.target,
            token=self.run.token,
            device=options.device,
            fixtures=dict(options.fixtures),
            pytest=options.pytest,
            brief=options.brief,
        )

    def choose_device(self) -> None:
        """Settle the device; the lane's name follows from it."""

        def probe() -> supervise.CompletedCommand:
            assert self.target.device_probe is not None
            cell = Sandbox(path=self.run.scratch / "device-probe").make()
            argv = loader.fill(self.target.device_probe.argv, self.target.places)
            return self.command("device-probe", argv, cell, timeout_s=self.target.device_probe.timeout_s, gpu=True)

        self.device = choose.choose(self.target, self.options.device, probe)
        self.outcome.device = self.device.words
        self.outcome.lane = f"{self.target.name}-{'gpu' if self.device.gpu else 'cpu'}"
        lane = self.outcome.lane
        self.events.write("device.chosen", device=self.device.name, words=self.device.words, lane=lane)
        self.say(f"lane {self.outcome.lane}: {self.device.words}")

    def control_device(self) -> None:
        """A planted use of a GPU must be caught, or the proofs that follow are none."""
        device_proof.begin(self.target.interpreter, self.run, self.events, self.outcome, self.interruption)

    def run_job(self) -> None:
        """Every fixture through train and infer, then what can be learnt from outside."""
        target, outcome, fixtures = self.target, self.outcome, self.options.fixtures
        values = {
            **target.settings,
            **target.places,
            "device": self.device.name,
        }
        cells = self.run.scratch
        at_once = 1 if self.device.gpu else target.at_once
        makers = [
            partial(attempt.attempt, target, name, path, cells=cells, values=values, run=self.target_command)
            for name, path in fixtures.items()
        ]
        attempts = dict(zip(fixtures, side_by_side(makers, at_once), strict=True))
        bench = CheckContext(
            target=target,
            values=values,
            cells=cells,
            run=self.target_command,
            outcome=outcome,
            reproduce=self.reproduce(),
            at_once=at_once,
        )
        for result in checks_run.run(bench, fixtures, attempts, brief=self.options.brief):
            known = {step: outcome.commands.get(f"{result.fixture}-{step}", {}) for step in ("train", "infer")}
            peaks = {f"{step}_peak_mib": figures.get("peak_mib") for step, figures in known.items()}
            outcome.fixtures.append(replace(result, **peaks))  # type: ignore[arg-type]
            self.events.write("fixture.end", **asdict(outcome.fixtures[-1]) | {"verdict": result.verdict.label})
        # Side by side, trainings compete for processors and not for memory: each is measured alone.
        outcome.notes += memory.forecast(outcome.fixtures, memory.sizes(fixtures))

    def reproduce(self) -> tuple[str, ...]:
        """A command line that runs this lane's job again and keeps the scratch."""
        fixtures = (word for path in self.options.fixtures.values() for word in ("--fixture", str(path)))
        where = ("--target", str(self.target.file), "--device", self.options.device)
        return ("python", "-m", "harness", "run", *where, *fixtures, "--keep")

    def run_suite(self) -> None:
        """The target's own tests, if it has any."""
        target = self.target
        if target.suite is None:
            self.outcome.notes.append(f"target {target.name!r} names no test suite")
            return
        cell = Sandbox(path=self.run.scratch / "suite").make()
        junit = self.run.logs / "suite.xml"
        gpu = self.device.gpu
        extra = self.options.pytest or (target.suite_gpu_arguments if gpu else ()) or target.suite_arguments
        argv = suite.command(target.suite, target.root, cell, junit, extra, python=target.interpreter)
        again = suite.repeat(argv, target.root, target.environment, gpu=gpu)
        self.events.write("evidence", label="suite", log=str(self.run.logs / "suite.log"), repeat=again)
        finished = self.command(
            "suite",
            argv,
            cell,
            timeout_s=target.suite_timeout_s,
            gpu=gpu,
            echo=not self.options.quiet,
            private_tmp=False,
            limits=target.suite_limits,
            variables=suite.variables(self.device.name, cell),
        )
        self.outcome.suite = suite.read(junit, finished)
        self.outcome.findings.checked("suite")
        command = shlex.join(finished.argv)
        if (ended := command_result.stopped("suite", "the test suite", finished, target.suite_timeout_s)) is not None:
            self.outcome.find(ended)
        elif (problem := suite.problem(self.outcome.suite, finished)) is not None:
            self.outcome.find(Finding(id="suite-failed", sentence=problem, command=command))
        else:
            device_proof.after_suite(
                target, suite.work(cell), self.proofs["suite"], events=self.events, outcome=self.outcome
            )


_OF_PLUGINS = (".benchmarks",)
"""What a plugin of pytest makes in the working directory at every start, used or not: pytest-benchmark its storage."""


def private_leaks(cell: Sandbox, *, tmp: bool) -> list[leaks.Leak]:
    """
    Return what a command left in the places that are its own.

    Args:
        cell: its cell.
        tmp: whether TMPDIR must be empty. Not after a test suite: a test that kills a process on purpose leaves there
            what that process held.
    """
    return [
        *leaks.left_behind("the working directory", cell.cwd, expected=() if tmp else _OF_PLUGINS),
        *leaks.left_behind("the parent of the working directory", cell.parent, expected=[cell.cwd.name]),
        *leaks.left_behind("HOME", cell.home),
        *(leaks.left_behind("TMPDIR", cell.tmp) if tmp else []),
    ]


def _guarded(outcome: Outcome, step: Callable[[], None]) -> bool:
    """Take one step; an error or an interruption becomes a problem of the outcome. Returns whether to go on."""
    try:
        step()
    except KeyboardInterrupt as stop:
        outcome.blame(Verdict.INTERRUPTED, f"interrupted: {stop}")
    except PtychoError as error:
        outcome.blame(error.verdict, str(error))
    else:
        return True
    return False


def run(
    target: Target, options: LaneOptions, interruption: Interruption, *, earlier: Sequence[Outcome] = ()
) -> Outcome:
    """
    Run a target's lane.

    Args:
        target: the pipeline.
        options: what the user asked for.
        interruption: installed signal handling.
        earlier: finished lanes, with which its reconstructions are compared.

    Returns:
        The outcome; its verdict is the exit code.

    Raises:
        UsageError: a list of known failures that cannot be used.
    """
    known = known_failures.load(target.checks.known_failures)
    target = check_argv.prepared(target)
    swept, refused = clean.sweep(options.root, hurry=lambda: interruption.hurry)
    places = leaks.shared_places(Path.cwd(), home=sandbox.home(), tmp=Path(tempfile.gettempdir()))
    run_root = directory.create(options.root)
    before = leaks.listing(places)
    events = run_root.open_events()
    outcome = Outcome(lane=target.name, device="not yet known", run_root=run_root.path, known=known, events=events)
    outcome.notes += [f"swept the dead run {remains.run.path.name}" for remains in swept]
    outcome.notes += [f"could not sweep {sentence}" for sentence in refused]
    outcome.notes += preflight.notes(target)
    lane = Lane(target=target, options=options, run=run_root, events=events, interruption=interruption, outcome=outcome)

    def compare() -> None:
        from harness.lanes.checks import cross_target

        for other in earlier:
            cross_target.compare(other, outcome)

    try:
        with LiveView(events.path, quiet=options.quiet):
            for step in (lane.begin, lane.choose_device, lane.control_device, lane.run_job, lane.run_suite, compare):
                if not _guarded(outcome, step):
                    break
            else:
                outcome.findings.checked("leaks")
    finally:
        _finish(lane, places, before)
    return outcome


def _finish(lane: Lane, places: tuple[leaks.WatchedFolder, ...], before: Mapping[str, leaks.Listing]) -> None:
    """Compare the ledger, remove the scratch, write the outcome."""
    outcome, options, run_root = lane.outcome, lane.options, lane.run
    writes = leaks.observed_writes(cell.writes for cell in lane.cells.values())
    after = leaks.listing(places)
    for leak in leaks.compare(
        places, before, after, token=run_root.token, writes=writes, pids=lane.pids, foreign=options.foreign
    ):
        lane.events.write("leak" if leak.blame else "change", path=leak.path, place=leak.place, blame=leak.blame)
        if leak.blame or options.strict:
            outcome.find(checks_leaks.of_run(leak))
        else:
            outcome.notes.append(f"unattributed, by another program unless --strict says otherwise: {leak}")
    if options.keep:
        run_root.keep_scratch()
        outcome.notes.append(f"scratch kept, until `clean --all`: {run_root.scratch}")
    else:
        for sentence in run_root.remove_scratch():
            outcome.blame(Verdict.INFRA, f"scratch could not be removed: {sentence}")
    outcome.settle_known()
    lane_log.end(lane.events, outcome)
    outcome.write()
