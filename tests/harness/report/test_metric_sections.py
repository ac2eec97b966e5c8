"""What other commands measured, as a page shows it."""

import json
from pathlib import Path

import pytest

from harness.record import history, machine
from harness.report import load_runs, metric_sections, sections, timeline, write
from harness.report.model import TableCell
from harness.report.timeline import Epoch, Training
from ptycho.verdict import Verdict
from tests.support import sample_log, sample_runs
from tests.support.fakes.nights import night


def test_the_longest_epoch_stands_beside_its_budget() -> None:
    epochs = [Epoch(number=1, train=0.0, validation=0.0, seconds=131.0)]
    chart = metric_sections.budget([("small", Training(lane="torch-cpu", label="small-train", epochs=epochs))])
    assert chart is not None
    assert ("torch-cpu, small", "131", "131", "120") == chart.table.rows[0]
    assert "bar bad" in chart.drawing
    assert None is metric_sections.budget([("small", Training(lane="torch-cpu", label="small-train"))])


def test_losses_and_phases_of_all_lanes_share_a_chart(tmp_path: Path, scan: Path) -> None:
    runs = [load_runs.load(sample_runs.lane(tmp_path, name, scan)) for name in ("torch", "tf")]
    trained = [timeline.trainings(run)["scan"] for run in runs]
    chart = metric_sections.losses("scan", trained)
    assert chart is not None
    assert (
        "epoch",
        "torch-cpu, train",
        "torch-cpu, validation",
        "tf-cpu, train",
        "tf-cpu, validation",
    ) == chart.table.headings
    assert ("3", "-1230", "-1227", "-1230", "-1227") == chart.table.rows[2]
    phases = metric_sections.phases([("scan", item) for item in trained])
    assert phases is not None
    assert ("torch-cpu, scan", "4.5", "4.5", "9") == phases.table.rows[0]


def test_benchmarks_are_read_in_pytest_benchmarks_format(tmp_path: Path) -> None:
    run = load_runs.load(sample_runs.benchmark(tmp_path))
    table = metric_sections.benchmarks(run)
    assert ("11.5 s", "11.0 s", "12.0 s", "3", "94", "410") == table.rows[0][1:7]
    assert TableCell(text="pass", tone="pass") == table.rows[0][-1]
    chart = metric_sections.benchmark_phases(run)
    assert chart is not None
    assert ("test_epoch[torch-small]", "2", "8", "10") == chart.table.rows[0]
    assert ("machine: cpu", TableCell(text="Some CPU", code=True), "benchmark") in sections.fingerprint([run]).rows


def test_the_history_is_a_line_for_each_benchmark_on_each_machine(tmp_path: Path) -> None:
    for day, value, cpu in ((1, 1.0, "a"), (2, 2.0, "a"), (3, 9.0, "b")):
        record = night(day, value, measure="seconds", subject="a", cpu=cpu)
        path = history.append(tmp_path, record.fingerprint, [record.entry])
    path.write_text(path.read_text() + '{"benchmark": "a", "sec')
    chart = metric_sections.history(tmp_path)
    assert chart is not None
    keys = [f"a ({machine.key(night(1, 1.0, cpu=cpu).fingerprint)[:8]})" for cpu in "ab"]
    assert sorted(("run", *keys)) == sorted(chart.table.headings)
    column = chart.table.headings.index(keys[0])
    assert [("1", "1"), ("2", "2")] == [(row[0], row[column]) for row in chart.table.rows]
    assert None is metric_sections.history(tmp_path / "nowhere")


def test_planted_faults_stand_at_their_rungs_in_the_order_of_the_climb(tmp_path: Path) -> None:
    table = metric_sections.mutation(load_runs.load(sample_runs.mutation(tmp_path, survived=1)))
    assert ["R0", "R4", "lane"] == [row[0] for row in table.rows]
    assert ("1", "0", "0", TableCell(text="1", tone="fail"), "–") == table.rows[2][1:]
    assert ["0 of 1", "1 of 1", "–"] == [row[-1] for row in table.rows]


def test_a_campaign_of_kills_is_shown_by_its_own_table(tmp_path: Path) -> None:
    folder = sample_runs.root(tmp_path, "20260102T000000Z")
    (folder / "events.ndjson").touch()
    table = [["killed", "while", "kills"], ["harness", "train", "7"]]
    (folder / "kill-test.json").write_text(json.dumps({"verdict": "pass", "kills": 7, "failed": 0, "table": table}))
    found = metric_sections.own_table(load_runs.load(folder), "kill-test.json", "Kills")
    assert found is not None
    assert (("killed", "while", "kills"), [("harness", "train", "7")]) == (found.headings, found.rows)
    assert None is metric_sections.own_table(load_runs.load(sample_runs.mutation(tmp_path)), "kill-test.json", "Kills")


@pytest.mark.slow
def test_the_faults_of_the_tests_are_counted(tmp_path: Path) -> None:
    found = metric_sections.faults()
    assert found is not None
    assert len(found.rows) > 20
    assert None is metric_sections.faults(tmp_path)


def test_scaling_is_drawn_by_size_and_kind_of_patch(tmp_path: Path) -> None:
    folder = sample_runs.root(tmp_path, "20260102T000000Z")
    (folder / "events.ndjson").touch()
    rows = [
        {"reading": {"patterns": size, "side": 64, "gridsize": 1}, "microseconds": cost, "peak_mb": 80.0}
        for size, cost in ((100_000, 12.0), (1000, 10.0))
    ]
    (folder / "scale.json").write_text(json.dumps({"verdict": "pass", "rows": rows}))
    cost, memory = metric_sections.scale(load_runs.load(folder))
    assert [("1000", "10"), ("100000", "12")] == list(cost.table.rows)
    assert ("patterns", "N = 64, gridsize 1") == memory.table.headings


def test_what_benchmarks_measure_of_an_epoch_stands_beside_its_budget(tmp_path: Path) -> None:
    chart = metric_sections.budget([], [load_runs.load(sample_runs.benchmark(tmp_path))])
    assert chart is not None
    assert ("test_epoch[torch-small]", "11.5", "11.5", "120") == chart.table.rows[0]


def test_what_was_left_is_named_and_a_killed_run_has_not_compared(tmp_path: Path, scan: Path) -> None:
    clean = load_runs.load(sample_runs.lane(tmp_path, "torch", scan))
    dead = load_runs.load(sample_runs.killed(tmp_path, "tf"))
    assert ["nothing", "not compared"] == [
        row[1].text for row in sections.ledger([clean, dead]).rows if isinstance(row[1], TableCell)
    ]


@pytest.mark.parametrize("file", ["bench.json", "scale.json", "mutation.json", "kill-test.json"])
def test_documents_without_sense_are_empty_tables(file: str, tmp_path: Path) -> None:
    folder = sample_runs.root(tmp_path, "20260102T000000Z")
    (folder / "events.ndjson").touch()
    (folder / file).write_text(
        json.dumps(
            {
                "benchmarks": [3, {}],
                "rows": [{}, {"reading": {"patterns": 0}, "microseconds": 1}],
                "trials": [{"dies_at": 3}],
                "table": 3,
            }
        )
    )
    run = load_runs.load(folder)
    assert len(metric_sections.benchmarks(run).rows) == (1 if file == "bench.json" else 0)
    assert ([], None) == (metric_sections.scale(run), metric_sections.own_table(run, file, "x"))
    assert len(metric_sections.mutation(run).rows) == (1 if file == "mutation.json" else 0)


@pytest.mark.parametrize(("kind", "noun"), [("mutation", "mutant"), ("kill-test", "kill")])
def test_a_campaign_that_was_stopped_shows_the_trials_that_failed(tmp_path: Path, kind: str, noun: str) -> None:
    folder = sample_runs.stopped_campaign(tmp_path, kind)
    run = load_runs.load(folder)
    assert (Verdict.FAIL, True) == (run.verdict, run.judged.failed)
    found = metric_sections.stopped(run, kind)
    assert found is not None
    assert f"1 of 3 {noun}s pass; failed: b; not reached: c" in found.caption
    assert [f"{noun} b", f"{noun} c", f"{noun} a"] == [row[0] for row in found.rows]
    html = write.write([folder], root=tmp_path).path.read_text()
    assert "failed: b" in html
    absent = {"mutation": "No faults were planted", "kill-test": "No run was killed on purpose"}[kind]
    assert absent not in html


def test_a_campaign_that_wrote_its_document_is_shown_from_it(tmp_path: Path) -> None:
    assert metric_sections.stopped(load_runs.load(sample_runs.mutation(tmp_path)), "mutation") is None


def test_benchmarks_of_a_session_that_was_killed_are_shown_with_what_did_not_report(tmp_path: Path) -> None:
    folder = sample_runs.stopped_benchmark(tmp_path)
    rows = metric_sections.benchmarks(load_runs.load(folder)).rows
    assert [("test_epoch[torch-small]", "fail"), ("test_epoch[tf-small]", "did not report")] == [
        (str(row[0].text), row[-1].text) for row in rows if not isinstance(row[0], str) and not isinstance(row[-1], str)
    ]
    assert "The benchmarks did not run" not in write.write([folder], root=tmp_path).path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("verdict", ["infra", "timeout", "interrupted"])
def test_tests_and_fixtures_that_failed_stay_visible_after_any_ending(tmp_path: Path, verdict: str) -> None:
    rows = sample_runs.lane_rows("torch", None)
    for row in rows:
        if row["event"] == "fixture.end" or (row.get("test", "").endswith("[2]") and row["event"] == "test.end"):
            row |= {"verdict": "fail"} if row["event"] == "fixture.end" else {"outcome": "failed"}
    stopped = [*rows[:-1], sample_log.parent("problem", verdict=verdict, message="stopped"), sample_log.end(verdict)]
    for content in (sample_log.content(stopped), sample_log.content(rows[:-1])):
        folder = sample_runs.root(tmp_path, "20260102T030405Z")
        (folder / "events.ndjson").write_bytes(content)
        html = write.write([folder], root=tmp_path).path.read_text()
        assert "1 test failed: tests/test_a.py::test_many[2]" in html
        assert "1 fixture did not pass: scan" in html
