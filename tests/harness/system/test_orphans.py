"""What a killed harness leaves is found without a token, and no stranger is taken for it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.process import control_group
from harness.record import directory
from harness.runs import clean
from harness.system import identity, orphans
from ptycho.fingerprint import ROOT
from tests.support.injected import bites, control_group_or_skip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what other processes have open")

HARNESS = """
import sys
from pathlib import Path
from harness.process import control_group, supervise
from harness.record import directory
from harness.system import identity
from harness.system.signals import Interruption

if sys.argv[4] == "no groups":
    control_group.make = lambda token: None
run = directory.create(Path(sys.argv[1]))
(run.scratch / "work").mkdir()
print(run.path, flush=True)
supervise.run([sys.executable, "-S", "-E", sys.argv[2], sys.argv[3]], env={identity.TOKEN_VARIABLE: run.token},
    cwd=run.scratch / "work", log=run.logs / "train.log", timeout_s=60, token=run.token, interruption=Interruption())
"""
BEAT = "import os, sys, time\nfor _ in range(1200): os.utime(sys.argv[1]); time.sleep(0.05)"
PROGRAMS = {
    "empty environment": f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-E", "-c", {BEAT!r}, sys.argv[1]], env={{}}, start_new_session=True)
time.sleep(60)
""",
    "empty environment, other output": f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-E", "-c", {BEAT!r}, sys.argv[1]], env={{}}, start_new_session=True,
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(60)
""",
    "hopper": """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    time.sleep(60)
os.setsid()
until = time.time() + 60
while time.time() < until:
    if os.fork():
        os._exit(0)
    os.utime(sys.argv[1])
    time.sleep(0.0002)
""",
    "hopper with an empty environment": """
import os, sys, time
if len(sys.argv) == 2:
    if os.fork():
        time.sleep(60)
    os.setsid()
    os.execve(sys.executable, [sys.executable, "-S", "-E", *sys.argv, "again"], {})
until = time.time() + 60
while time.time() < until:
    if os.fork():
        os._exit(0)
    os.utime(sys.argv[1])
    time.sleep(0.0002)
""",
    "nothing to know it by": f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-E", "-c", {BEAT!r}, sys.argv[1]], env={{}}, start_new_session=True,
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
time.sleep(60)
""",
}


def _is_beating(file: Path) -> bool:
    return time.time() - file.stat().st_mtime < 0.4


@contextlib.contextmanager
def _killed_harness(folder: Path, program: str, groups: str) -> Iterator[Path]:
    """The heartbeat of what a harness left that was killed; what is left after the test is ended by its file."""
    beat, script = folder / "beat", folder / "program.py"
    beat.touch()
    os.utime(beat, (0, 0))
    script.write_text(program)
    argv = [sys.executable, "-c", HARNESS, str(folder / "root"), str(script), str(beat), groups]
    process = subprocess.Popen(argv, env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE)
    try:
        until = time.monotonic() + 30
        while not _is_beating(beat) and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        process.wait()
        yield beat
    finally:
        assert process.stdout is not None
        process.stdout.close()
        for folder_of in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(beat).encode() in (folder_of / "cmdline").read_bytes():
                    os.kill(int(folder_of.name), signal.SIGKILL)


@pytest.mark.deep
@pytest.mark.fault("empty-environment")
@pytest.mark.fault("pid-hopper")
@pytest.mark.parametrize("groups", ["groups", "no groups"])
@pytest.mark.parametrize("how", PROGRAMS)
def test_clean_ends_what_a_killed_harness_left(how: str, groups: str, tmp_path: Path) -> None:
    if groups == "groups":
        control_group_or_skip("trial").end()
    with _killed_harness(tmp_path, PROGRAMS[how], groups) as beat:
        time.sleep(0.5)
        bites(_is_beating(beat), "it outlived the harness")
        (remains,) = clean.survey(tmp_path / "root")
        if how == "nothing to know it by" and groups == "no groups":
            # The one that the documentation names: nothing in the kernel says whose it is.
            clean.sweep(tmp_path / "root")
            assert _is_beating(beat)
            return
        assert remains.processes or remains.fleeting or remains.groups
        _, refused = clean.sweep(tmp_path / "root")
        assert refused == []
        time.sleep(0.6)
        assert not _is_beating(beat)
        assert clean.survey(tmp_path / "root", thorough=True) == []
        assert control_group.find(remains.run.token) == []


@pytest.mark.parametrize(
    "how", ["reads a log", "works in the logs", "works in scratch with an environment", "other run"]
)
def test_a_stranger_is_not_taken_for_one_of_the_run(how: str, tmp_path: Path) -> None:
    run, other = directory.create(tmp_path), directory.create(tmp_path)
    log = run.logs / "train.log"
    log.write_text("said")
    env = {} if how == "works in the logs" else {"PATH": "/bin", identity.TOKEN_VARIABLE: f"x{run.token}"}
    place = {"works in the logs": run.logs, "works in scratch with an environment": run.scratch}.get(how, tmp_path)
    with (
        log.open() as reading,
        (other.logs / "train.log").open("w") as writing,
        subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; time.sleep(60)"],
            env=env,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=writing if how == "other run" else reading,
            stderr=subprocess.DEVNULL,
        ) as stranger,
    ):
        try:
            time.sleep(0.2)
            assert orphans.listed(orphans.Runs(folders={run.token: run.path})) == {}
        finally:
            stranger.kill()
