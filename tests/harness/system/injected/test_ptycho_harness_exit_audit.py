"""
What a process still holds at its end is reported by name and owner; what it gave back, inherited or must have is not.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.isolation.sandbox import OBSERVER
from harness.record.log import read
from ptycho.verdict import Verdict
from tests.support.fakes import fake_target
from tests.support.injected import bites

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are listed in /proc, which Linux alone has")

SEGMENT = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
number = libc.shmget(0, 4096, 0o1600)
assert number >= 0, os.strerror(ctypes.get_errno())
"""

PLANTED = {
    "thread": "import threading, time; threading.Thread(target=time.sleep, args=(3,), name='feeder 7').start()",
    "descriptor": "kept = open(outside)",
    "descriptor by number": "import os; kept = os.open(outside, os.O_RDWR)",
    "pile": "kept = [open('inside', 'w') for _ in range(16)]",
    "segment": "from multiprocessing import shared_memory as s; kept = s.SharedMemory(create=True, size=64)",
    "semaphore": """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.sem_open.restype = ctypes.c_void_p
kept = libc.sem_open(f"/planted-{os.getpid()}".encode(), os.O_CREAT | os.O_EXCL, 0o600, 1)
assert kept, os.strerror(ctypes.get_errno())
""",
    "system v": SEGMENT,
}


def _run(code: str, folder: Path) -> tuple[list[dict[str, Any]], int]:
    """What a child said that it held, and its pid."""
    scratch, events = folder / "run" / "scratch", folder / "run" / "events.ndjson"
    (scratch / "the-cell").mkdir(parents=True)
    (folder / "outside").write_text("x")
    env = {
        "PYTHONPATH": str(OBSERVER),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PTYCHO_HARNESS_WRITES": str(scratch / "the-cell" / "writes.log"),
        "PTYCHO_HARNESS_SCRATCH": str(scratch),
        "PTYCHO_HARNESS_EVENTS": str(events),
    }
    argv = [sys.executable, "-W", "ignore", "-c", f"import sys; outside = sys.argv[1]; {code}", str(folder / "outside")]
    if code.startswith("\n"):
        argv[4] = f"import sys; outside = sys.argv[1]\n{code}"
    with subprocess.Popen(argv, env=env, cwd=scratch) as process:
        assert process.wait(timeout=60) == 0
    return list(read(events)), process.pid


def _remove(name: str) -> None:
    """Give back what was planted outside the test's own folder."""
    if name.startswith("/dev/shm/"):
        Path(name).unlink(missing_ok=True)
    elif name.startswith("System V segment "):
        import ctypes

        assert ctypes.CDLL(None).shmctl(int(name.rpartition(" ")[2]), 0, None) == 0


@pytest.mark.deep
@LINUX
@pytest.mark.fault("leaks")
@pytest.mark.parametrize("plant", PLANTED)
def test_what_is_planted_is_told_by_name_and_owner(tmp_path: Path, plant: str) -> None:
    rows, pid = _run(PLANTED[plant], tmp_path)
    bites([row["event"] for row in rows] == ["process.held"], "something is held when the process ends")
    (row,) = rows
    _remove(row["name"])
    names = {
        "thread": "feeder 7",
        "pile": str(tmp_path / "run" / "scratch" / "inside"),
        "segment": row["name"] if row["name"].startswith("/dev/shm/psm_") else "a segment",
        "semaphore": f"/dev/shm/sem.planted-{pid}",
        "system v": row["name"] if row["name"].startswith("System V segment ") else "a segment",
    }
    owners = {
        "thread": row["owner"] if "threading.py:" in row["owner"] else "its place",
        "descriptor": "open for reading",
        "descriptor by number": "open for writing",
        "pile": "open for writing, 16 times",
        "segment": "a POSIX segment",
        "semaphore": "a named semaphore",
        "system v": "key 0, 4096 bytes",
    }
    kind = {"thread": "thread", "pile": "descriptor"}.get(plant, plant.split(" by ")[0])
    kind = kind if kind in ("thread", "descriptor") else "shared memory"
    told = (row["kind"], row["name"], row["owner"], row["cell"], row["pid"])
    assert told == (kind, names.get(plant, str(tmp_path / "outside")), owners[plant], "the-cell", pid)


SOUND = {
    "files inside": "kept = [open(f'inside {n}', 'w') for n in range(20)]; sql = __import__('sqlite3').connect('x.db')",
    "a file that is gone": "import os; kept = open(outside + '2', 'w'); os.unlink(outside + '2')",
    "closed": "open(outside).close()",
    "a pool": "from concurrent.futures import ThreadPoolExecutor as T; p = T(2); print(p.submit(pow, 2, 3).result())",
    "a daemon": "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "a short thread": "import threading, time; threading.Thread(target=time.sleep, args=(0.2,)).start()",
    "locks": "import multiprocessing as m; kept = m.get_context('spawn').Lock(), m.Queue()",
    "memory given back": "from multiprocessing import shared_memory as s; m = s.SharedMemory(create=True, size=9);"
    " m.close(); m.unlink()",
    "a child": "import subprocess; kept = open(outside); subprocess.run([sys.executable, '-c', '1']); kept.close()",
    "a fork": "import os; kept = open(outside); (os.fork() or sys.exit()); os.wait(); kept.close()",
}


@LINUX
@pytest.mark.parametrize("way", SOUND)
def test_what_is_sound_is_not_told(tmp_path: Path, way: str) -> None:
    assert _run(SOUND[way], tmp_path)[0] == []


@pytest.mark.deep
@LINUX
@pytest.mark.fault("leaks")
@pytest.mark.parametrize(
    ("plant", "finding", "sentence"),
    [
        ("thread", "leak-thread", "left in threads: feeder 7 (process "),
        ("descriptor", "leak-descriptor", "left in descriptors: "),
        ("segment", "leak-shared-memory", "left in shared memory: /dev/shm/psm_"),
    ],
)
def test_a_lane_fails_and_names_it(
    workspace: Any, monkeypatch: pytest.MonkeyPatch, plant: str, finding: str, sentence: str
) -> None:
    outside = f"\noutside = {str(workspace.scan)!r}\n"
    monkeypatch.setattr(fake_target, "TRAIN", fake_target.TRAIN + outside + PLANTED[plant] + "\n")
    outcome = workspace.run()
    log = (outcome.run_root / "events.ndjson").read_text()
    bites(log.count('"event": "process.held"') == 1, "the training held something when it ended")
    assert outcome.verdict is Verdict.FAIL
    assert [item.id for item in outcome.findings] == [finding]
    (problem,) = outcome.problems
    assert f"leak: {sentence}" in problem.message
    assert " of scan-train, " in problem.message


@pytest.mark.slow
@LINUX
@pytest.mark.fault("leaks")
def test_a_segment_of_a_program_that_is_no_python_is_named_after_its_maker(
    workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter without `site` has no observer in it and means any other program."""
    from harness.isolation.leaks import SEGMENTS

    again = (
        "import os, sys\nif not sys.flags.no_site:\n    os.execv(sys.executable, [sys.executable, '-S', *sys.argv])\n"
    )
    monkeypatch.setattr(fake_target, "TRAIN", again + fake_target.TRAIN + SEGMENT)
    before = SEGMENTS.read_text()
    outcome = workspace.run()
    new = [row.split() for row in SEGMENTS.read_text().splitlines() if row not in before.splitlines()]
    bites(len(new) == 1, "a segment was planted")
    _remove(f"System V segment {new[0][1]}")
    # Without an observer in it nothing vouches for the device either.
    unproven, leak = outcome.findings
    assert (unproven.id, unproven.subject) == ("device-unproven", "scan-train")
    assert (leak.id, leak.figures["place"]) == ("leak-shared-memory", "System V shared memory")
    assert f"segment {new[0][1]} of process {new[0][4]} (named after process {new[0][4]}" in leak.sentence


def test_looking_costs_little(tmp_path: Path) -> None:
    """Counted, not timed: the modules that the observer adds to a bare interpreter, and nothing heavy among them."""
    code = (
        "import sys; print(len(sys.modules), sorted({'json', 'logging', 'subprocess', 'asyncio'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(OBSERVER), "PYTHONDONTWRITEBYTECODE": "1"}
    counts = []
    for watched in (False, True):
        extra = {"PTYCHO_HARNESS_WRITES": str(tmp_path / "w"), "PTYCHO_HARNESS_SCRATCH": str(tmp_path)}
        argv = [sys.executable, "-c", code]
        done = subprocess.run(argv, env=env | (extra if watched else {}), capture_output=True, text=True, check=True)
        count, _, heavy = done.stdout.partition(" ")
        counts.append((int(count), heavy.strip()))
    (bare, _), (observed, heavy) = counts
    assert heavy == "[]"
    assert observed - bare < 25
