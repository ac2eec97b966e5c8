"""Pieces of Python as supervised commands, with the observer and an event log, as a lane runs them."""

import os
import secrets
import sys
from pathlib import Path

from harness.isolation.sandbox import OBSERVER
from harness.process import supervise
from harness.process.limits import Limits
from harness.system import identity
from harness.system.signals import Interruption

VARIABLE = "PTYCHO_TEST_TOKEN"
TOKEN = os.environ.get(VARIABLE) or secrets.token_hex(6)
"""Of these tests only: by a token, processes are ended. A test hands it on to its own supervisor."""
BUSY_S = 0.3
BUSY = f"import time\nwhile time.process_time() < {BUSY_S}: pass"
"""Python that uses the processor for `BUSY_S` by its own clock, on a slow machine and on a fast one."""


def run(folder: Path, code: str, *, timeout_s: float = 60, limits: Limits | None = None) -> supervise.CompletedCommand:
    """
    Run a piece of Python in a folder; its log is `log.txt` there.

    Args:
        folder: working directory, and where everything is kept.
        code: what to run.
        timeout_s: wall-clock limit.
        limits: further limits.
    """
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(OBSERVER),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        identity.TOKEN_VARIABLE: TOKEN,
        "PTYCHO_HARNESS_WRITES": str(folder / "writes.log"),
        "PTYCHO_HARNESS_SCRATCH": str(folder),
        "PTYCHO_HARNESS_EVENTS": str(folder / "events.ndjson"),
    }
    return supervise.run(
        [sys.executable, "-c", code],
        env=env,
        cwd=folder,
        log=folder / "log.txt",
        timeout_s=timeout_s,
        token=TOKEN,
        interruption=Interruption(),
        limits=limits or Limits(),
    )


def survivors() -> list[str]:
    """Processes of such a command that still live."""
    return [identity.describe(found) for found in identity.with_token(TOKEN)]
