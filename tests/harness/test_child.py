"""Commands end, at the latest at their limit, and take everything that they started with them."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from harness import child, processes
from harness.interruption import Interruption
from ptycho.errors import InfrastructureError

TOKEN = "0123456789ab"
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
) -> child.Finished:
    return child.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], processes.TOKEN_VARIABLE: TOKEN},
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


def test_a_double_fork_is_found_named_and_killed(tmp_path: Path) -> None:
    finished = _run(tmp_path, DETACHED)
    assert finished.tail() == "done"
    assert len(finished.survivors) == 1
    assert processes.with_token(TOKEN) == []


def test_an_interruption_ends_the_command_and_is_raised(tmp_path: Path) -> None:
    interruption = Interruption()
    with interruption.installed(), pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        _run(tmp_path, f"import os, time; os.kill({os.getpid()}, 15); time.sleep(60)", interruption=interruption)
    assert processes.with_token(TOKEN) == []


def test_a_second_signal_kills_without_grace(tmp_path: Path) -> None:
    interruption = Interruption()
    code = (
        "import os, signal, time; signal.signal(15, signal.SIG_IGN); "
        f"os.kill({os.getpid()}, 2); time.sleep(0.5); os.kill({os.getpid()}, 2); time.sleep(60)"
    )
    started = time.monotonic()
    with interruption.installed(), pytest.raises(KeyboardInterrupt, match="SIGINT"):
        _run(tmp_path, code, interruption=interruption)
    assert time.monotonic() - started < child.GRACE_S


def test_a_missing_program_is_a_matter_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot start '/nowhere/python': No such file"):
        child.run(
            ["/nowhere/python"],
            env={},
            cwd=tmp_path,
            log=tmp_path / "log",
            timeout_s=1,
            token=TOKEN,
            interruption=Interruption(),
        )
