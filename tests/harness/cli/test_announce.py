"""A long command says what it is about to do and how long that takes, and a quick one says nothing."""

import argparse
import time
from pathlib import Path

import pytest

from harness.cli import announce, command_words, main
from tests.support import sample_log, sample_runs

PARSER = main.command_line()


def said(line: str) -> str:
    """What a command line announces."""
    words = command_words.resolve(PARSER, line.split())
    return announce.sentence(words, PARSER.parse_args(words))


@pytest.mark.parametrize("name", announce.WORK)
def test_every_command_in_the_table_is_there(name: str) -> None:
    parser: argparse.ArgumentParser = PARSER
    for word in name.split():
        parser = command_words._commands(parser)[word]
    assert not command_words._commands(parser)


@pytest.mark.parametrize(
    "line", ["parity --json", "parity --quiet", "mutation --list", "clean", "fixtures list", "report"]
)
def test_quick_and_quiet_commands_say_nothing(line: str) -> None:
    assert said(line) == ""


def test_without_an_earlier_run_a_typical_time_is_named(tmp_path: Path) -> None:
    sentence = "parity run: ask both backends and the oracle, then compare rung by rung (about 2 min)"
    assert said(f"parity --root {tmp_path}") == sentence


@pytest.mark.parametrize(
    ("line", "typical"),
    [
        ("parity --ways", "(2 min, with a compiler half an hour)"),
        ("parity --against HEAD", "(about 2 min)"),
        ("parity --versions tf=2.20.0", "(some minutes a version)"),
        ("benchmark --short", "(about 1 min)"),
        ("benchmark", "(more than 10 min)"),
    ],
)
def test_an_option_that_makes_another_command_of_it_has_its_own_time(line: str, typical: str, tmp_path: Path) -> None:
    assert said(f"{line} --root {tmp_path}").endswith(typical)


def test_the_last_complete_run_of_the_kind_says_how_long(tmp_path: Path, scan: Path) -> None:
    folder = sample_runs.ladder(tmp_path)
    first, *rest = (row for row in sample_log_rows(folder))
    rows = [first | {"monotonic_s": 10.0}, *rest[:-1], rest[-1] | {"monotonic_s": 112.0}]
    (folder / "events.ndjson").write_bytes(sample_log.content(rows))
    sample_runs.stopped(tmp_path, "killed", when="20260103T000000Z")
    assert said(f"parity --root {tmp_path}").endswith("(the last whole run here took 102 s)")
    assert said(f"run torch --root {tmp_path}").endswith("(about 1 min)")


@pytest.mark.parametrize(
    ("event", "change"),
    [("run.end", {"verdict": "interrupted"}), ("run.expect", {"left_out": ["a part of the ladder"]})],
)
def test_a_run_that_was_cut_short_or_was_a_part_says_nothing_of_the_next_one(
    tmp_path: Path, event: str, change: dict[str, object]
) -> None:
    folder = sample_runs.ladder(tmp_path)
    rows = [row | change if row["event"] == event else row for row in sample_log_rows(folder)]
    (folder / "events.ndjson").write_bytes(sample_log.content(rows))
    assert said(f"parity --root {tmp_path}").endswith("(about 2 min)")


def sample_log_rows(folder: Path) -> list[sample_log.Row]:
    """The events of a run."""
    from harness.record import log

    return [dict(row) for row in log.parse((folder / "events.ndjson").read_bytes()).rows]


@pytest.mark.slow
def test_it_is_on_standard_error_once_the_command_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.cli import fixtures

    seconds = [0.0, 1.0]

    def work(_args: argparse.Namespace) -> int:
        time.sleep(seconds.pop(0))
        return 0

    monkeypatch.setattr(fixtures, "_make", work)
    monkeypatch.setattr(announce, "DELAY_S", 0.2)
    assert main.main(["fixtures", "make", "small"]) == 0
    assert capsys.readouterr().err == ""
    assert main.main(["fixtures", "make", "small"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("fixtures make: simulate or convert")
