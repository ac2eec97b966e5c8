"""
The verdict of a campaign: each figure by itself, the flat object, and the overall result.

`pass` needs evidence twice over: a difference as large as the margin is refuted, and the campaign was large enough to
refute it in four of five tries. What is neither shown nor refuted is `unverified`, with the number of seeds that would
settle it. That both are equal is worth nothing where both are wrong: every run must beat a flat object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.parity.compare.comparison import Result
from harness.parity.quality import tost
from harness.parity.quality.campaign import QualityCampaign, QualityRun
from harness.parity.quality.measure import METRICS, Metric
from harness.parity.quality.tost import POWER, Tost
from harness.system import tables
from ptycho.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class MetricResult:
    """
    Result of all seeds for one figure.

    Attributes:
        metric: the figure.
        sides: its values by side, in the order of the seeds.
        tested: paired tests of first less second side; None with too few pairs.
    """

    metric: Metric
    sides: Mapping[str, Sequence[float]]
    tested: Tost | None

    @property
    def result(self) -> Result:
        """Pass, fail or unverified."""
        if self.tested is not None and self.tested.beyond:
            return Result.FAIL
        if self.tested is not None and self.tested.equivalent and self.tested.power >= POWER:
            return Result.PASS
        return Result.UNVERIFIED

    @property
    def reason(self) -> str:
        """Return why it does not pass; empty if it does."""
        tested = self.tested
        if tested is None:
            return f"{len(next(iter(self.sides.values())))} seeds on both sides; {tost.LEAST} or more are needed"
        if self.result is Result.FAIL:
            first, second = self.sides
            better = first if (tested.mean > 0) is self.metric.rising else second
            return (
                f"{better} is better by {abs(tested.mean):.3g} {self.metric.unit}; differences up to "
                f"{tested.margin.value:.3g} do not matter"
            )
        if self.result is Result.PASS:
            return ""
        if tested.power >= POWER:
            return (
                f"a difference of {tested.mean:+.3g} {self.metric.unit} ± {tested.interval[1] - tested.mean:.2g} is "
                f"neither within the margin of {tested.margin.value:.3g} nor beyond it; more seeds would tell"
            )
        would = f"{tested.needed} seeds" if tested.needed is not None else f"more than {tost.MOST} seeds"
        shown = "equal within the margin, but" if tested.equivalent else "not shown to be equal within the margin, and"
        return f"{shown} the power is {tested.power:.2f} with {tested.n} seeds; {would} give {POWER}"


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """
    A judged campaign.

    Attributes:
        findings: one for each of `METRICS`.
        runs: by side, seeds in one order: those that both sides have run.
        asked: the seeds that were asked for.
        looks: numbers of seeds at earlier verdicts of the same campaign.
        path: the `quality.json`.
        picture: differences and loss curves, or None.
        seconds: wall time.
    """

    findings: tuple[MetricResult, ...]
    runs: Mapping[str, Sequence[QualityRun]]
    asked: tuple[int, ...]
    looks: tuple[int, ...] = ()
    path: Path
    picture: Path | None = None
    seconds: float

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that count."""
        return tuple(run.seed for run in next(iter(self.runs.values())))

    @property
    def n(self) -> int:
        """Return how many seeds count."""
        return len(self.seeds)

    @property
    def collapsed(self) -> dict[str, list[int]]:
        """By side, the seeds whose network is no better than a flat object."""
        return {side: [run.seed for run in runs if run.measured.collapsed] for side, runs in self.runs.items()}

    @property
    def result(self) -> Result:
        """Pass, fail or unverified, of all together."""
        results = {finding.result for finding in self.findings}
        if any(self.collapsed.values()) or Result.FAIL in results:
            return Result.FAIL
        return Result.PASS if results == {Result.PASS} and self.seeds == self.asked else Result.UNVERIFIED

    @property
    def verdict(self) -> Verdict:
        """The exit code; what is unverified is inconclusive."""
        return {Result.PASS: Verdict.PASS, Result.FAIL: Verdict.FAIL}.get(self.result, Verdict.INCONCLUSIVE)

    @property
    def reasons(self) -> list[str]:
        """Return why it does not pass."""
        found = [f"{item.metric.label}: {item.result}: {item.reason}" for item in self.findings if item.reason]
        found += [
            f"{side}: {len(seeds)} of {self.n} runs are no better than a flat object (seeds {_listed(seeds)})"
            for side, seeds in self.collapsed.items()
            if seeds
        ]
        if self.seeds != self.asked:
            found.append(f"seeds {_listed(sorted({*self.asked} - {*self.seeds}))} are missing on a side")
        return found

    def with_picture(self, picture: Path) -> "QualityReport":
        """The same with its picture."""
        return replace(self, picture=picture)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "verdict": self.verdict.label,
            "exit_code": int(self.verdict),
            "result": str(self.result),
            "seeds": list(self.seeds),
            "reasons": self.reasons,
            "metrics": [_row(finding) for finding in self.findings],
            "collapse_rate": {side: len(seeds) / max(1, self.n) for side, seeds in self.collapsed.items()},
            "collapsed": self.collapsed,
            "picture": None if self.picture is None else str(self.picture),
            "seconds": round(self.seconds, 1),
        }


def judge(campaign: QualityCampaign, seeds: Sequence[int], *, path: Path, seconds: float) -> QualityReport:
    """
    Judge the runs of a campaign under some seeds.

    Args:
        campaign: the runs.
        seeds: that were asked for; other runs of the campaign do not count.
        path: its file.
        seconds: wall time so far.
    """
    runs = campaign.pairs(seeds)
    findings = []
    for metric in METRICS:
        sides = {side: [run.measured.figures[metric.name] for run in runs[side]] for side in campaign.sides}
        a, b = (sides[side] for side in campaign.sides)
        enough = len(a) >= tost.LEAST
        tested = tost.tost(a, b, tost.half_spread(a, b)) if enough else None
        findings.append(MetricResult(metric=metric, sides=sides, tested=tested))
    return QualityReport(
        findings=tuple(findings),
        runs=runs,
        asked=tuple(seeds),
        looks=tuple(campaign.looks),
        path=path,
        seconds=seconds,
    )


def _row(finding: MetricResult) -> dict[str, Any]:
    tested = finding.tested
    return {
        "metric": finding.metric.name,
        "label": finding.metric.label,
        "unit": finding.metric.unit,
        "result": str(finding.result),
        "reason": finding.reason,
        "means": {side: _mean(values) for side, values in finding.sides.items()},
        **({} if tested is None else asdict(tested) | {"margin": tested.margin.value}),
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def rows(report: QualityReport) -> list[tuple[str, ...]]:
    """The table, headings first."""
    first, second = report.runs
    headings = ("figure", first, second, f"{first} − {second}", "interval", "margin ±", "power", "result")
    table: list[tuple[str, ...]] = [headings]
    for finding in report.findings:
        means = tuple("–" if (mean := _mean(values)) is None else f"{mean:.3f}" for values in finding.sides.values())
        tested = finding.tested
        shown = ("–",) * 4
        if tested is not None:
            low, high = tested.interval
            interval = f"{low:+.3f} to {high:+.3f}"
            shown = (f"{tested.mean:+.3f}", interval, f"{tested.margin.value:.3f}", f"{tested.power:.2f}")
        table.append((f"{finding.metric.label}, {finding.metric.unit}", *means, *shown, str(finding.result)))
    return table


STYLES = {"pass": "green", "fail": "red", "unverified": "yellow"}


def show(report: QualityReport) -> None:
    """Print the table, with rich on a terminal, and its verdict."""
    table = rows(report)
    tables.show(table, styles=[STYLES[row[-1]] for row in table[1:]])
    flat = ", ".join(f"{side} {len(seeds)} of {report.n}" for side, seeds in report.collapsed.items())
    print(f"no better than a flat object: {flat}")
    for reason in report.reasons:
        print(reason)
    if report.looks:
        print(
            f"verdicts on {_listed(report.looks)} seeds of this campaign came before: each look is another chance of "
            f"{tost.ALPHA:.0%} to pass a pair that differs by the margin"
        )
    for label in ("picture", "path"):
        if (value := getattr(report, label)) is not None:
            print(f"{label}: {value}")
    print(
        f"trained quality: {report.result} (exit {int(report.verdict)}) on seeds {_listed(report.seeds)} "
        f"in {report.seconds / 60:.1f} min",
        flush=True,
    )
