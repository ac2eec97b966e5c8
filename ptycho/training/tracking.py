"""
Tracking with MLflow, always into `mlflow/` under the output folder, and never able to fail a training.

The training speaks to a process of its own (`ptycho.training.mlflow_writer`, which says why) through a pipe, and never
waits for it before the end. What goes wrong there is a warning in the log and is named in the training's summary.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Protocol, Self

from ptycho.training import mlflow_writer

log = logging.getLogger(__name__)

FOLDER = "mlflow"
WRITER_LOG = "writer.log"
WAIT_SECONDS = 60.0
"""How long the end of a training waits for the tracker to catch up."""


class Tracker(Protocol):
    """Place where a training reports itself. None of it raises because of the tracking."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def params(self, params: Mapping[str, Any]) -> None:
        """Record the configuration."""

    def metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record the figures of one epoch."""

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Record a file; it is copied later and must stay as it is until the end."""

    @property
    def summary(self) -> str:
        """One line for the training's summary; final once the context has ended."""


def open_tracker(output_dir: Path, *, enabled: bool = True, resume: bool = False) -> Tracker:
    """
    The tracker of a training.

    Args:
        output_dir: the training's output folder, as `ptycho.files.prepare` returned it.
        enabled: without it nothing is started and MLflow is imported nowhere.
        resume: continue the run that the folder already holds.
    """
    return MlflowTracker(output_dir, resume=resume) if enabled else NullTracker()


class NullTracker:
    """`--disable_mlflow`: reports nothing to anyone."""

    summary = "disabled"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def params(self, params: Mapping[str, Any]) -> None:
        """Do nothing."""

    def metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Do nothing."""


class MlflowTracker:
    """
    Reports to MLflow's SQLite store under an output folder, through a process of its own.

    The run ends as FINISHED, as KILLED after Ctrl-C or an exit, and as FAILED after any other error. Started before
    the framework is imported, it costs the training almost nothing.

    Args:
        output_dir: the training's output folder; it must exist.
        resume: continue the run that the folder already holds.
        wait_seconds: how long the end waits.
    """

    def __init__(self, output_dir: Path, *, resume: bool = False, wait_seconds: float = WAIT_SECONDS) -> None:
        self._folder = output_dir.absolute() / FOLDER
        self._resume = resume
        self._wait_seconds = wait_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting = b""
        self.summary = "not started"

    def __enter__(self) -> Self:
        command = [sys.executable, "-P", "-W", "ignore", mlflow_writer.__file__, str(self._folder)]
        try:
            self._folder.mkdir(exist_ok=True)
            with (self._folder / WRITER_LOG).open("ab") as errors:
                self._process = subprocess.Popen(
                    command + ["--resume"] * self._resume,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=_environment(self._folder),
                    cwd=self._folder,
                )
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)
        except OSError as error:
            self._fail(f"{error}")
        else:
            self.summary = f"running: {self._folder}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        killed = kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit | GeneratorExit)
        self._send({"end": "FINISHED" if kind is None else "KILLED" if killed else "FAILED"})
        started = perf_counter()
        process, self._process = self._process, None
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), True)
        with process:  # closes the pipes and waits, whatever happens
            try:
                answer, _ = process.communicate(self._waiting, timeout=self._wait_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                self._fail(f"MLflow did not catch up within {self._wait_seconds:g} s (a locked or slow database?)")
                return
            except BaseException:
                process.kill()
                raise
        log.info("tracking: waited %.1f s for MLflow at the end", perf_counter() - started)
        self._judge(answer, process.returncode)

    def params(self, params: Mapping[str, Any]) -> None:
        """Record the configuration, every value as text."""
        self._send({"params": {name: str(value) for name, value in params.items()}})

    def metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record the figures of one epoch."""
        self._send({"metrics": {name: float(value) for name, value in metrics.items()}, "step": int(step)})

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Record a file; it is copied later and must stay as it is until the end."""
        self._send({"artifact": str(path.absolute()), "folder": folder})

    def _send(self, message: dict[str, Any]) -> None:
        """Queue a message and write as much as the pipe takes now; a full pipe is not a reason to wait."""
        if self._process is None or self._process.stdin is None:
            return
        self._waiting += json.dumps(message).encode() + b"\n"
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._process.stdin.fileno(), self._waiting) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._waiting = b""  # it has ended before its time; `__exit__` reads why

    def _judge(self, answer: bytes, returncode: int) -> None:
        try:
            report = json.loads(answer)
        except ValueError:
            self._fail(f"the MLflow process ended with code {returncode}")
            return
        if report["problems"]:
            self._fail("; ".join(report["problems"]))
        else:
            self.summary = f"{report['status']}: run {report['run_id']} in {self._folder}"

    def _fail(self, reason: str) -> None:
        self.summary = f"failed: {reason}"
        log.warning(
            "tracking failed: %s; see %s; history.csv has the figures all the same", reason, self._folder / WRITER_LOG
        )


def _environment(folder: Path) -> dict[str, str]:
    """
    The writer's environment: no address of another store, no telemetry, and nothing of its own outside the folder.

    The training's MLFLOW_ variables are left out, since any of them may move the store; PYTHONWARNINGS, since MLflow's
    own imports warn.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lstrip("_").startswith("MLFLOW_") and name not in ("PYTHONWARNINGS", "CUDA_VISIBLE_DEVICES")
    }
    return kept | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": str(folder),
    }
