"""Output that cannot be written ends no command; where it was what was asked for, the command does not pass."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho.streams import Stream
from tests.support.injected import bites

ROOT = Path(__file__).resolve().parents[2]

COMMAND = """
import sys
from ptycho import streams
from ptycho.errors import exit_on_error
with exit_on_error():
    if "asked" in sys.argv:
        streams.require_output()
    for _ in range(5000):
        print("x" * 100)
    print("done", file=sys.stderr)
    raise SystemExit(int(sys.argv[1]))
"""


def start(code: int, stdout: str, *words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-c", COMMAND, str(code), *words]
    shell = {
        "full": 'exec "$0" "$@" > /dev/full',
        "closed": 'exec "$0" "$@" >&-',
        "broken": '"$0" "$@" | true; exit ${PIPESTATUS[0]}',
        "good": 'exec "$0" "$@" > /dev/null',
    }[stdout]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-c", shell, *argv], env=env, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize("stdout", ["full", "closed", "broken", "good"])
@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.fault("no-output")
def test_a_command_goes_on_and_ends_with_its_own_code(code: int, stdout: str) -> None:
    done = start(code, stdout)
    bites(stdout == "good" or start(0, stdout, "asked").returncode == 13, "not everything could be written")
    assert (done.returncode, done.stderr) == (code, "done\n")


@pytest.mark.parametrize("stdout", ["full", "closed", "broken"])
def test_output_that_was_asked_for_and_not_written_is_no_pass(stdout: str) -> None:
    done = start(0, stdout, "asked")
    assert done.returncode == 13
    assert "Traceback" not in done.stderr
    assert "standard output could not be written" in done.stderr
    # What went wrong before keeps its own code.
    assert start(1, stdout, "asked").returncode == 1


def test_a_stream_that_works_is_the_stream(capsys: pytest.CaptureFixture[str]) -> None:
    stream = Stream(sys.stdout)
    print("one", file=stream)
    stream.writelines(["two\n"])
    stream.flush()
    assert capsys.readouterr().out == "one\ntwo\n"
    assert stream.failure is None


def test_letters_that_the_encoding_lacks_are_escaped() -> None:
    raw = io.BytesIO()
    stream = Stream(io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    stream.write("3 × 4\n")
    assert raw.getvalue() == b"3 \\xd7 4\n"


def test_the_first_failure_is_remembered() -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, "no space")

    stream = Stream(Full())
    assert stream.write("abc") == 3
    assert stream.failure is not None
    assert stream.failure.errno == errno.ENOSPC
    stream.write("abc")
    stream.flush()
