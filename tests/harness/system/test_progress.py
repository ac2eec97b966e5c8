import re
from typing import TYPE_CHECKING

import pytest

from harness.system.progress import Narration

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
