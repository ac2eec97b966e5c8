"""
`python -m harness parity`: ask both backends the same, each in a process of its own, and compare.

The oracle answers in a thread meanwhile. Everything that a run needs later is kept in its run root: the requests, the
report, and of the first failure a replay file and a picture.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness import child, environment, runroot
from harness.environment import Cell
from harness.events import EventLog
from harness.interruption import Interruption
from harness.parity import answer, ladder, oracle, picture, problem, replay, report
from harness.parity.answer import Answer
from harness.parity.ladder import Climbed, Expected
from harness.parity.report import Evidence, Report
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT
from ptycho.probe import Request
from ptycho.verdict import Verdict

PACKAGES = {"torch": "ptycho_torch", "tf": "ptycho_tf"}
PROBE_TIMEOUT_S = 300.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""Another number of threads is another order of additions."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """
    What the user asked for.

    Attributes:
        pythons: interpreter by side.
        scan: file for R1.
        gridsizes: which to compare.
        seed: of the problem.
        steps: length of the trajectory.
        root: the workspace's folder for runs.
        quiet: print nothing while running.
    """

    pythons: Mapping[str, str]
    scan: Path
    gridsizes: tuple[int, ...]
    seed: int
    steps: int
    root: Path
    quiet: bool = False


def run(options: Options, interruption: Interruption) -> tuple[Report, Path]:
    """
    Climb the ladder.

    Returns:
        The report, and the `parity.json` that holds it.

    Raises:
        InfrastructureError: a probe did not end well; the message ends with its last lines.
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    kept = runroot.create(options.root)
    events = kept.open_events()
    try:
        climbed: list[Climbed] = []
        refused: dict[str, Sequence[str]] = {}
        evidence: dict[int, tuple[Mapping[str, Answer], Expected]] = {}
        parties = {}
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="oracle") as pool:
            asked = {g: _ask(options, g, kept) for g in options.gridsizes}
            expected = {g: pool.submit(_expect, request) for g, (request, _) in asked.items()}
            try:
                for gridsize, (request, path) in asked.items():
                    answers = _answers(options, gridsize, path, kept, events, interruption)
                    found = _wait(expected[gridsize], interruption)
                    refused |= {f"{s}, gridsize {gridsize}": r for s, r in ladder.refusals(answers).items()}
                    climbed += ladder.climb(gridsize, answers, found, request.quantities)
                    evidence[gridsize] = answers, found
                    parties[str(gridsize)] = {side: item.manifest for side, item in answers.items()}
            finally:
                pool.shutdown(cancel_futures=True, wait=False)
        made = Report(
            climbed=climbed,
            refused=refused,
            evidence=_evidence(climbed, evidence, kept),
            parties=parties,
            seed=options.seed,
            seconds=time.monotonic() - clock,
        )
        path = made.write(kept.path / "parity.json")
        events.write("parity.end", verdict=made.verdict.name, seconds=made.seconds)
    finally:
        events.close()
        kept.remove_scratch()
    return made, path


def _ask(options: Options, gridsize: int, kept: runroot.RunRoot) -> tuple[Request, Path]:
    request = problem.request(gridsize=gridsize, seed=options.seed, scan=options.scan, steps=options.steps)
    path = kept.path / f"request-gridsize-{gridsize}.npz"
    request.save(path)
    return request, path


def _expect(request: Request) -> Expected:
    exact = {side: oracle.exact(request, package) for side, package in PACKAGES.items()}
    return Expected(exact=exact, arrays=oracle.arrays(request))


def _wait(future: "Future[Expected]", interruption: Interruption) -> Expected:
    while not future.done():
        interruption.check()
        time.sleep(0.05)
    return future.result()


def _answers(
    options: Options,
    gridsize: int,
    request: Path,
    kept: runroot.RunRoot,
    events: EventLog,
    interruption: Interruption,
) -> dict[str, Answer]:
    """Both probes, one after the other: each is the only one on its core beside the oracle."""
    found = {}
    for side, package in PACKAGES.items():
        label = f"{side}-gridsize-{gridsize}"
        if not options.quiet:
            print(f"{label} …", flush=True)
        cell = Cell(path=kept.scratch / label).make()
        argv = [options.pythons[side], "-m", f"{package}.probe", "--request", str(request), "--out", str(cell.output)]
        env = environment.build(
            cell,
            token=kept.token,
            scratch=kept.scratch,
            events=kept.events,
            import_root=ROOT,
            gpu=False,
            extra=ONE_THREAD,
        )
        ended = child.run(
            argv,
            env=env,
            cwd=cell.cwd,
            log=kept.logs / f"{label}.log",
            timeout_s=PROBE_TIMEOUT_S,
            token=kept.token,
            interruption=interruption,
        )
        events.write("probe.end", label=label, returncode=ended.returncode, seconds=round(ended.seconds, 2))
        if ended.returncode or ended.timed_out:
            how = f"was killed after {PROBE_TIMEOUT_S:.0f} s" if ended.timed_out else f"ended with {ended.returncode}"
            raise InfrastructureError(f"the probe {label} {how}; its output is in {ended.log}:\n{ended.tail()}")
        found[side] = answer.read(cell.output, request, package)
    return found


def _evidence(
    climbed: Sequence[Climbed], held: Mapping[int, tuple[Mapping[str, Answer], Expected]], kept: runroot.RunRoot
) -> Evidence:
    """Keep the comparison that decided, and draw it."""
    failed = ladder.first_failure(climbed)
    if failed is None or failed.worst is None or failed.rung.tolerance is None:
        return Evidence()
    answers, found = held[failed.gridsize]
    tensor = failed.worst.tensor
    sides = {side: item.arrays.get(tensor) for side, item in answers.items()}
    stem = f"gridsize-{failed.gridsize}-{tensor.replace('/', '-')}"
    file = replay.save(kept.path / f"{stem}.npz", tensor, failed.gridsize, sides, found.arrays.get(tensor))
    drawn = picture.save(kept.pictures / f"{stem}.png", tensor, sides, found.arrays.get(tensor))
    return Evidence(replay=str(file), picture=str(drawn) if drawn else None, command=replay.command(file))


def main(options: Options, *, follow: int | None) -> int:
    """Run, print, and return the exit code."""
    from harness import processes

    processes.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        made, path = run(options, interruption)
    report.show(made)
    print(f"report: {path}", flush=True)
    return int(made.verdict)


def again(path: Path) -> int:
    """Judge one kept comparison again; returns the exit code."""
    judged = replay.again(path)
    replay.show(judged)
    return int(Verdict.PASS if judged.result == "pass" else Verdict.FAIL)
