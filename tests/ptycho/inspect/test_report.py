"""The report in plain text."""

import io
from pathlib import Path

import numpy as np
from rich.console import Console

from ptycho.inspect import inspection, report
from tests.support.crafted_npz import legacy, replaced, scan, write


def _shown(path: Path) -> str:
    stream = io.StringIO()
    report.show(inspection.inspect(path), Console(file=stream, width=120))
    return stream.getvalue()


def test_a_good_file(tmp_path: Path) -> None:
    text = _shown(write(tmp_path / "scan.npz", legacy(scan(8))))
    for line in (
        "64×64×8",
        "legacy (N, N, M), M = 8 patterns, N = 64",
        "amplitude (not declared, assumed)",
        "squared values are integers",
        "given object 0.0",
        "keeps the data contract (DATA-001)",
    ):
        assert line in text
    assert "\x1b" not in text


def test_violations_are_a_list_of_whole_lines(tmp_path: Path) -> None:
    text = _shown(write(tmp_path / "bad.npz", replaced(probeGuess=None, Y=scan()["diff3d"])))
    assert "breaks the data contract (DATA-001): 2" in text
    assert [line[:4] for line in text.splitlines()[-2:]] == ["  - "] * 2
    assert "keeps the data contract" not in text


def test_the_last_line_says_that_a_file_is_suspicious(tmp_path: Path) -> None:
    lines = _shown(write(tmp_path / "scan.npz", replaced(objectGuess=scan(seed=9)["objectGuess"]))).splitlines()
    worse = "the given object explains the data worse than a flat one"
    assert lines[-1] == f"keeps the data contract (DATA-001), but 1 suspicion: {worse}"
    assert any(line.startswith(f"  - {worse}: Fourier error") for line in lines)
    squared = (scan()["diff3d"].astype(np.float64) ** 2).round() * 0.37
    last = _shown(write(tmp_path / "counts.npz", replaced(diff3d=squared))).splitlines()[-1]
    assert last == (
        "keeps the data contract (DATA-001), but 2 suspicions: it looks as if frames were intensities (counts) and not "
        "amplitudes; frames look like counts and not like amplitudes"
    )
