"""The line that a terminal shows while a run runs, from the run's log alone."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from harness.lanes import live
from harness.lanes.live import LaneProgress, LiveView
from tests.support import sample_log


def at(rows: list[sample_log.Row], now: float = 11.5) -> str:
    progress = LaneProgress()
    for row in rows:
        progress.take(row)
    return progress.line(now)


def test_it_says_where_a_run_is() -> None:
    rows = sample_log.whole()
    assert "" == at([])
    assert "starting · judging · 0 commands ended · 10 s in all" == at(rows[:1])
    assert "fake-cpu · scan-train: 10 s of at most 60 s · 0 commands ended · 10 s in all" == at(rows[:4])
    assert "fake-cpu · scan-train: 10 s of at most 60 s · train · 0 commands ended · 10 s in all" == at(rows[:5])
    assert "train · epoch 1 done · 0 commands ended" in at(rows[:6])
    assert "fake-cpu · judging · 1 command ended · 10 s in all" == at(rows[:8])


def test_it_steps_aside_for_the_suite_and_at_the_end() -> None:
    rows = sample_log.whole()
    suite = next(number for number, row in enumerate(rows) if row.get("label") == "suite" and "argv" in row)
    assert "" == at(rows[: suite + 1])
    assert "" == at(rows)


def test_a_line_counts_once_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "events.ndjson"
    view = LiveView(log, quiet=True)
    assert "" == view.line()
    content = sample_log.content(sample_log.whole()[:4])
    log.write_bytes(content[:-10])
    view.line()
    assert "" == view.progress.label
    log.write_bytes(content)
    view.line()
    assert "scan-train" == view.progress.label


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.025)
    raise AssertionError("it did not come to pass within 10 s")


def test_on_a_terminal_it_is_drawn_below_what_is_printed_and_gone_afterwards(tmp_path: Path) -> None:
    log = tmp_path / "events.ndjson"
    log.write_bytes(sample_log.content(sample_log.whole()[:5]))
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with LiveView(log, console=console) as view:
        _until(lambda: view.drawn)
        console.print("scan-train …")
        _until(lambda: screen.getvalue().rindex("scan-train: ") > screen.getvalue().index("scan-train …"))
    assert not view.drawn
    assert "\x1b[2K" in screen.getvalue()[screen.getvalue().rindex("scan-train: ") :]  # the line is erased


@pytest.mark.slow
def test_it_leaves_the_screen_to_a_suite_and_comes_back(tmp_path: Path) -> None:
    rows = sample_log.whole()
    suite = next(number for number, row in enumerate(rows) if row.get("label") == "suite" and "argv" in row)
    log = tmp_path / "events.ndjson"
    log.write_bytes(sample_log.content(rows[:5]))
    screen = io.StringIO()
    with LiveView(log, console=Console(file=screen, force_terminal=True, width=120)) as view:
        _until(lambda: view.drawn)
        log.write_bytes(sample_log.content(rows[: suite + 1]))
        _until(lambda: not view.drawn)
        before = screen.getvalue()
        time.sleep(3 / live.PER_SECOND)
        assert before == screen.getvalue()
        log.write_bytes(sample_log.content(rows[:-1]))
        _until(lambda: view.drawn)


def test_without_a_terminal_it_draws_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LiveView(tmp_path / "events.ndjson") as view:
        print("scan-train …")
        assert not view.drawn
    assert "scan-train …\n" == capsys.readouterr().out


def test_events_of_others_do_not_stop_it() -> None:
    rows = [json.loads('{"event": "command.start", "label": null, "timeout_s": "x"}'), {"event": "other"}]
    assert "starting · None: 0 s · 0 commands ended · 0 s in all" == at(rows, now=0.0)
