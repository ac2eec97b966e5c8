"""`benchmark bisect GOOD BAD`: the commit that made a backend's step slower, by pairs of blocks in fresh processes."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.benchmark import blocks, plugin_options, session
from harness.benchmark.gate import Interval, Side
from harness.benchmark.measure import BenchmarkLane
from harness.benchmark.plan import Plan
from harness.benchmark.trend import commits, search
from harness.benchmark.trend.commits import Commit
from harness.benchmark.trend.search import Look, SearchResult
from harness.files import run_files, untrusted
from harness.isolation import revision
from harness.record import directory, machine
from harness.runs import summary
from harness.system import tables
from harness.system.signals import Interruption
from harness.system.tables import Table
from ptycho.errors import PtychoError, UsageError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict

REPORT = "bisect.json"
SCHEMA = "ptycho-bisect/1"
CHANNELS = ("cpu", "memory")
OWN = (Verdict.FAIL, Verdict.USAGE, Verdict.TIMEOUT)
"""Ends of a block that are its commit's own doing."""


@dataclass(frozen=True, kw_only=True)
class BisectOptions:
    """
    BisectOptions of the command.

    Attributes:
        side: the backend.
        python: its interpreter.
        scan: file that is trained on.
        root: the workspace's folder for runs.
        good: a commit that is fast, as the user names it.
        bad: a later one that is slow.
        channel: `cpu` or `memory`.
        step: the smallest difference of interest.
        checkout: whose commits they are.
        looks: pairs after which a look may be decided.
        slices: steps a block.
        quiet: print nothing while running.
    """

    side: str
    python: str
    scan: Path
    root: Path
    good: str
    bad: str
    channel: str = "cpu"
    step: float = search.STEP
    checkout: Path = ROOT
    looks: tuple[int, ...] = search.LOOKS
    slices: int = blocks.NIGHT_SLICES
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class BisectReport:
    """
    Result of a search.

    Attributes:
        side: the backend.
        channel: of `CHANNELS`.
        commits: the good one, and those that were searched.
        outcome: of the search.
        step: the smallest difference that was searched for.
        machine: the fingerprint: all blocks ran here.
    """

    side: str
    channel: str
    commits: Sequence[Commit]
    outcome: SearchResult
    step: float
    machine: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """An answer is a pass, whichever it is: the search judges nothing."""
        return Verdict.INCONCLUSIVE if self.outcome.result == "inconclusive" else Verdict.PASS

    @property
    def sentence(self) -> str:
        """The answer."""
        found = self.outcome
        good, bad = (self.commits[number] for number in (found.low, found.high))
        whole = found.looks[len(self.commits) - 1]
        if found.result == "no difference":
            return f"{bad.name[:12]} is not slower than {good.name[:12]} by {self.step:.0%} or more: {whole.interval}"
        if found.result == "found":
            said = f"{bad.name[:12]} made {self.side} slower ({self.channel} {found.direct}): {bad.subject}"
            return said + self._rest(whole.interval)
        if whole.answer == "undecided":
            return f"{bad.name[:12]} is slower than {good.name[:12]} or not: {whole.interval}, {_pairs(whole)} pairs"
        return f"inconclusive between {good.name[:12]} and {bad.name[:12]}: {self._undecided()}"

    def _undecided(self) -> str:
        found = self.outcome
        left = [found.looks[number].answer for number in range(found.low + 1, found.high) if number in found.looks]
        if not left:
            return f"a second comparison of the two, with fresh blocks, says {found.direct}"
        return f"{left.count('undecided')} between them cannot be decided, {left.count('broken')} do not run"

    def _rest(self, whole: Interval | None) -> str:
        direct = self.outcome.direct
        if whole is None or direct is None or direct.upper >= whole.lower:
            return ""
        return f"; the whole range is slower by {whole}: another commit of it adds to this one"

    def table(self) -> Table:
        """Rows of text, headings first, in the order of the commits."""
        rows = [["commit", "against the good end [99 %]", "pairs", "is", "subject"]]
        for number, commit in enumerate(self.commits):
            look = self.outcome.looks.get(number)
            says = "good" if number == 0 else "not measured" if look is None else look.answer
            shown = ("", "") if look is None else (_shown(look), _pairs(look))
            rows.append([commit.name[:12], *shown, says, untrusted.plain(commit.subject)[:60]])
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; intervals are of ln(commit / good end)."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.label,
            "result": self.outcome.result,
            "sentence": self.sentence,
            "side": self.side,
            "channel": self.channel,
            "step": self.step,
            "good": self.commits[self.outcome.low].name,
            "bad": self.commits[self.outcome.high].name,
            "direct": None if self.outcome.direct is None else asdict(self.outcome.direct),
            "commits": [
                {**asdict(commit), "look": asdict(look) if (look := self.outcome.looks.get(number)) else None}
                for number, commit in enumerate(self.commits)
            ],
            "machine": dict(self.machine),
        }


def _pairs(look: Look) -> str:
    return "" if look.interval is None else str(look.interval.pairs)


def _shown(look: Look) -> str:
    return look.why.partition("\n")[0] if look.interval is None else str(look.interval)


@dataclass(kw_only=True)
class _CommitBlocks:
    """Trees of commits in a run's scratch, and the blocks that are measured of them; none stays longer than needed."""

    options: BisectOptions
    lane: BenchmarkLane
    place: Path
    trees: dict[str, Path] = field(default_factory=dict)

    def figure(self, commit: Commit) -> float:
        """
        The figure of one block of a commit, in a fresh process.

        Raises:
            CommitDoesNotRunError: the commit does not run.
        """
        try:
            if commit.name not in self.trees:
                # Paths of one length, as for any comparison; the first block pays for bytecode and counts for nothing.
                tree = revision.export(commit.name, self.options.checkout, self.place / commit.name[:12])
                self._block(tree)
                self.trees[commit.name] = tree
            return self._block(self.trees[commit.name])
        except PtychoError as error:
            if error.verdict not in OWN:
                raise  # of the machine: the next commit would fare no better
            raise search.CommitDoesNotRunError(str(error)) from error

    def _block(self, tree: Path) -> float:
        block = blocks.run(self.lane, tree, self.options.scan, slices=self.options.slices, own=True)
        return float(getattr(block, self.options.channel))

    def drop(self, commit: Commit) -> None:
        """Remove a commit's tree."""
        tree = self.trees.pop(commit.name, None)
        shutil.rmtree(tree or self.place / commit.name[:12], ignore_errors=True)

    def against(self, base: Commit, head: Commit) -> search.MeasureOne:
        """Measure blocks of two commits in turns."""
        sides: dict[Side, Commit] = {"base": base, "head": head}
        return lambda side: self.figure(sides[side])


def run(options: BisectOptions, interruption: Interruption) -> tuple[BisectReport, Path]:
    """
    Search.

    Returns:
        The report, and the `bisect.json` that holds it.

    Raises:
        UsageError: the ends are not commits with something to search between them.
        PtychoError: an end does not run.
        KeyboardInterrupt: the run was asked to end.
    """
    packages = [name for name in revision.PACKAGES if name in ("ptycho", f"ptycho_{options.side}")]
    found = commits.between(options.good, options.bad, options.checkout, packages)
    kept = directory.create(options.root)
    name = f"bisect[{options.side}]"
    with session.logged(
        kept, name="bisect", benchmarks=[name], sides=[options.side], scans={options.scan.stem: options.scan}
    ) as (events, ended):
        given = Plan(
            run=str(kept.path),
            token=kept.token,
            pythons={options.side: options.python},
            scans={"scan": str(options.scan)},
        )
        lane = BenchmarkLane(plan=given, side=options.side, events=events, interruption=interruption)
        made = _search(found, _CommitBlocks(options=options, lane=lane, place=kept.scratch / "trees"))
        events.write("benchmark.end", benchmark=name, verdict=made.verdict.label, sentence=made.sentence)
        if made.verdict is not Verdict.PASS:
            events.write("problem", verdict=made.verdict.label, message=made.sentence)
        run_files.write_text(kept.path / REPORT, json.dumps(made.as_dict(), indent=1) + "\n")
        ended(made.verdict)
    return made, kept.path / REPORT


def _search(found: Sequence[Commit], bench: _CommitBlocks) -> BisectReport:
    options, last = bench.options, len(found) - 1

    def on_look(number: int, look: Look) -> None:
        if number != last:
            bench.drop(found[number])
        _say(options, found[number], look)

    try:
        outcome = search.search(
            last,
            lambda base, head: bench.against(found[base], found[head]),
            step=options.step,
            looks=options.looks,
            on_look=on_look,
        )
    except search.CommitDoesNotRunError as error:
        raise UsageError(f"{error}\nan end of the range, or the commit before the found one, does not run") from error
    return BisectReport(
        side=options.side,
        channel=options.channel,
        commits=found,
        outcome=outcome,
        step=options.step,
        machine=machine.describe(plugin_options.locks([options.side]), device="cpu"),
    )


def _say(options: BisectOptions, commit: Commit, look: Look) -> None:
    if not options.quiet:
        print(f"{commit.name[:12]}: {look.answer}: {untrusted.plain(_shown(look))}, {_pairs(look)} pairs", flush=True)


def main(options: BisectOptions, *, follow: int | None, as_json: bool) -> int:
    """Run, print, and return the exit code."""
    from harness.system import identity

    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption(follow=follow).installed() as interruption:
        made, path = run(options, interruption)
    if as_json:
        print(json.dumps(made.as_dict(), indent=1))
        return int(made.verdict)
    tables.show(made.table(), title=f"{made.side}, {made.channel}: {made.outcome.result} (exit {int(made.verdict)})")
    print(untrusted.plain(made.sentence))
    print(f"report: {path}", flush=True)
    print(summary.how_to_see(path.parent), flush=True)
    return int(made.verdict)
