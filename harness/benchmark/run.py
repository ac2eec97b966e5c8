"""
`python -m harness benchmark`: a session of pytest-benchmark over the lanes, its verdict, history and charts.

pytest runs as a child, with pytest-benchmark and our own plugin and nothing else, and starts the lanes' processes. What
it leaves is `bench.json` in pytest-benchmark's own format; the verdicts come from the event log.
"""

import json
import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.benchmark import charts, plan, plugin_options, session
from harness.benchmark.plan import Plan
from harness.files import run_files
from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.lanes.device import settle
from harness.process import supervise
from harness.record import directory, history, machine, method, provenance
from harness.record import log as event_log
from harness.record.directory import RunRoot
from harness.record.history import MeasuredFigures
from harness.record.log import EventLog
from harness.record.required import RequiredResults, silent
from harness.runs import summary
from harness.system import tables
from harness.system.signals import Interruption
from harness.system.tables import Table
from harness.targets import devices, loader
from ptycho import fingerprint
from ptycho.errors import InfrastructureError
from ptycho.verdict import Verdict

BENCH = "bench.json"
REPORT = "benchmark.json"
SCHEMA = "ptycho-benchmark/1"
MEASURED_BY = (
    *(f"harness/benchmark/{name}" for name in ("cases", "manifest.toml", "measure.py", "blocks.py", "gate.py")),
    *("harness/benchmark/calibrated_timer.py", "harness/benchmark/step_block.py", "ptycho/training/microbench.py"),
    *("ptycho_torch/bench.py", "ptycho_tf/bench.py"),
)
"""Files that define the figures of a session."""

SESSION_LIMIT_S = 3600.0
"""A bound for the sake of having one: every process of a lane has a limit of its own."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """
    Options of the command.

    Attributes:
        pythons: interpreter by side.
        scans: file by name.
        root: the workspace's folder for runs.
        devices: device by side, of `harness.targets.devices.CHOICES`; the CPU for one that is not named.
        threads: of the framework; 0 leaves it to it.
        budget_s: of an epoch.
        short: only the short form.
        quiet: print the result only.
    """

    pythons: Mapping[str, str]
    scans: Mapping[str, Path]
    root: Path
    threads: int
    budget_s: float
    short: bool
    quiet: bool
    devices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BenchmarkReport:
    """
    Result of a session.

    Attributes:
        verdict: verdict of the session.
        benchmarks: name to verdict and figures, in the order of the manifest; a silent one has the verdict `silent`.
        history: earlier and present entries of the same fingerprint.
        pictures: name to file in the run root.
        machine: the fingerprint.
    """

    verdict: Verdict
    benchmarks: Mapping[str, Mapping[str, Any]]
    history: history.History
    pictures: Mapping[str, str]
    machine: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.label,
            "benchmarks": dict(self.benchmarks),
            "charts": charts.data(self.benchmarks, self.history),
            "history": {"foreign": self.history.foreign, "refused": list(self.history.refused)},
            "pictures": dict(self.pictures),
            "machine": dict(self.machine),
        }

    def table(self) -> Table:
        """Rows of text, headings first."""
        rows = [["benchmark", "seconds", "CPU s", "patterns/s", "peak MiB", "verdict"]]
        for name, found in self.benchmarks.items():
            figures = [found.get(key) for key in ("seconds", "cpu_s", "patterns_per_second", "peak_mib")]
            rows.append([name, *map(_figure, figures), str(found["verdict"])])
        return rows


def _figure(value: object) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def run(options: BenchmarkOptions, interruption: Interruption) -> tuple[BenchmarkReport, Path]:
    """
    Run a session.

    Returns:
        The report, and the `benchmark.json` that holds it.

    Raises:
        InfrastructureError: pytest did not come to its end.
        KeyboardInterrupt: the run was asked to end.
    """
    kept = directory.create(options.root)
    requested = {side: options.devices.get(side, "cpu") for side in options.pythons}
    targets = {side: loader.load(loader.built_in(side)) for side in requested}
    settled = settle.settle(requested, targets, options.pythons, kept, interruption)
    given = Plan(
        run=str(kept.path),
        token=kept.token,
        pythons=dict(options.pythons),
        scans={name: str(path) for name, path in options.scans.items()},
        devices={side: settled.of(side) for side in options.pythons},
        threads=options.threads,
        budget_s=options.budget_s,
        short=options.short,
    )
    with session.logged(
        kept,
        name=settled.name(plan.name(short=options.short)),
        benchmarks=given.names,
        left_out=(
            *plan.left_out(list(options.pythons), list(options.scans), short=options.short, budget_s=options.budget_s),
            *settled.left_out,
        ),
        locks=given.locks,
        scans=options.scans,
        device=settled.asked,
    ) as (events, ended):
        settled.require(events)
        _pytest(given, kept, events, interruption, echo=not options.quiet)
        made = _report(given, options.root, kept)
        run_files.write_text(kept.path / REPORT, json.dumps(made.as_dict(), indent=1) + "\n")
        ended(made.verdict)
    return made, kept.path / REPORT


def _pytest(given: Plan, kept: RunRoot, events: EventLog, interruption: Interruption, *, echo: bool) -> None:
    cell = Sandbox(path=kept.scratch / "session").make()
    written = kept.scratch / "plan.json"
    given.write(written)
    token = f"{kept.token}-session"
    argv = [sys.executable, "-P", "-m", "pytest", *plugin_options.arguments(kept.path / BENCH, kept.scratch)]
    finished = supervise.run(
        argv,
        env=sandbox.build(
            cell,
            token=f"{kept.token}:{token}",
            scratch=kept.scratch,
            events=kept.events,
            import_root=fingerprint.ROOT,
            gpu=given.gpu,
            extra={plan.VARIABLE: str(written), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        ),
        cwd=cell.cwd,
        log=kept.logs / "session.log",
        timeout_s=SESSION_LIMIT_S,
        token=token,
        interruption=interruption,
        echo=echo,
    )
    events.write("evidence", label="session", log=str(finished.log), repeat=_again(given))
    # 0: all passed, 1: some failed, and the log says which. Anything else is not a session.
    if finished.returncode not in (0, 1) or finished.timed_out:
        how = f"was killed after {SESSION_LIMIT_S:.0f} s" if finished.timed_out else f"ended with {finished.returncode}"
        raise InfrastructureError(f"the benchmark session {how}; its output is in {finished.log}:\n{finished.tail()}")


def _again(given: Plan) -> str:
    on = (f" --device {side}={device}" for side, device in given.devices.items() if device != "cpu")
    return "python -m harness benchmark" + (" --short" if given.short else "") + "".join(on)


def _report(given: Plan, root: Path, kept: RunRoot) -> BenchmarkReport:
    """The session's verdict from its log, its figures from `bench.json`."""
    said = [row for row in event_log.read(kept.events) if row["event"] == "benchmark.end"]
    problems = [row for row in event_log.read(kept.events) if row["event"] == "problem"]
    parsed = [Verdict.parse(row["verdict"]) for row in (*said, *problems)]
    verdicts = [Verdict.FAIL if verdict is None else verdict for verdict in parsed]
    reported = {str(row["benchmark"]) for row in said}
    quiet = silent(
        RequiredResults(benchmarks=given.names), fixtures=(), collected=(), tests={}, rungs=(), benchmarks=reported
    )
    verdicts += [Verdict.FAIL for _ in quiet]
    measured = read_bench(kept.path / BENCH)
    found: dict[str, dict[str, Any]] = {}
    for name in (*given.names, *sorted(reported.difference(given.names))):
        row = next((row for row in said if row["benchmark"] == name), None)
        verdict = "silent" if row is None else str(row["verdict"])
        found[name] = {"verdict": verdict, **measured.get(name, {})}
        if row is not None:
            found[name]["sentence"] = row.get("sentence", "")
    described = machine.describe(given.locks, device=devices.asked(given.devices))
    known = _remember(found, described, _method(given), root)
    return BenchmarkReport(
        verdict=Verdict.worst(verdicts, default=Verdict.FAIL),
        benchmarks=found,
        history=known,
        pictures=charts.draw(kept.pictures, charts.data(found, known)),
        machine=described,
    )


def read_bench(path: Path) -> dict[str, dict[str, Any]]:
    """
    Median seconds and extra figures of each benchmark of a `bench.json`; none if there is no file.

    Raises:
        InfrastructureError: it cannot be read.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(row["name"]): {"seconds": statistics.median(row["stats"]["data"]), **row["extra_info"]}
            for row in document["benchmarks"]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InfrastructureError(f"{path} is not what pytest-benchmark writes: {error!r}") from error


def _remember(
    found: Mapping[str, Mapping[str, Any]], described: Mapping[str, Any], how: Mapping[str, str], root: Path
) -> history.History:
    """Append what passed, and read all that is comparable with it."""
    utc, commit = history.now(), fingerprint.commit()
    entries = [
        MeasuredFigures(
            utc=utc,
            commit=commit,
            kind="benchmark",
            subject=name,
            values={key: float(row[key]) for key in history.MEASURES["benchmark"] if row.get(key) is not None},
            method=dict(how),
        )
        for name, row in found.items()
        if row["verdict"] == "pass" and "seconds" in row
    ]
    if entries:
        history.append(root, described, entries)
    return history.read(root, described)


def _method(given: Plan) -> dict[str, str]:
    """The method of a session: where it differs between two runs, their figures are of two things."""
    scans = ((f"scan {name}", provenance.digest(Path(path))) for name, path in given.scans.items())
    return {
        "benchmarks": method.sources(fingerprint.ROOT, MEASURED_BY),
        "threads": str(given.threads),
        **{name: digest[: method.DIGITS] for name, digest in scans if digest is not None},
    }


def main(options: BenchmarkOptions, *, follow: int | None, as_json: bool) -> int:
    """Run, print, and return the exit code."""
    from harness.system import identity

    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    os.environ.pop("PYTEST_ADDOPTS", None)
    with Interruption(follow=follow).installed() as interruption:
        made, path = run(options, interruption)
    if as_json:
        print(json.dumps(made.as_dict(), indent=1))
        return int(made.verdict)
    name = plan.name(short=options.short) + ("-gpu" if "cuda" in made.machine["device"] else "")
    tables.show(made.table(), title=f"{name}: {made.verdict.label} (exit {int(made.verdict)})")
    for benchmark, row in made.benchmarks.items():
        if row["verdict"] != "pass":
            print(f"{benchmark}: {row['verdict']}: {row.get('sentence') or 'it did not report'}")
    print(f"report: {path}", flush=True)
    print(summary.how_to_see(path.parent), flush=True)
    return int(made.verdict)
