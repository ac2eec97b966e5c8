"""A short run's event log, whole and sound, to be cut and damaged: a lane with one fixture and three tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PARENT, SUITE, TRAINING = 100, 200, 300
TESTS = ("tests/test_a.py::test_one", "tests/test_a.py::test_many[1]", "tests/test_a.py::test_many[2]")
MANIFEST = {"tests/test_a.py::test_one": 1, "tests/test_a.py::test_many": 2}
ORIGIN: dict[str, Any] = {
    "root": "/checkout",
    "commit": "c0ffee",
    "changes_sha256": None,
    "locks": {},
    "fixtures": {},
    "device": "cpu",
}

Row = dict[str, Any]


def parent(event: str, **fields: Any) -> Row:
    """An event of the harness."""
    return {"event": event, "utc": "2026-01-02T03:04:05.678+00:00", "monotonic_s": 1.5, "pid": PARENT, **fields}


def suite(event: str, **fields: Any) -> Row:
    """An event of the test suite."""
    return parent(event, **fields) | {"pid": SUITE}


def training(event: str, **fields: Any) -> Row:
    """An event of the training."""
    return parent(event, **fields) | {"pid": TRAINING}


def command(label: str) -> tuple[Row, Row]:
    """Beginning and end of a process."""
    about = {"label": label, "argv": ["python", label], "timeout_s": 60, "gpu": False, "log": f"logs/{label}.log"}
    start = parent("command.start", **about)
    return start, parent("command.end", label=label, returncode=0, seconds=1.25, timed_out=False)


def one_test(name: str, outcome: str = "passed", message: str = "") -> tuple[Row, Row]:
    """Beginning and end of a test."""
    return suite("test.start", test=name), suite("test.end", test=name, outcome=outcome, seconds=0.5, message=message)


def beginning(**expected: Any) -> list[Row]:
    """The events before anything is run."""
    expect = {"fixtures": ["scan"], "suite": True, "tests": MANIFEST, "may_skip": {}, "rungs": [], "benchmarks": []}
    about = {"schema": "ptycho-harness-events/1", "kind": "lane", "name": "fake", "token": "t0ken", "cwd": "/w"}
    return [
        parent("run.start", **about, origin=ORIGIN),
        parent("run.expect", **expect | expected),
        parent("device.chosen", device="cpu", words="cpu (every GPU hidden)", lane="fake-cpu"),
    ]


def job() -> list[Row]:
    """Training and inference on the fixture."""
    train, infer = command("scan-train"), command("scan-infer")
    said = [
        training("phase.start", phase="train"),
        training("epoch.end", epoch=1),
        training("phase.end", phase="train"),
    ]
    scores = {"phase_correlation": 0.99, "phase_psnr": 20.0}
    end = parent("fixture.end", fixture="scan", verdict="pass", train_s=1.25, infer_s=1.25, scores=scores)
    return [train[0], *said, train[1], *infer, end]


def whole_suite(*parts: Sequence[Row], names: Sequence[str] = TESTS) -> list[Row]:
    """The suite: by default every test passes."""
    around = command("suite")
    ran = parts or [one_test(name) for name in names]
    return [
        parent("evidence", label="suite", log="logs/suite.log", repeat="python -m pytest tests"),
        around[0],
        suite("suite.start"),
        suite("suite.collected", count=len(names), deselected=0, tests=list(names)),
        *(row for part in ran for row in part),
        suite("suite.end", exitstatus=0),
        around[1],
    ]


def whole() -> list[Row]:
    """A run that passed."""
    return [*beginning(), *job(), *whole_suite(), parent("note", message="swept ä dead run"), end()]


def end(verdict: str = "PASS") -> Row:
    """The last event."""
    return parent("run.end", verdict=verdict)


def content(rows: Sequence[Row]) -> bytes:
    """A log's bytes."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write(folder: Path, rows: Sequence[Row]) -> Path:
    """A run's folder with its log."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.ndjson").write_bytes(content(rows))
    return folder
