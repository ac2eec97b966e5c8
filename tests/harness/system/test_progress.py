import re
from typing import TYPE_CHECKING

import pytest

from harness.system.progress import Narration, Steps

if TYPE_CHECKING:
    from rich.progress import Progress


class Counting(Narration):
    def drawn(self) -> "Progress":
        from rich.progress import Progress

        bars = Progress(transient=True)
        bars.add_task("work", total=1)
        return bars


def test_elsewhere_lines_come_with_their_second(capsys: pytest.CaptureFixture[str]) -> None:
    with Counting(quiet=False) as narration:
        narration.say("begun")
        assert narration.bars is None
    assert "   0.0 s  begun\n" == capsys.readouterr().out


def test_a_terminal_gets_bars_and_they_are_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with Counting(quiet=False) as narration:
        assert narration.bars is not None
        live = narration.bars.live
        drawn = [live.is_started]
        narration.say("begun")
    drawn.append(live.is_started)
    assert drawn == [True, False]
    assert re.search(r"\d\.\d s  begun", capsys.readouterr().out)


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with Counting(quiet=True) as narration:
        narration.say("begun")
        assert narration.bars is None
    assert ("", "") == tuple(capsys.readouterr())


def test_each_part_is_a_line_with_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter((0.0, 60.0, 60.0, 90.0, 90.0, 120.0, 120.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with Steps("scans", 3, quiet=False) as steps:
        for name in ("a", "b", "c"):
            steps.done(name)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "  60.0 s  1/3  a; about 2 min left",
        "  90.0 s  2/3  b; about 45 s left",
        " 120.0 s  3/3  c",
    ]


def test_many_parts_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps("floors", 7, quiet=False, every=3) as steps:
        for _ in range(7):
            steps.done("runs")
    assert ["3/7", "6/7", "7/7"] == [line.split()[2] for line in capsys.readouterr().out.splitlines()]


def test_a_terminal_has_a_bar_and_a_line_for_what_is_notable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with Steps("scans", 4, quiet=False, before=1) as steps:
        steps.done("usual")
        steps.done("odd", notable=True)
        assert steps.bars is not None
        assert [3] == [task.completed for task in steps.bars.tasks]
    said = capsys.readouterr().out
    assert "3/4  odd" in said
    assert "usual" not in said
