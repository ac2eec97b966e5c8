"""
Benchmarks, history, scaling, planted faults, the kill test: what other commands measured, as they wrote it.

Each reads its document with care: another version may have written it, and a figure that is not there is a dash.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.record import history as record_history
from harness.record import machine
from harness.record.rung_results import ORDER
from harness.report import charts
from harness.report.charts import Bar, Series
from harness.report.load_runs import LoadedRun
from harness.report.model import Cells, Chart, Table, TableCell, toned
from harness.report.timeline import Training
from harness.report.values import NONE, count, figure, finite, mapping, number, objects, seconds, text, texts
from ptycho.errors import UsageError

ROWS = 60
"""Rows of a table; `verdict.json` has them all."""

BUDGET_S = 120.0
"""Seconds that an epoch may take."""


def budget(trainings: Sequence[tuple[str, Training]], runs: Sequence[LoadedRun] = ()) -> Chart | None:
    """The longest epoch of each training, and what benchmarks measured of one, beside the budget."""
    bars = [
        Bar(name=f"{training.lane}, {fixture}", parts={"longest epoch": longest}, limit=BUDGET_S)
        for fixture, training in trainings
        if (longest := training.longest_epoch_s) is not None
    ]
    for item in (item for run in runs for item in objects(run.document("bench.json").get("benchmarks"))):
        extra = mapping(item.get("extra_info"))
        wall, limit = finite(extra.get("wall_s")), finite(extra.get("budget_s"))
        if wall is not None and limit is not None:
            bars.append(Bar(name=text(item.get("name")), parts={"longest epoch": wall}, limit=limit))
    note = "Of the lanes' trainings: with validation and checkpoint. Of the benchmarks: the whole process."
    return charts.bars("Longest epoch beside its budget", bars, unit="s", note=note, headings="training")


def phases(trainings: Sequence[tuple[str, Training]]) -> Chart | None:
    """Seconds of each training by phase."""
    bars = []
    for fixture, training in trainings:
        parts = dict(training.phases)
        if training.rest_s is not None and parts:
            parts["start and end"] = training.rest_s
        if parts:
            bars.append(Bar(name=f"{training.lane}, {fixture}", parts=parts))
    note = "What lies outside every phase is the interpreter's start and end."
    return charts.bars("Training by phase", bars, unit="s", note=note, headings="training")


def losses(fixture: str, trainings: Sequence[Training]) -> Chart | None:
    """Loss curves of one fixture, all lanes together."""
    series = []
    for number_, training in enumerate(trainings):
        for name, dashed in (("train", False), ("validation", True)):
            points = [(epoch.number, value) for epoch in training.epochs if (value := getattr(epoch, name)) is not None]
            series.append(Series(name=f"{training.lane}, {name}", points=points, colour=number_, dashed=dashed))
    note = "Dashed: on the patterns that were held back."
    return charts.lines(f"Loss on {fixture}", series, x="epoch", y="loss (truncated Poisson)", note=note)


def benchmarks(run: LoadedRun) -> Table:
    """A benchmark run in the format of pytest-benchmark."""
    rows: list[Cells] = []
    for item in objects(run.document("bench.json").get("benchmarks")):
        stats, extra = mapping(item.get("stats")), mapping(item.get("extra_info"))
        name = text(item.get("name"))
        verdict = run.told.benchmarks.get(name, text(extra.get("verdict")))
        rate = number(extra.get("patterns_per_s")) or number(extra.get("patterns_per_second"))
        rows.append(
            (
                TableCell(text=name, code=True),
                *(seconds(stats.get(key)) for key in ("median", "min", "max")),
                figure(stats.get("rounds"), "{:.0f}"),
                figure(rate),
                figure(extra.get("peak_mib"), "{:.0f}"),
                TableCell(text=verdict.lower() or NONE, tone=toned(verdict)),
            )
        )
    named = {text(item.get("name")) for item in objects(run.document("bench.json").get("benchmarks"))}
    if run.name.removesuffix("-gpu") in ("benchmark", "benchmark-short"):
        # pytest-benchmark writes its file at the end: of a session that was stopped, the log knows more.
        for name in dict.fromkeys((*run.told.benchmarks, *run.told.expected.benchmarks)):
            if name not in named:
                verdict = run.told.benchmarks.get(name, "did not report")
                rows.append(
                    (TableCell(text=name, code=True), *[NONE] * 6, TableCell(text=verdict, tone=toned(verdict)))
                )
    headings = ("benchmark", "median", "least", "most", "rounds", "patterns/s", "peak / MiB", "verdict")
    return Table(caption="Benchmarks", headings=headings, rows=rows)


def benchmark_phases(run: LoadedRun) -> Chart | None:
    """Phases of the benchmarks that say them."""
    bars = []
    for item in objects(run.document("bench.json").get("benchmarks")):
        given = mapping(mapping(item.get("extra_info")).get("phases"))
        parts = {name: value for name, seconds_ in given.items() if (value := finite(seconds_)) is not None}
        if parts:
            bars.append(Bar(name=text(item.get("name")), parts=parts))
    return charts.bars("Benchmarks by phase", bars, unit="s", headings="benchmark")


def history(root: Path) -> Chart | None:
    """Medians of past benchmarks of this workspace, one line for each benchmark on each machine."""
    found: dict[str, list[float]] = {}
    for record in record_history.read_all(root).records:
        entry = record.entry
        if entry.kind == "benchmark" and (value := entry.values.get("seconds")) is not None:
            found.setdefault(f"{entry.subject} ({machine.key(record.fingerprint)[:8]})", []).append(value)
    series = [
        Series(name=name, points=list(enumerate(values, start=1)), colour=at)
        for at, (name, values) in enumerate(found.items())
    ]
    note = "In brackets: the machine. Figures of different machines are not compared."
    return charts.lines("Benchmarks so far", series, x="run", y="median / s", note=note)


def mutation(run: LoadedRun) -> Table:
    """The score of the planted faults, by declared rung."""
    trials = objects(run.document("mutation.json").get("trials"))
    gates = sorted({text(item.get("dies_at")) for item in trials if item.get("dies_at")}, key=_height)
    rows: list[Cells] = []
    for gate in gates:
        mine = [item for item in trials if text(item.get("dies_at")) == gate]
        outcomes = [text(item.get("outcome")) for item in mine]
        alive = sum(word in ("survived", "error") for word in outcomes)
        named = [item.get("names_guilty") for item in mine if item.get("names_guilty") is not None]
        rows.append(
            (
                gate,
                str(len(mine)),
                str(outcomes.count("killed")),
                str(outcomes.count("late")),
                TableCell(text=str(alive), tone="fail" if alive else "pass"),
                f"{sum(map(bool, named))} of {len(named)}" if named else NONE,
            )
        )
    headings = ("declared at", "planted", "found", "found late", "not found", "right side named")
    return Table(caption="Planted faults by the rung at which they must be found", headings=headings, rows=rows)


def stopped(run: LoadedRun, kind: str) -> Table | None:
    """Trials of a campaign that was stopped before it wrote its document, from its log; None for any other run."""
    told = run.told
    if told.kind != kind or run.documents or not (told.rungs or told.expected.rungs):
        return None
    results = told.tally.results
    listed = sorted(results.items(), key=lambda item: ORDER.index(item[1]))
    rows: list[Cells] = [(name, TableCell(text=result, tone=toned(result))) for name, result in listed]
    caption = f"The run was stopped; from its log: {told.tally.sentence}"
    return Table(caption=caption, headings=("trial", "result"), rows=rows[:ROWS], more=max(0, len(rows) - ROWS))


def _height(gate: str) -> tuple[int, str]:
    """The order of gates: rungs by their number, a lane above all of them."""
    digits = "".join(mark for mark in gate if mark.isdigit())
    return (int(digits) if digits else 99, gate)


def own_table(run: LoadedRun, file: str, caption: str) -> Table | None:
    """The table that a command wrote into its document, headings first; None if there is none."""
    given = run.document(file).get("table")
    rows = [tuple(texts(row)) for row in given if isinstance(row, list)] if isinstance(given, list) else []
    if len(rows) < 2:
        return None
    headings, *body = rows
    return Table(caption=caption, headings=headings, rows=body)


def faults(root: Path | None = None) -> Table | None:
    """The faults that tests inject, with the number of tests; None without a checkout to read the tests of."""
    from harness.faults import table
    from harness.faults.rows import ROWS

    try:
        marked = table.gather() if root is None else table.gather(root)
    except UsageError:
        return None
    headings, *rows = table.table(marked)
    injecting = sum(bool(item.rows) for item in marked)
    bare = sum(row[-1] == "0" for row in rows)
    caption = f"Faults that tests inject and judge: {len(ROWS)} kinds, {injecting} tests"
    tones = ("fail" if row[-1] == "0" else "pass" for row in rows)
    toned_rows: list[Cells] = [
        (*row[:-1], TableCell(text=row[-1], tone=tone)) for row, tone in zip(rows, tones, strict=True)
    ]
    more = f", {count(bare, 'kind')} without a test" if bare else ""
    return Table(caption=caption + more, headings=headings, rows=toned_rows)


def _tests(amount: str) -> TableCell:
    return TableCell(text=amount, tone="fail" if amount == "0" else "pass")


def scale(run: LoadedRun) -> list[Chart]:
    """Processor time of a pattern, and memory, over the number of patterns."""
    cost: dict[str, list[tuple[float, float]]] = {}
    memory: dict[str, list[tuple[float, float]]] = {}
    for row in objects(run.document("scale.json").get("rows")):
        reading = mapping(row.get("reading"))
        about = f"N = {text(reading.get('side'))}, gridsize {text(reading.get('gridsize'))}"
        for found, key in ((cost, "microseconds"), (memory, "peak_mb")):
            size, value = finite(reading.get("patterns")), finite(row.get(key))
            if size and value and min(size, value) > 0:
                found.setdefault(about, []).append((size, value))
    drawn = (
        charts.lines("Reading: processor time a pattern", _series(cost), x="patterns", y="µs", logarithmic=True),
        charts.lines("Reading: largest resident memory", _series(memory), x="patterns", y="MB", logarithmic=True),
    )
    return [chart for chart in drawn if chart is not None]


def _series(found: Mapping[str, list[tuple[float, float]]]) -> list[Series]:
    return [Series(name=name, points=sorted(points), colour=at) for at, (name, points) in enumerate(found.items())]
