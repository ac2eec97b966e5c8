"""A run ends with figures while its file system still has room to say so; on a real small one, where one can be had."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.process.disk import Disk
from ptycho.errors import InfrastructureError
from tests.support import supervised
from tests.support.injected import bites

ROOT = Path(__file__).resolve().parents[3]
IN_A_SMALL_VOLUME = """
import os, subprocess, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from tests.support import supervised
from ptycho.errors import InfrastructureError
folder = Path({folder!r})
subprocess.run(["mount", "-t", "tmpfs", "-o", {options!r}, "tmpfs", str(folder)], check=True)
try:
    supervised.run(folder, {code!r})
except InfrastructureError as error:
    print(error)
status = os.statvfs(folder)
print(len(list(folder.glob("filler*"))), status.f_bavail * status.f_frsize, status.f_favail, supervised.survivors())
"""
FILLS = """
import time
open("filler", "wb").write(bytes(FIRST))
for n in range(900):
    open(f"filler{n}", "wb").write(bytes(20_000)); time.sleep(0.03 if n < QUICK else 0.2)
"""


def _in_a_small_volume(folder: Path, options: str, code: str) -> list[str] | None:
    """
    What a supervised command says in a file system of its own; None where this machine makes none.

    No skip: the caller goes on with figures that are made up, and says so.
    """
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        print("NO MOUNT NAMESPACE ON THIS MACHINE: the full disk is a patched statvfs", file=sys.__stderr__)
        return None
    script = IN_A_SMALL_VOLUME.format(paths=[str(ROOT)], folder=str(folder), options=options, code=code)
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    argv = ["unshare", "-rm", sys.executable, "-c", script]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def _patched(monkeypatch: pytest.MonkeyPatch, **figures: int) -> None:
    whole = {"f_frsize": 4096, "f_blocks": 4096, "f_bavail": 4096, "f_files": 200, "f_favail": 200}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**whole | figures))


@pytest.mark.deep
@pytest.mark.fault("disk-full")
def test_a_disk_that_fills_up_ends_the_run_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = _in_a_small_volume(tmp_path, "size=16m", FILLS.replace("FIRST", "13_500_000").replace("QUICK", "900"))
    if said is None:
        _patched(monkeypatch, f_bavail=100)
        with pytest.raises(InfrastructureError, match=r"0\.4 of 16 MiB free"):
            supervised.run(tmp_path, "import time; time.sleep(60)")
        return
    assert len(said) == 2, said
    sentence, rest = said
    files, free, _, survivors = rest.split(" ", 3)
    bites(int(files) > 50, "the command filled the volume")
    assert sentence.startswith("the disk is almost full: ")
    assert f" of 16 MiB free on the file system of {tmp_path}, needed: 0.8; make room, or put the run" in sentence
    assert int(free) > 0
    assert survivors == "[]"


@pytest.mark.deep
@pytest.mark.fault("disk-full")
def test_inodes_that_run_out_end_the_run_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = _in_a_small_volume(tmp_path, "size=16m,nr_inodes=300", FILLS.replace("FIRST", "1").replace("QUICK", "250"))
    if said is None:
        _patched(monkeypatch, f_favail=9)
        with pytest.raises(InfrastructureError, match="9 of 200"):
            supervised.run(tmp_path, "import time; time.sleep(60)")
        return
    sentence, rest = said
    files, _, inodes, survivors = rest.split(" ", 3)
    bites(int(files) > 100, "the command used up the inodes")
    assert sentence.startswith("the disk has almost no inodes left: ")
    assert " of 300 on the file system of " in sentence
    assert int(inodes) > 0
    assert survivors == "[]"


def test_a_disk_that_is_full_already_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _patched(monkeypatch, f_bavail=1)
    with pytest.raises(InfrastructureError, match=r"is not started: the disk is almost full: 0\.0 of 16 MiB free"):
        supervised.run(tmp_path, "open('trace', 'w')")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("figures", "problems"),
    [
        ({}, 0),
        ({"f_blocks": 1 << 28, "f_bavail": (256 << 8) - 1}, 1),  # a tebibyte: 256 MiB are the floor
        ({"f_blocks": 1 << 28, "f_bavail": 256 << 8}, 0),
        ({"f_files": 1_000_000, "f_favail": 999}, 1),
        ({"f_files": 0, "f_favail": 0}, 0),  # counts no inodes
        ({"f_bavail": 0, "f_favail": 0}, 2),
    ],
)
def test_floors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: dict[str, int], problems: int) -> None:
    watched = Disk([tmp_path, tmp_path])
    _patched(monkeypatch, **figures)
    said = watched.complaint()
    assert problems == len(said.split("; the disk")) if said else not problems
