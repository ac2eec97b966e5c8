"""
The page: everything that is shown, gathered into one value, and that value drawn with the templates.

The page loads nothing and says so: its content policy allows its own style and script, by their hashes, and pictures
that are in the page itself. A script that came in with a log would not run even if it were not escaped.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.report import image_panels, ladder_section, metric_sections, regressions, sections, side_by_side, timeline
from harness.report.image_panels import FixturePictures
from harness.report.ladder_section import Ladder
from harness.report.load_runs import LoadedRun
from harness.report.model import Chart, Table, toned
from harness.report.overall_status import OverallStatus, RunKind
from harness.report.regressions import OverTime
from harness.report.sections import RunView
from harness.report.timeline import Training
from harness.report.trouble import Trouble

TEMPLATES = Path(__file__).with_name("templates")
KILLED = "Runs that were killed on purpose, and how the next run found what they left"


@dataclass(frozen=True, kw_only=True)
class Page:
    """
    Content of a page.

    Attributes:
        standing: the verdict of the whole.
        runs: one part for each run.
        ladder: the parity ladder, or None.
        shown: reconstructions by fixture.
        scores: their figures.
        charts: of losses; of budget, phases, history and scaling.
        tables: by name: ledger, known, silent, fingerprint, mutation …
        absent: kinds of runs that there could be.
        running: names of runs that are under way.
        unbegun: names of runs that were killed before their first event.
        troubles: what is wrong with each run that did not pass, by the name of its folder.
        pairs: an earlier run beside each run of its kind.
        over_time: changes of the history; None where the page is about runs that were named.
    """

    standing: OverallStatus
    runs: Sequence[RunView]
    ladder: Ladder | None
    ladder_run: RunView | None
    shown: Sequence[FixturePictures]
    scores: Table
    losses: Sequence[Chart]
    costs: Sequence[Chart]
    benchmarks: Sequence[Table]
    regressions: Sequence[Table]
    ledger: Table
    kills: Sequence[Table]
    faults: Table | None
    mutation: Sequence[Table]
    known: Table
    silent: Table
    fingerprint: Table
    absent: Sequence[RunKind]
    running: Sequence[str]
    unbegun: Sequence[str] = ()
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    pairs: Sequence[Table] = ()
    over_time: OverTime | None = None


def make(
    standing: OverallStatus,
    *,
    root: Path | None = None,
    running: Sequence[str] = (),
    unbegun: Sequence[str] = (),
    troubles: Mapping[str, Trouble] | None = None,
    against: LoadedRun | None = None,
) -> Page:
    """
    Gather what a page shows.

    Args:
        standing: the judged runs.
        root: the workspace's folder for runs, for its history; None leaves that out.
        running: names of runs that are under way and therefore not shown.
        unbegun: names of runs that were killed before their first event: there is nothing to show of them.
        troubles: what is wrong with each run that did not pass, by the name of its folder.
        against: an earlier run that is put beside those of its kind.
    """
    runs = [entry.run for entry in standing.entries]
    views = [sections.view(entry, number) for number, entry in enumerate(standing.entries, start=1)]
    lanes = [run for run in runs if run.is_lane]
    climbed = next((run for run in runs if run.climbed), None)
    trained = _trainings(lanes)
    flat = [(fixture, training) for fixture, found in trained.items() for training in found]
    costs = [
        metric_sections.budget(flat, runs),
        metric_sections.phases(flat),
        *(metric_sections.benchmark_phases(run) for run in runs),
        None if root is None else metric_sections.history(root),
        *(chart for run in runs for chart in metric_sections.scale(run)),
    ]
    return Page(
        standing=standing,
        runs=views,
        ladder=None if climbed is None else ladder_section.of(climbed),
        ladder_run=next((view for view in views if view.entry.run is climbed), None),
        shown=image_panels.of_runs(lanes),
        scores=sections.scores(lanes),
        losses=[chart for fixture, found in trained.items() if (chart := metric_sections.losses(fixture, found))],
        costs=[chart for chart in costs if chart is not None],
        benchmarks=[made for run in runs if (made := metric_sections.benchmarks(run)).rows],
        regressions=[made for run in runs for table in regressions.TABLES if (made := table(run)).rows],
        ledger=sections.ledger(lanes),
        kills=[
            table
            for run in runs
            for table in (
                metric_sections.own_table(run, "kill-test.json", KILLED),
                metric_sections.stopped(run, "kill-test"),
            )
            if table is not None
        ],
        faults=metric_sections.faults(),
        mutation=[
            made
            for run in runs
            for made in (metric_sections.mutation(run), metric_sections.stopped(run, "mutation"))
            if made is not None and made.rows
        ],
        known=sections.known(runs),
        silent=sections.silent(standing.entries),
        fingerprint=sections.fingerprint(runs),
        absent=() if standing.chosen else standing.absent,
        running=running,
        unbegun=unbegun,
        troubles=troubles or {},
        pairs=[] if against is None else side_by_side.tables(against, runs),
        over_time=None if root is None else regressions.over_time(root),
    )


def _trainings(lanes: Sequence[LoadedRun]) -> dict[str, list[Training]]:
    found: dict[str, list[Training]] = {}
    for run in lanes:
        for fixture, training in timeline.trainings(run).items():
            found.setdefault(fixture, []).append(training)
    return found


def render(page: Page) -> str:
    """The page as HTML, complete in itself."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(toned=toned)
    return environment.get_template("page.html").render(
        page=page,
        style=Markup(style()),  # noqa: S704  # files of this package
        script=Markup(script()),  # noqa: S704
        policy=policy(),
    )


@cache
def style() -> str:
    """The style sheet."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


@cache
def script() -> str:
    """The script; without it only the buttons that copy a command are missing."""
    return (TEMPLATES / "script.js").read_text(encoding="utf-8")


def policy() -> str:
    """Return what the page may load: nothing."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style())}; script-src {_hash(script())}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
