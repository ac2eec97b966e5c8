"""The mutation campaign as an array of processes of this machine: the same as on a cluster, and needs none."""

import json
import os
import signal
from pathlib import Path

import pytest

from harness.ci import cells
from tests.support.array_runs import Command, is_gone, start
from tests.support.injected import bites

SELECTION = ("--id", "adam-*")

PATIENCE_S = 240.0
"""Nothing here is about seconds, and the catalogue is read and digested on a machine that may be busy."""


def run(tmp_path: Path, act: str, *options: str) -> Command:
    """Start the campaign with two workers, whose mutants are tried as ordered."""
    words = ("--local", "--cpus", "1", *SELECTION, *options)
    return start(tmp_path / "campaign", {"mutation": act}, *words)


def stalled(command: Command) -> list[int]:
    """Wait until a worker waits within its batch; returns its process and that of its campaign's command."""
    command.until(lambda: any(command.folder.glob("arrays/*/worker-*/busy")), PATIENCE_S)
    (busy, *_) = command.folder.glob("arrays/*/worker-*/busy")
    index = int(busy.parent.name.rpartition("-")[2]) - 1
    record = json.loads((busy.parents[1] / f"task-{index}.json").read_text())
    return [int(record["pid"]), int(busy.read_text())]


@pytest.mark.fault("campaign-killed")
def test_a_campaign_goes_on_after_a_worker_was_killed_and_says_the_same_when_it_is_complete(tmp_path: Path) -> None:
    command = run(tmp_path, "stall")
    pids = stalled(command)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    command.process.send_signal(signal.SIGTERM)
    assert command.end(PATIENCE_S) == 130
    made = cells.load(command.folder)
    before = len(made.cells) - len(made.missing())
    bites(0 < before < len(made.cells), "the campaign is half done")
    assert "cells are open" in command.text

    again = run(tmp_path, "pass")
    assert again.end(PATIENCE_S) == 0, again.text
    assert "cells were claimed and have no result; they are tried again" in again.text
    assert f"every one of {len(made.cells)} cells ran exactly once" in again.text
    assert made.complaints() == []
    kept = {row["id"] for batch in made.results().values() for row in batch}
    assert kept == set(cells.names(made.cells))

    third = run(tmp_path, "pass", "--json")
    assert third.end(PATIENCE_S) == 0, third.text
    document = json.loads(third.out.read_text())
    assert (document["verdict"], document["cells"], document["missing"]) == ("pass", len(made.cells), [])
    (verdict,) = document["runs"]
    assert json.loads(Path(verdict, "verdict.json").read_text())["kind"] == "mutation"


@pytest.mark.fault("campaign-killed")
def test_a_second_command_does_not_take_over_what_lives(tmp_path: Path) -> None:
    first = run(tmp_path, "stall")
    pids = stalled(first)
    second = run(tmp_path, "pass")
    assert second.end(PATIENCE_S) == 13
    bites(not any(map(is_gone, pids)), "the first campaign lives")
    assert "cannot go on with this campaign: process" in second.text
    first.process.send_signal(signal.SIGTERM)
    assert first.end(PATIENCE_S) == 130


def test_a_selection_that_fits_nothing_and_another_campaign_s_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    command = run(tmp_path, "pass")
    assert command.end(PATIENCE_S) == 2
    assert "is the manifest of another campaign" in command.text
    nothing = run(tmp_path, "pass", "--id", "nonesuch-*")
    assert nothing.end(PATIENCE_S) == 2
    assert "nonesuch-*" in nothing.text


@pytest.mark.fault("campaign-killed")
def test_a_machine_that_decides_nothing_does_not_use_up_the_cells(tmp_path: Path) -> None:
    command = run(tmp_path, "nothing", "--workers", "1")
    assert command.end(PATIENCE_S) == 13
    made = cells.load(command.folder)
    bites(made.results() == {}, "no mutant was decided")
    assert len(made.claimed()) < len(made.cells)
    assert "cells are open" in command.text
