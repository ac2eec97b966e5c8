"""A leak has the same name in each command, and a database is distinguished from a file."""

import sqlite3
from pathlib import Path

import pytest

from harness.isolation.leaks import Leak
from harness.lanes.checks import leaks


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mlflow.db", "mlflow.db"),
        ("checkpoint-12.npz", "checkpoint-#.npz"),
        ("tmpx3k_9a0q", "tmp*"),
        ("memmap-ab12_cd9.dat", "memmap-*.dat"),
        (".telemetry", ".telemetry"),
        ("lightning_logs", "lightning_logs"),
    ],
)
def test_what_is_drawn_or_counted_is_no_part_of_a_name(name: str, expected: str) -> None:
    assert expected == leaks.lasting(name)


@pytest.mark.parametrize(("place", "id"), leaks.PLACES.items())
def test_the_place_names_the_finding(tmp_path: Path, place: str, id: str) -> None:  # noqa: A002
    path = tmp_path / "stray.npz"
    path.write_text("x")
    finding = leaks.of_command("small-train", Leak(path=str(path), place=place, what="left", blame="its own"))
    assert (id, "stray.npz") == (finding.id, finding.subject)
    assert f"leak: small-train: left in {place}: {path} (its own)" == finding.sentence


def test_a_database_is_named_wherever_it_lies(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    with sqlite3.connect(store / "log.db") as log:
        log.execute("create table runs (id)")
    log.close()
    for path, expected in ((store / "log.db", True), (store, True), (tmp_path / "absent", False)):
        assert expected == leaks.is_database(path)
    leak = Leak(path=str(store), place="the working directory", what="left")
    assert "leak-database" == leaks.of_command("small-train", leak).id


def test_a_process_is_named_after_its_program() -> None:
    finding = leaks.of_process("small-train", "123 (/usr/bin/tracker --port 80)")
    assert ("leak-process", "tracker") == (finding.id, finding.subject)


def test_a_change_in_a_shared_place() -> None:
    finding = leaks.of_run(Leak(path="/home/me/.cache/x7", place="HOME", what="new", blame="written by process 7"))
    assert ("leak-elsewhere", "x#") == (finding.id, finding.subject)


@pytest.mark.parametrize(
    ("place", "path", "expected"),
    [
        ("threads", "feeder/7", ("leak-thread", "feeder/#")),
        ("descriptors", "/data/scan12.npz", ("leak-descriptor", "scan#.npz")),
        ("shared memory", "/dev/shm/sem.ring-7", ("leak-shared-memory", "sem.ring-#")),
        ("System V shared memory", "/proc/sysvipc/shm/segment 5 of process 6", ("leak-shared-memory", None)),
    ],
)
def test_what_a_process_held_has_a_finding_of_its_own(place: str, path: str, expected: tuple[str, str | None]) -> None:
    finding = leaks.of_run(Leak(path=path, place=place, what="left", blame="process 7 of scan-train"))
    assert finding.id == expected[0]
    assert finding.subject == (expected[1] or "segment # of process #")
    assert finding.sentence == f"leak: left in {place}: {path} (process 7 of scan-train)"
