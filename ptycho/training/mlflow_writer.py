"""
The program that writes to MLflow: started by `ptycho.training.tracking`, fed lines of JSON on stdin.

MLflow is kept out of the training's process. Importing it and building its database cost about five seconds, which
here pass on another core while the framework is imported; its warnings, its telemetry, a locked database and a crash
stay here; and a training that is killed closes the pipe, so that its run still ends as KILLED instead of RUNNING for
ever. The file is run by path and imports nothing of the project.

Messages: `{"params": {...}}`, `{"metrics": {...}, "step": 3}`, `{"artifact": path, "folder": name}`,
`{"end": "FINISHED"}`. Answer on stdout, when done: `{"run_id": ..., "status": ..., "problems": [...]}`.
"""

import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

RUN_ID = "run_id"
"""File beside the database that names the run, by which a resumed training finds it."""

EXPERIMENT = "ptycho"
DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
PARAM_CHARACTERS = 6000
RESUMED = "resumed."
"""Prefix of the tags that hold the values of a resumed run where they differ from what is known of it."""
ENDING_SECONDS = 20


def database_uri(folder: Path) -> str:
    """
    The tracking URI of the SQLite store in a folder.

    SQLAlchemy renders it, because versions differ on quoting. The driver is named because MLflow makes the parent
    folder of a bare `sqlite:///` URI without decoding it: with a space in the path, a second folder `%20` appears.
    """
    from sqlalchemy import URL

    return URL.create("sqlite+pysqlite", database=str(folder / DATABASE)).render_as_string()


def relocate(folder: Path) -> None:
    """
    Let the store in a folder say where it is now.

    MLflow keeps absolute places of artifacts and has no call that changes them: in a folder that was moved or copied,
    it would go on writing into the old one.
    """
    if not (folder / DATABASE).is_file():
        return
    now = (folder / ARTIFACTS).as_uri()
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as database, database:
        question = "SELECT experiment_id, artifact_location FROM experiments WHERE name = ?"
        for experiment, was in database.execute(question, (EXPERIMENT,)).fetchall():
            if was == now:
                continue
            database.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (now, experiment))
            database.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, length(?) + 1) "
                "WHERE experiment_id = ? AND substr(artifact_uri, 1, length(?) + 1) = ? || '/'",
                (now, was, experiment, was, was),
            )


class MlflowWriter:
    """
    One run in the store of one folder.

    Args:
        folder: absolute; holds the database, the artifacts and the run's id.
        resume: continue the run that the folder names, if it is there.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        from mlflow import MlflowClient

        relocate(folder)
        self._client = MlflowClient(tracking_uri=database_uri(folder))
        self._written: dict[str, set[int]] = {}
        note = folder / RUN_ID
        if resume and note.is_file():
            self.run_id = note.read_text(encoding="utf-8").strip()
            self._client.update_run(self.run_id, status="RUNNING")
            data = self._client.get_run(self.run_id).data
            # What a resume before this one said counts, and not what the first part had.
            self._params = {name: data.tags.get(RESUMED + name, value) for name, value in data.params.items()}
            return
        known = self._client.get_experiment_by_name(EXPERIMENT)
        location = (folder / ARTIFACTS).as_uri()
        experiment = known.experiment_id if known else self._client.create_experiment(EXPERIMENT, location)
        self.run_id = self._client.create_run(experiment, run_name=folder.parent.name).info.run_id
        self._params = {}
        note.write_text(self.run_id + "\n", encoding="utf-8")

    def carry_out(self, message: dict[str, Any]) -> None:
        """Carry out one message."""
        if "params" in message:
            self.params(message["params"])
        if "metrics" in message:
            self.metrics(message["metrics"], message["step"])
        if "artifact" in message:
            self.artifact(message["artifact"], message["folder"])

    def params(self, params: dict[str, Any]) -> None:
        """
        Log parameters.

        MLflow refuses another value for a parameter that it has: a resumed run's new value becomes a tag.
        """
        from mlflow.entities import Param, RunTag

        texts = {name: str(value)[:PARAM_CHARACTERS] for name, value in params.items()}
        new = [Param(name, text) for name, text in texts.items() if name not in self._params]
        changed = [RunTag(RESUMED + name, text) for name, text in texts.items() if self._params.get(name, text) != text]
        self._client.log_batch(self.run_id, params=new, tags=changed)
        self._params |= {param.key: param.value for param in new}

    def metrics(self, metrics: dict[str, float], step: int) -> None:
        """Log metrics; a step that the run already has, from before a resume, is not written twice."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = [Metric(name, value, now, step) for name, value in metrics.items() if step not in self._steps(name)]
        self._client.log_batch(self.run_id, metrics=new)
        for metric in new:
            self._written[metric.key].add(step)

    def artifact(self, path: str, folder: str | None) -> None:
        """Copy a file into the run's artifacts."""
        self._client.log_artifact(self.run_id, path, folder)

    def end(self, status: str) -> None:
        """End the run: FINISHED, FAILED or KILLED."""
        self._client.set_terminated(self.run_id, status)

    def _steps(self, name: str) -> set[int]:
        if name not in self._written:
            self._written[name] = {metric.step for metric in self._client.get_metric_history(self.run_id, name)}
        return self._written[name]


def main(folder: Path, *, resume: bool) -> dict[str, Any]:
    """Carry out the messages on stdin until the end, or until the training is gone; report what went wrong."""
    try:
        writer = MlflowWriter(folder, resume=resume)
    except Exception as error:  # whatever MLflow raises: the training reads the report
        return {"run_id": None, "status": None, "problems": [_in_short(error)]}
    problems: list[str] = []
    status = "KILLED"
    for line in sys.stdin:
        message = json.loads(line)
        status = message.get("end", status)
        try:
            writer.carry_out(message)
        except Exception as error:  # as above, and the rest must still be tried
            problems.append(_in_short(error))
    # The training waits, or is gone: whatever blocks now may not keep a process behind.
    signal.alarm(ENDING_SECONDS)
    try:
        writer.end(status)
    except Exception as error:  # as above
        problems.append(_in_short(error))
    return {"run_id": writer.run_id, "status": status, "problems": list(dict.fromkeys(problems))}


def _in_short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


if __name__ == "__main__":
    # Ctrl-C and a harness's SIGTERM reach the whole process group; this one ends when the pipe does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # MLflow prints to stdout at times; the answer keeps the real one for itself.
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    print(json.dumps(main(Path(sys.argv[1]), resume="--resume" in sys.argv[2:])), file=answer, flush=True)
    # Everything is committed; taking MLflow's modules apart would cost the waiting training another second.
    os._exit(0)
