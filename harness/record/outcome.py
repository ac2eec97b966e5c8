"""
The outcome of a lane, as data: written to `outcome.json`, printed as a table, and turned into one exit code.

A problem is a verdict with a sentence. The lane's verdict is the worst of its problems; without any it passes, but
only if something reported: a lane in which no fixture was scored and no test ran has failed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.files.run_files import write_text
from harness.record.findings import Finding, Findings
from harness.record.known_failures import KnownFailure, reason_for, settle
from harness.record.log import EventLog
from harness.system import tables
from ptycho.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A reason not to pass."""

    verdict: Verdict
    message: str


@dataclass(frozen=True, kw_only=True)
class FixtureResult:
    """
    Result of one fixture.

    Attributes:
        fixture: its name.
        train_s: wall time of the training process in seconds.
        infer_s: wall time of the inference process in seconds.
        train_peak_mib: largest resident memory of the training's processes together, in MiB.
        infer_peak_mib: the same of inference.
        epoch_s: seconds of one more epoch, from trainings of two lengths; None where that was not measured.
        start_s: seconds of a training outside its epochs: imports, data, saving.
        scores: figures of the reconstruction against the truth, or None.
        flat: the same figures of a flat object, or None.
        input_sha256: hash of the network's input, as the target logged it.
        pictures: pictures that the run keeps.
        reconstruction: copy of the reconstruction that the run keeps, or None.
        input_dump: the array that the network was given, kept, or None.
        losses: what cannot be judged because of how the target leaves its reconstruction.
        verdict: of this fixture alone.
    """

    fixture: str
    train_s: float | None = None
    infer_s: float | None = None
    train_peak_mib: float | None = None
    infer_peak_mib: float | None = None
    epoch_s: float | None = None
    start_s: float | None = None
    scores: Mapping[str, Any] | None = None
    flat: Mapping[str, Any] | None = None
    input_sha256: str | None = None
    pictures: tuple[str, ...] = ()
    reconstruction: str | None = None
    input_dump: str | None = None
    losses: tuple[str, ...] = ()
    verdict: Verdict = Verdict.FAIL


@dataclass(frozen=True, kw_only=True)
class SuiteResult:
    """Counts of a target's own test suite, and where its output is."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    log: str


@dataclass(kw_only=True)
class Outcome:
    """
    A lane's findings while they are gathered.

    Attributes:
        lane: framework and device, for example `torch-cpu`.
        device: what the device is, in words.
        run_root: the folder of the run.
        fixtures: results so far.
        suite: suite of the target's own tests, or None.
        problems: reasons not to pass.
        notes: what the reader should know and what fails nothing.
        findings: what is wrong, by name; those that count are among the problems, too.
        known: findings that the target's maintainers accept.
        commands: how each command ended, what it used and what the machine did meanwhile, by label.
        events: log that hears of every problem and finding at once, so that a kill loses none; or None.
    """

    lane: str
    device: str
    run_root: Path
    fixtures: list[FixtureResult] = field(default_factory=list)
    suite: SuiteResult | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    known: tuple[KnownFailure, ...] = ()
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: EventLog | None = None

    def blame(self, verdict: Verdict, message: str) -> None:
        """Add a reason not to pass."""
        self.problems.append(Problem(verdict=verdict, message=message))
        if self.events is not None:
            self.events.write("problem", verdict=verdict.label, message=message)

    def find(self, finding: Finding) -> None:
        """Add a finding; the first of its kind is a problem, unless it is known or a warning."""
        named = replace(finding, known=reason_for(self.known, finding))
        first = self.findings.add(named)
        if first and self.events is not None:
            self.events.write("finding", **named.as_dict())
        if first and named.counts:
            self.blame(named.kind.verdict if named.verdict is None else named.verdict, named.sentence)

    def settle_known(self) -> None:
        """Once everything was checked: an entry of the list of known failures that passes is an error."""
        passing, unjudged = settle(self.known, self.findings)
        for sentence in passing:
            self.blame(Verdict.FAIL, sentence)
        self.notes += unjudged
        if self.known and self.fixtures and not any(result.scores for result in self.fixtures):
            self.blame(Verdict.FAIL, "no fixture was scored: with known failures alone, nothing shows what works")

    @property
    def verdict(self) -> Verdict:
        """The lane's verdict."""
        if not self.problems and not self.fixtures and self.suite is None:
            return Verdict.FAIL
        return Verdict.worst((problem.verdict for problem in self.problems), default=Verdict.PASS)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        fixtures = [asdict(result) | {"verdict": result.verdict.label} for result in self.fixtures]
        problems = [{"verdict": item.verdict.label, "message": item.message} for item in self.problems]
        return {
            "lane": self.lane,
            "device": self.device,
            "run_root": str(self.run_root),
            "verdict": self.verdict.label,
            "exit_code": int(self.verdict),
            "fixtures": fixtures,
            "suite": asdict(self.suite) if self.suite else None,
            "commands": dict(self.commands),
            "findings": [finding.as_dict() for finding in self.findings],
            "checks": self.findings.checks(),
            "problems": problems,
            "notes": list(self.notes),
        }

    def write(self) -> Path:
        """Write `outcome.json` into the run root."""
        path = self.run_root / "outcome.json"
        write_text(path, json.dumps(self.as_dict(), indent=1, default=str) + "\n")
        return path


COLUMNS = (
    ("phase corr.", "phase_correlation", "{:.3f}"),
    ("phase PSNR dB", "phase_psnr", "{:.1f}"),
    ("phase SSIM", "phase_ssim", "{:.3f}"),
    ("ampl. PSNR dB", "amplitude_psnr", "{:.1f}"),
    ("ampl. SSIM", "amplitude_ssim", "{:.3f}"),
)


def rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """The table of a lane, headings first; every fixture is followed by its flat object."""
    table = [("fixture", *(heading for heading, _, _ in COLUMNS), "train s", "infer s", "verdict")]
    for result in outcome.fixtures:
        times = tuple("–" if value is None else f"{value:.1f}" for value in (result.train_s, result.infer_s))
        table.append((result.fixture, *_figures(result.scores), *times, result.verdict.label))
        if result.flat is not None:
            table.append(("  flat object", *_figures(result.flat), "", "", ""))
    return table


def _figures(scores: Mapping[str, Any] | None) -> tuple[str, ...]:
    return tuple("–" if scores is None else text.format(scores[key]) for _, key, text in COLUMNS)


def show(outcome: Outcome) -> None:
    """Print a lane's findings: with rich on a terminal, as plain text elsewhere."""
    print(f"\n{outcome.lane} on {outcome.device}")
    tables.show(rows(outcome))
    if len(outcome.findings):
        print("findings")
        tables.show(outcome.findings.rows())
    if outcome.suite is not None:
        suite = outcome.suite
        print(f"suite: {suite.passed} passed, {suite.failed} failed, {suite.skipped} skipped in {suite.seconds:.1f} s")
    for picture in [picture for result in outcome.fixtures for picture in result.pictures]:
        print(f"picture: {picture}")
    for note in outcome.notes:
        print(f"note: {note}")
    for finding in outcome.findings:
        if not finding.counts:
            print(f"{'known: ' + finding.known if finding.known else 'warning'}: {finding.sentence}")
    for problem in outcome.problems:
        print(f"{problem.verdict.label}: {problem.message}")
    print(f"verdict: {outcome.verdict.label} (exit {int(outcome.verdict)}); kept in {outcome.run_root}", flush=True)
