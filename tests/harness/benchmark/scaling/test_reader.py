"""The reader takes a scan to its last batch, counts every byte, and prints one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.benchmark.scaling import reader, scan
from ptycho.data import mapped_arrays

PATTERNS = 120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return scan.write(tmp_path / "scan.npz", patterns=PATTERNS, side=64)


@pytest.mark.parametrize("gridsize", [1, 2])
def test_every_pattern_of_every_group_is_read(gridsize: int, path: Path, tmp_path: Path) -> None:
    found = reader.read(path, tmp_path, gridsize=gridsize, side=64, batch_size=16)
    assert (found.patterns, found.groups) == (PATTERNS, PATTERNS)
    assert found.bytes_read == PATTERNS * gridsize**2 * 64 * 64 * 4
    assert list(found.seconds) == ["load", "prepare", "store", "order", "epoch", "plain"]
    assert found.peak.both >= found.start.both > 10


def test_a_large_store_is_also_read_from_the_disk(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_arrays, "MAPPED_FROM_BYTES", 100_000)
    dropped = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *given: dropped.append(given[1:]))
    found = reader.read(path, tmp_path, gridsize=1, side=64, batch_size=2)
    assert {"epoch": reader.COLD_ROUNDS, "plain": reader.COLD_ROUNDS} == {
        way: len(seconds) for way, seconds in found.cold.items()
    }
    assert dropped.count((0, 0, os.POSIX_FADV_DONTNEED)) == 2 * reader.COLD_ROUNDS


def test_it_prints_one_line_of_json(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader.main([str(path), str(tmp_path), "--batch-size", "8"])
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["patterns"] == PATTERNS


GROWS = """
from harness.benchmark.scaling.reader import Memory

memory = Memory()
memory.look()
before, held = memory.both, b"x" * (64 * 2**20)
memory.look()
print(memory.both - before)
"""


def test_memory_that_grows_is_seen() -> None:
    # In a process of its own: of a large old one the system may take as many idle pages meanwhile.
    grown = subprocess.run([sys.executable, "-c", GROWS], capture_output=True, text=True, check=True)
    assert float(grown.stdout) > 48
