"""A lock is one process's at a time, goes with its holder, and is not waited for without end."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.system import filelock
from ptycho.errors import InfrastructureError
from tests.support.injected import bites

HOLD = """
import sys, time
from pathlib import Path
from harness.system import filelock
with filelock.held(Path(sys.argv[1]), "hold it"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.fault("concurrent-runs")
def test_a_holder_is_named_when_the_time_is_up_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "a folder" / "clean.lock"
    own = Path(filelock.__file__).parents[2]
    argv = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(argv, cwd=own, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        bites(holder.stdout.readline() == b"held\n", "somebody holds the lock")
        clock = time.monotonic()
        with (
            pytest.raises(InfrastructureError, match=f"cannot sweep: process {holder.pid} has held .*clean.lock"),
            filelock.held(lock, "sweep", timeout_s=0.3),
        ):
            raise AssertionError("the lock was not exclusive")
        assert 0.3 <= time.monotonic() - clock < 10
        with pytest.raises(KeyboardInterrupt), filelock.held(lock, "sweep", hurry=lambda: True):
            raise AssertionError("the lock was not exclusive")
        holder.kill()
    with filelock.held(lock, "sweep", timeout_s=0):
        assert lock.read_text().strip().isdecimal()


def test_a_lock_that_cannot_be_made_names_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "file" / "clean.lock", tmp_path / "link"):
        with pytest.raises(InfrastructureError, match=str(path)), filelock.held(path, "sweep"):
            raise AssertionError("it was made")
    assert not (tmp_path / "elsewhere").exists()
