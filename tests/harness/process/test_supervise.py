"""Commands end, at the latest at their limit, and take everything that they started with them."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.process import supervise
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError
from tests.support import supervised
from tests.support.injected import bites

TOKEN = secrets.token_hex(6)  # of these tests only: by a token, processes are ended
DETACHED = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
os.wait()
print("done")
"""


def _run(
    tmp_path: Path, code: str, *, timeout_s: float = 30, interruption: Interruption | None = None, echo: bool = False
) -> supervise.CompletedCommand:
    return supervise.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], identity.TOKEN_VARIABLE: TOKEN},
        cwd=tmp_path,
        log=tmp_path / "log",
        timeout_s=timeout_s,
        token=TOKEN,
        interruption=interruption or Interruption(),
        echo=echo,
    )


def test_exit_code_output_and_time_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); print(repr(sys.stdin.read())); raise SystemExit(3)"
    finished = _run(tmp_path, code, echo=True)
    assert (finished.returncode, finished.timed_out, finished.survivors) == (3, False, ())
    assert sorted(finished.tail().splitlines()) == ["''", "err", "out"]
    assert 0 < finished.seconds < 30
    assert "out" in capsys.readouterr().out


def test_a_hanging_command_is_killed_at_its_limit(tmp_path: Path) -> None:
    finished = _run(tmp_path, "import time; time.sleep(60)", timeout_s=0.3)
    assert finished.timed_out
    assert finished.returncode == -signal.SIGTERM
    assert finished.seconds < 10


def test_a_child_that_dies_by_a_signal_says_so(tmp_path: Path) -> None:
    assert _run(tmp_path, "import os; os.kill(os.getpid(), 9)").returncode == -9


@pytest.mark.slow
@pytest.mark.fault("orphans")
def test_a_double_fork_is_found_named_and_killed(tmp_path: Path) -> None:
    finished = _run(tmp_path, DETACHED)
    bites(finished.tail() == "done" and finished.survivors, "a process has outlived its command")
    assert len(finished.survivors) == 1
    assert identity.with_token(TOKEN) == []


def test_an_interruption_ends_the_command_and_is_raised(tmp_path: Path) -> None:
    interruption = Interruption()
    with interruption.installed(), pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        _run(tmp_path, f"import os, time; os.kill({os.getpid()}, 15); time.sleep(60)", interruption=interruption)
    assert identity.with_token(TOKEN) == []


@pytest.mark.slow
def test_a_second_signal_kills_without_grace(tmp_path: Path) -> None:
    interruption = Interruption()
    code = (
        "import os, signal, time; signal.signal(15, signal.SIG_IGN); "
        f"os.kill({os.getpid()}, 2); time.sleep(0.5); os.kill({os.getpid()}, 2); time.sleep(60)"
    )
    started = time.monotonic()
    with interruption.installed(), pytest.raises(KeyboardInterrupt, match="SIGINT"):
        _run(tmp_path, code, interruption=interruption)
    assert time.monotonic() - started < supervise.GRACE_S


def test_a_missing_program_is_a_matter_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot start '/nowhere/python': No such file"):
        supervise.run(
            ["/nowhere/python"],
            env={},
            cwd=tmp_path,
            log=tmp_path / "log",
            timeout_s=1,
            token=TOKEN,
            interruption=Interruption(),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.slow
def test_an_orphan_that_clears_its_environment_is_found_by_adoption(tmp_path: Path) -> None:
    clean = "import os, time; os.write(1, b'x'); time.sleep(60)"
    code = DETACHED.replace("time.sleep(60)", f"os.execve(sys.executable, [sys.executable, '-c', {clean!r}], {{}})")
    harness = (
        "import sys\nfrom pathlib import Path\nsys.path[:0] = sys.argv[1:2]\nfrom tests.support import supervised\n"
        "from harness.system import identity\nidentity.adopt_orphans()\n"
        "print(supervised.run(Path(sys.argv[2]), sys.argv[3]).survivors)"
    )
    root = Path(__file__).resolve().parents[3]
    argv = [sys.executable, "-c", harness, str(root), str(tmp_path), code]
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60)
    pid = int(re.findall(r"(\d+) \(", done.stdout)[0])
    assert identity.start_time(pid) is None


@pytest.mark.slow
def test_a_stopped_process_is_ended_too(tmp_path: Path) -> None:
    code = "import os, signal; print('up', flush=True); os.kill(os.getpid(), signal.SIGSTOP)"
    finished = _run(tmp_path, code, timeout_s=1)
    assert (finished.timed_out, finished.returncode) == (True, -signal.SIGTERM)
    assert finished.seconds < supervise.GRACE_S


@pytest.mark.slow
def test_what_the_caller_does_meanwhile_is_no_cost_of_supervision(tmp_path: Path) -> None:
    worked = []

    def work() -> None:
        until = time.process_time() + supervised.BUSY_S
        while time.process_time() < until:
            pass
        worked.append(supervised.BUSY_S)

    finished = supervise.run(
        [sys.executable, "-c", "import time; time.sleep(1)"],
        env={"PATH": os.environ["PATH"], identity.TOKEN_VARIABLE: TOKEN},
        cwd=tmp_path,
        log=tmp_path / "log",
        timeout_s=30,
        token=TOKEN,
        interruption=Interruption(),
        meanwhile=work,
    )
    assert finished.usage is not None
    assert 0 < finished.usage.supervision_s < sum(worked)
