"""
The first thing that a report says: does the whole pass, and does each part of it?

Nothing is green by absence. The gates are named here, and while one has not run the whole is incomplete, which is
neither a pass nor a fail. An old green does not count: a gate whose newest run passed for another commit, lock or data
set has not run, and one that failed there still fails. What is run on demand counts if it is of the present state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.record import required
from harness.report.load_runs import LoadedRun
from harness.report.values import count, figure, first_line, mapping, text
from harness.runs import freshness
from ptycho.verdict import Verdict

Match = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class RunKind:
    """
    A kind of run that there is.

    Attributes:
        title: how a reader calls it.
        matches: whether a run's name is of this kind.
        command: what makes such a run.
        gate: whether the whole is incomplete without it.
        why: why it may be absent.
    """

    title: str
    matches: Match
    command: str
    gate: bool = False
    why: str = "on demand"


def _lane(framework: str, device: str = "") -> Match:
    return lambda name: name.startswith(f"{framework}-") and name.endswith(device)


KINDS = (
    RunKind(title="PyTorch lane", matches=_lane("torch"), command="nox -s torch_integration", gate=True),
    RunKind(title="TensorFlow lane", matches=_lane("tf"), command="nox -s tf_integration", gate=True),
    RunKind(title="parity", matches="parity".__eq__, command="nox -s parity", gate=True),
    RunKind(
        title="benchmark",
        matches=("benchmark", "benchmark-short").__contains__,
        command="nox -s benchmark-short",
        gate=True,
    ),
    RunKind(
        title="PyTorch on a GPU",
        matches=_lane("torch", "-gpu"),
        command="nox -s torch_integration -- --device cuda",
        why="needs a GPU",
    ),
    RunKind(
        title="TensorFlow on a GPU",
        matches=_lane("tf", "-gpu"),
        command="nox -s tf_integration -- --device cuda",
        why="needs a GPU",
    ),
    RunKind(
        title="parity on a GPU",
        matches="parity-gpu".__eq__,
        command="nox -s parity -- --device cuda",
        why="needs a GPU",
    ),
    RunKind(
        title="benchmark on a GPU",
        matches=("benchmark-gpu", "benchmark-short-gpu").__contains__,
        command="nox -s benchmark -- --device cuda",
        why="needs a GPU",
    ),
    RunKind(title="drift from a commit", matches="drift".__eq__, command="nox -s parity -- --against REV"),
    RunKind(title="ways of running", matches="ways".__eq__, command="nox -s parity -- --ways"),
    RunKind(
        title="versions of the frameworks",
        matches="versions".__eq__,
        command="nox -s parity -- --versions tf=2.20.0,2.21.0",
    ),
    RunKind(title="planted faults", matches=("mutation", "mutation-sample").__contains__, command="nox -s mutation"),
    RunKind(title="regression against a base", matches="against".__eq__, command="nox -s benchmark -- compare REV"),
    RunKind(title="regression gate on itself", matches="gate".__eq__, command="nox -s benchmark -- self-test"),
    RunKind(title="slower commit", matches="bisect".__eq__, command="nox -s benchmark -- bisect GOOD BAD"),
    RunKind(title="kill test", matches=("kill-test", "kill-test-sample").__contains__, command="nox -s kill-test"),
    RunKind(title="scale", matches="scale".__eq__, command="python -m harness scale"),
    RunKind(
        title="parity over seeds", matches="parity over seeds".__eq__, command="nox -s parity -- survey --seeds 20"
    ),
    RunKind(title="trained quality (R9)", matches="trained quality".__eq__, command="nox -s parity -- quality"),
)


@dataclass(frozen=True, kw_only=True)
class VerdictLine:
    """
    One line of the verdict.

    Attributes:
        run: the run.
        verdict: its own.
        stale: how it differs from a whole run of the present state.
        counts: whether the whole depends on it.
        sentence: the summary of the run in one line.
    """

    run: LoadedRun
    verdict: Verdict
    stale: tuple[str, ...]
    counts: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class OverallStatus:
    """
    The verdict of the whole.

    Attributes:
        verdict: the worst of what counts; inconclusive where a gate did not run and nothing failed.
        entries: one for each run.
        absent: kinds of run that there could be and is none of.
        outdated: gates whose newest run passed, but not in the present state.
        chosen: whether the caller named the runs: then nothing else must report.
    """

    verdict: Verdict
    entries: tuple[VerdictLine, ...]
    absent: tuple[RunKind, ...]
    outdated: tuple[RunKind, ...] = ()
    chosen: bool

    @property
    def missing(self) -> list[str]:
        """Gates that did not run, where all must."""
        return [kind.title for kind in self.absent if kind.gate and not self.chosen]

    @property
    def incomplete(self) -> bool:
        """Whether a gate is missing or outdated, and nothing that counts failed."""
        counted = [entry for entry in self.entries if entry.counts]
        lacking = bool(self.missing or self.outdated) and bool(self.entries)
        return lacking and all(entry.verdict is Verdict.PASS for entry in counted)

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return "incomplete" if self.incomplete else self.verdict.label

    @property
    def sentence(self) -> str:
        """The whole in a line."""
        missing, outdated = self.missing, [kind.title for kind in self.outdated]
        if self.incomplete:
            gates = sum(kind.gate for kind in KINDS)
            runs = f"{gates - len(missing) - len(outdated)} of {gates} gates run, none failed"
        else:
            passed = sum(entry.verdict is Verdict.PASS for entry in self.entries)
            runs = f"{passed} of {count(len(self.entries), 'run')} passed"
        lists = (("not current", outdated), ("did not run", missing))
        return "; ".join((runs, *(f"{words}: {', '.join(names)}" for words, names in lists if names)))


def judge(runs: Sequence[LoadedRun], *, chosen: bool) -> OverallStatus:
    """
    Judge what a report is about.

    Args:
        runs: the runs.
        chosen: whether the caller named them: then they are judged as they were, and nothing else is missed.
    """
    absent = tuple(kind for kind in KINDS if not any(kind.matches(run.name) for run in runs))
    entries = [_entry(run, chosen=chosen) for run in runs]
    outdated = []
    for kind in KINDS:
        mine = [entry for entry in entries if kind.gate and kind.matches(entry.run.name)]
        # A gate that has a run of the present state does not fail for an old one of another device.
        if mine and not any(entry.counts for entry in mine):
            failed = [entry for entry in mine if entry.verdict is not Verdict.PASS]
            entries = [replace(entry, counts=True) if entry in failed else entry for entry in entries]
            outdated += [] if failed else [kind]
    verdicts = [entry.verdict for entry in entries if entry.counts]
    if outdated or (not chosen and any(kind.gate for kind in absent)):
        verdicts.append(Verdict.INCONCLUSIVE if runs else Verdict.FAIL)
    verdict = Verdict.worst(verdicts, default=Verdict.FAIL)
    entries.sort(key=lambda entry: (_place(entry.run.name), entry.run.name))
    return OverallStatus(
        verdict=verdict, entries=tuple(entries), absent=absent, outdated=tuple(outdated), chosen=chosen
    )


def _place(name: str) -> int:
    return next((number for number, kind in enumerate(KINDS) if kind.matches(name)), len(KINDS))


def _entry(run: LoadedRun, *, chosen: bool) -> VerdictLine:
    old: list[str] = [] if chosen or not run.told.origin else freshness.stale(run.told)
    if not chosen:
        old += required.parts(run.told.expected, run.told.tests, run.told.deselected)
    return VerdictLine(run=run, verdict=run.verdict, stale=tuple(old), counts=not old, sentence=sentence(run))


def sentence(run: LoadedRun) -> str:
    """A run in a line: its first problem, or what it shows."""
    first = mapping(run.climbed.get("first_failure"))
    if first:
        where = f"{text(first.get('rung'))} at gridsize {text(first.get('gridsize'))} in {text(first.get('precision'))}"
        where += f" ({problem})" if (problem := text(first.get("problem"))) else ""
        return f"first failing rung: {where}; at fault: {text(first.get('suspect')) or 'not settled'}"
    if run.problems:
        more = f" (and {count(len(run.problems) - 1, 'more problem')})" if len(run.problems) > 1 else ""
        return first_line(run.problems[0].message) + more
    return _shows(run)


def _shows(run: LoadedRun) -> str:
    """Return what a run shows that has no problem."""
    told = run.told
    mutation, killed = run.document("mutation.json"), run.document("kill-test.json")
    if mutation:
        found = figure(mapping(mutation.get("outcomes")).get("killed"), "{:.0f}")
        return f"{found} of {figure(mutation.get('mutants'), '{:.0f}')} planted faults found"
    if killed:
        kills, failed = (figure(killed.get(key), "{:.0f}") for key in ("kills", "failed"))
        return f"{kills} runs killed on purpose, {failed} of them ended badly"
    if told.rungs:
        return told.tally.sentence
    parts = []
    if told.fixtures:
        parts.append(f"{count(len(told.fixtures), 'fixture')} scored")
    if told.tests:
        parts.append(f"{count(told.count('passed'), 'test')} passed")
    if told.benchmarks:
        parts.append(f"{count(len(told.benchmarks), 'benchmark')} passed")
    return ", ".join(parts) or "ended without a problem"
