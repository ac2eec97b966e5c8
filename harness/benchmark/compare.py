"""`benchmark compare REV`: training steps of the working tree against those of a commit, judged by the gate."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.benchmark import blocks, gate, plugin_options, session
from harness.benchmark.gate import ProcessCost, Ruling, Side
from harness.benchmark.measure import BenchmarkLane
from harness.benchmark.plan import Plan
from harness.files import run_files
from harness.isolation import revision
from harness.record import directory, machine
from harness.runs import summary
from harness.system import tables
from harness.system.signals import Interruption
from harness.system.tables import Table
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

REPORT = "regression.json"
SCHEMA = "ptycho-regression/1"


@dataclass(frozen=True, kw_only=True)
class RegressionOptions:
    """
    Options of the command.

    Attributes:
        pythons: interpreter by side.
        scan: file that is trained on.
        root: the workspace's folder for runs.
        base: the revision to compare with.
        checkout: whose working tree is the head.
        looks: pairs after which a stage may end.
        slices: steps a block.
        quiet: print nothing while running.
    """

    pythons: Mapping[str, str]
    scan: Path
    root: Path
    base: str
    checkout: Path = ROOT
    looks: Sequence[int] = gate.LOOKS
    slices: int = blocks.SLICES
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class RegressionReport:
    """
    Result of the gate.

    Attributes:
        base: commit.
        rulings: by side, one a channel.
        machine: the fingerprint: both sides ran here, and the figures mean nothing elsewhere.
    """

    base: str
    rulings: Mapping[str, Sequence[Ruling]]
    machine: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """The worst."""
        rulings = (ruling for side in self.rulings.values() for ruling in side)
        return Verdict.worst((ruling.verdict for ruling in rulings), default=Verdict.FAIL)

    def table(self) -> Table:
        """Rows of text, headings first."""
        rows = [["lane", "channel", "change of head [99 %]", "pairs", "confirmed", "result"]]
        for side, rulings in self.rulings.items():
            for one in rulings:
                again = "" if one.second is None else str(one.second)
                rows.append([side, one.channel, str(one.first), str(one.first.pairs), again, one.result])
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; intervals are of ln(head / base)."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.label,
            "base": self.base,
            "limit": gate.LIMIT,
            "confidence": gate.CONFIDENCE,
            "rulings": {side: [asdict(ruling) for ruling in rulings] for side, rulings in self.rulings.items()},
            "machine": dict(self.machine),
        }


def run(options: RegressionOptions, interruption: Interruption) -> tuple[RegressionReport, Path]:
    """
    Compare.

    Returns:
        The report, and the `regression.json` that holds it.

    Raises:
        UsageError: the base is not a commit, or lacks a package.
        InfrastructureError: a block failed.
        KeyboardInterrupt: the run was asked to end.
    """
    commit = revision.resolve(options.base, options.checkout)
    kept = directory.create(options.root)
    names = {side: f"against[{side}]" for side in options.pythons}
    with session.logged(
        kept,
        name="against",
        benchmarks=list(names.values()),
        sides=list(options.pythons),
        scans={options.scan.stem: options.scan},
    ) as (events, ended):
        base, head = revision.materialise(commit, options.checkout, kept.scratch / "trees")
        trees: dict[Side, Path] = {"base": base, "head": head}
        given = Plan(
            run=str(kept.path), token=kept.token, pythons=dict(options.pythons), scans={"scan": str(options.scan)}
        )
        rulings: dict[str, Sequence[Ruling]] = {}
        for side, name in names.items():
            lane = BenchmarkLane(plan=given, side=side, events=events, interruption=interruption)
            for tree in trees.values():
                # Pays for bytecode and cold caches; counts for nothing.
                _block(lane, tree, options)
            rulings[side] = gate.judge(_measure(lane, trees, options), looks=options.looks)
            verdict = Verdict.worst((ruling.verdict for ruling in rulings[side]), default=Verdict.FAIL)
            said = "; ".join(f"{one.channel} {one.result}: {one.second or one.first}" for one in rulings[side])
            events.write("benchmark.end", benchmark=name, verdict=verdict.label, sentence=said)
            if verdict is not Verdict.PASS:
                events.write("problem", verdict=verdict.label, message=f"{name}: {said}")
        found = machine.describe(plugin_options.locks(options.pythons), device="cpu")
        made = RegressionReport(base=commit, rulings=rulings, machine=found)
        run_files.write_text(kept.path / REPORT, json.dumps(made.as_dict(), indent=1) + "\n")
        ended(made.verdict)
    return made, kept.path / REPORT


def _measure(lane: BenchmarkLane, trees: Mapping[Side, Path], options: RegressionOptions) -> gate.Measure:
    return lambda side: _block(lane, trees[side], options)


def _block(lane: BenchmarkLane, tree: Path, options: RegressionOptions) -> ProcessCost:
    # A base that does not run is nothing to compare with, and no fault of the working tree.
    block = blocks.run(lane, tree, options.scan, slices=options.slices, own=tree.name != "base")
    if not options.quiet:
        print(f"{lane.side}, {tree.name}: cost {block.cpu:.3f}, {block.memory:.0f} MiB", flush=True)
    return block


def main(options: RegressionOptions, *, follow: int | None, as_json: bool) -> int:
    """Run, print, and return the exit code."""
    from harness.system import identity

    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        made, path = run(options, interruption)
    if as_json:
        print(json.dumps(made.as_dict(), indent=1))
        return int(made.verdict)
    tables.show(made.table(), title=f"against {made.base[:12]}: {made.verdict.label} (exit {int(made.verdict)})")
    print(f"report: {path}", flush=True)
    print(summary.how_to_see(path.parent), flush=True)
    return int(made.verdict)
