import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from ptycho.training import mlflow_writer, tracking
from ptycho.training.tracking import MlflowTracker, NullTracker, open_tracker
from tests.support.injected import bites

ROOT = Path(tracking.__file__).parents[2]

TRAINING = """
import os, signal, sys
from pathlib import Path
from ptycho.training.tracking import open_tracker

out, how = Path(sys.argv[1]), sys.argv[2]
try:
    with open_tracker(out, enabled=how != "disabled", resume=how in ("resume", "kill")) as tracker:
        tracker.params({"N": 64, "nepochs": 5 if how == "resume" else 3, "train_data_file": None})
        for epoch in (3, 4) if how == "resume" else (1, 2, 3):
            tracker.metrics({"train_loss": -1.0 / epoch, "validation_loss": float("nan")}, epoch)
        tracker.artifact(out / "picture a.png", "pictures")
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "resume":
            raise FloatingPointError
except FloatingPointError:
    pass
print(tracker.summary, "mlflow" in sys.modules, sep="|")
"""

READ_BACK = """
import json, sys
from pathlib import Path
from mlflow import MlflowClient
from ptycho.training.mlflow_writer import database_uri

client = MlflowClient(tracking_uri=database_uri(Path(sys.argv[1]) / "mlflow"))
(experiment,) = [item for item in client.search_experiments() if item.name == "ptycho"]
runs = client.search_runs([experiment.experiment_id])
print(json.dumps([{
    "id": run.info.run_id,
    "status": run.info.status,
    "params": run.data.params,
    "resumed": {name: value for name, value in run.data.tags.items() if name.startswith("resumed.")},
    "losses": [[item.step, item.value] for item in client.get_metric_history(run.info.run_id, "train_loss")],
    "artifacts": [item.path for item in client.list_artifacts(run.info.run_id, "pictures")],
} for run in runs]))
"""


class Place:
    """A working directory with someone else's `mlruns`, a fresh HOME, and an output folder with an awkward name."""

    def __init__(self, root: Path) -> None:
        self.cwd, self.home, self.out = root / "cwd", root / "home", root / "out" / "ü 100%41 ?#\n-x"
        for folder in (self.cwd / "mlruns", self.home, self.out):
            folder.mkdir(parents=True)
        (self.cwd / "mlruns" / "theirs").write_text("untouched")
        (self.out / "picture a.png").write_bytes(b"png")
        self.tracking_uri = f"file://{self.cwd}/elsewhere"

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # -W error and foreign MLflow settings: neither may reach the tracker.
        environment = os.environ | {
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_RUN_ID": "not-a-run",
        }
        return subprocess.run(
            [sys.executable, "-c", program, str(self.out), *arguments],
            cwd=self.cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def runs(self) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", READ_BACK, str(self.out)],
            cwd=self.cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"},
            capture_output=True,
            text=True,
            check=True,
        )
        parsed: list[dict[str, Any]] = json.loads(done.stdout)
        return parsed

    def surroundings(self) -> dict[str, bytes]:
        """Every path outside the output folder with its bytes."""
        root = self.cwd.parent
        return {
            str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
            for path in sorted(root.rglob("*"))
            if self.out not in (path, *path.parents)
        }


@pytest.mark.deep
@pytest.mark.fault("tracking")
def test_a_run_reads_back_is_resumed_and_leaves_nothing_elsewhere(tmp_path: Path) -> None:
    place = Place(tmp_path)
    before = place.surroundings()
    bites("cwd/mlruns/theirs" in before, "an old mlruns is in the working directory")

    first = place.run(TRAINING, "first")

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("FINISHED: run ")
    assert first.stdout.endswith("|False\n")
    (run,) = place.runs()
    identity = run.pop("id")
    assert run == {
        "status": "FINISHED",
        "params": {"N": "64", "nepochs": "3", "train_data_file": "None"},
        "resumed": {},
        "losses": [[1, -1.0], [2, -0.5], [3, -1 / 3]],
        "artifacts": ["pictures/picture a.png"],
    }

    killed = place.run(TRAINING, "kill")

    assert (killed.returncode, killed.stderr) == (-9, "")
    deadline = time.monotonic() + 60
    while (status := _status(place.out)) != "KILLED":
        assert time.monotonic() < deadline, status
        time.sleep(0.2)

    resumed = place.run(TRAINING, "resume")

    assert (0, "", f"FAILED: run {identity}") == (resumed.returncode, resumed.stderr, resumed.stdout.split(" in ")[0])
    (run,) = place.runs()
    assert (identity, "FAILED", {"resumed.nepochs": "5"}) == (run["id"], run["status"], run["resumed"])
    assert run["losses"] == [[1, -1.0], [2, -0.5], [3, -1 / 3], [4, -0.25]]

    assert before == place.surroundings()
    assert sorted(path.name for path in (place.out / "mlflow").iterdir()) == [
        "artifacts",
        "mlflow.db",
        "run_id",
        "writer.log",
    ]


@pytest.mark.deep
@pytest.mark.parametrize("how", ["moved", "copied"])
@pytest.mark.fault("moved-folder")
def test_a_resumed_training_writes_to_the_new_place_of_a_moved_folder(tmp_path: Path, how: str) -> None:
    place = Place(tmp_path)
    place.run(TRAINING, "first")
    (first,) = place.runs()
    old, place.out = place.out, place.out.with_name("new ü %20")
    if how == "moved":
        old.rename(place.out)
    else:
        shutil.copytree(old, place.out)
    with closing(sqlite3.connect(place.out / "mlflow" / "mlflow.db")) as store:
        (stored,) = store.execute("SELECT artifact_uri FROM runs").fetchone()
    bites(stored.startswith((old / "mlflow").as_uri()), "the store names the old place")
    (place.out / "picture a.png").write_bytes(b"later")
    before = place.surroundings()

    resumed = place.run(TRAINING, "resume")

    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert place.surroundings() == before
    (run,) = place.runs()
    assert (run["id"], run["artifacts"]) == (first["id"], ["pictures/picture a.png"])
    assert [path.read_bytes() for path in place.out.glob("mlflow/artifacts/*/artifacts/pictures/*")] == [b"later"]


def test_disabled_tracking_starts_and_leaves_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    before = place.surroundings()

    done = place.run(TRAINING, "disabled")

    assert (done.stdout, done.stderr) == ("disabled|False\n", "")
    assert before == place.surroundings()
    assert [path.name for path in place.out.iterdir()] == ["picture a.png"]


def test_the_environment_of_the_writer_holds_no_foreign_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.org")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlruns")
    monkeypatch.setenv("PYTHONWARNINGS", "error")

    found = tracking._environment(tmp_path)

    assert {name: value for name, value in found.items() if "MLFLOW" in name} == {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
    }
    assert ("true", str(tmp_path), False) == (found["DO_NOT_TRACK"], found["HOME"], "PYTHONWARNINGS" in found)


@pytest.mark.deep
@pytest.mark.fault("tracking")
def test_a_locked_database_is_reported_and_changes_nothing_else(tmp_path: Path) -> None:
    place = Place(tmp_path)
    store = place.out / "mlflow"
    store.mkdir()
    with closing(sqlite3.connect(store / "mlflow.db", isolation_level=None)) as mine:
        mine.execute("begin exclusive")
        bites(_is_locked(store / "mlflow.db"), "nobody else can write to the database")
        before = place.surroundings()
        done = place.run(TRAINING, "first")
    assert done.returncode == 0
    assert done.stdout.startswith("failed: ")
    assert before == place.surroundings()


@pytest.mark.deep
@pytest.mark.fault("tracking")
def test_a_dead_server_in_the_callers_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    bites(port, "nobody listens there: a connection is refused")
    place = Place(tmp_path)
    place.tracking_uri = f"http://127.0.0.1:{port}"
    done = place.run(TRAINING, "first")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("FINISHED: run ")
    assert [run["status"] for run in place.runs()] == ["FINISHED"]


def _is_locked(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0)) as other:
        try:
            other.execute("create table x (y)")
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
    return False


def _status(out: Path) -> str:
    with closing(sqlite3.connect(out / "mlflow" / "mlflow.db")) as database:
        ((status,),) = database.execute("select status from runs").fetchall()
    return str(status)


WELL = (
    'import json, sys; list(sys.stdin); print(json.dumps({"run_id": "7", "status": "FINISHED", "problems": PROBLEMS}))'
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("writer", "summary"),
    [
        (
            WELL.replace("PROBLEMS", '["OperationalError: database is locked", "x"]'),
            "OperationalError: database is locked; x",
        ),
        ("raise SystemExit(3)", "the MLflow process ended with code 3"),
        ("import time; time.sleep(60)", "MLflow did not catch up within 0.5 s (a locked or slow database?)"),
    ],
    ids=["reported", "died", "stuck"],
)
def test_trouble_is_a_warning_and_in_the_summary_and_never_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, writer: str, summary: str
) -> None:
    _replace_writer(tmp_path, monkeypatch, writer)

    started = time.monotonic()
    # A megabyte of metrics does not fit into the pipe of a writer that does not read.
    with MlflowTracker(tmp_path, wait_seconds=30 if "sleep" not in writer else 0.5) as tracker:
        for step in range(2000):
            tracker.metrics({"x" * 500: 0.5}, step)

    assert f"failed: {summary}" == tracker.summary
    assert [summary in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [True]
    assert time.monotonic() - started < 20


def test_a_slow_writer_gets_every_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _replace_writer(
        tmp_path,
        monkeypatch,
        "import json, sys, time; time.sleep(0.3); steps = [json.loads(line).get('step') for line in sys.stdin]\n"
        "print(json.dumps({'run_id': '7', 'status': str(steps == [*range(2000), None]), 'problems': []}))",
    )

    with open_tracker(tmp_path) as tracker:
        for step in range(2000):
            tracker.metrics({"x" * 500: 0.5}, step)

    assert f"True: run 7 in {tmp_path / 'mlflow'}" == tracker.summary


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"), (OSError, "FAILED")],
)
def test_the_status_follows_how_the_training_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | None, status: str
) -> None:
    _replace_writer(
        tmp_path,
        monkeypatch,
        "import json, sys\n"
        "status = [json.loads(line) for line in sys.stdin][-1]['end']\n"
        "print(json.dumps({'run_id': '7', 'status': status, 'problems': []}))",
    )
    tracker = MlflowTracker(tmp_path)

    with pytest.raises(error) if error else nullcontext(), tracker:
        if error:
            raise error

    assert f"{status}: run 7 in {tmp_path / 'mlflow'}" == tracker.summary


def test_a_folder_that_cannot_be_made_fails_the_tracking_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mlflow").write_text("a file")

    with MlflowTracker(tmp_path) as tracker:
        tracker.params({"a": 1})

    assert tracker.summary.startswith("failed: ")
    assert "File exists" in tracker.summary
    assert len(caplog.records) == 1


def test_a_tracker_is_chosen_by_the_switch(tmp_path: Path) -> None:
    assert (NullTracker, MlflowTracker) == (
        type(open_tracker(tmp_path, enabled=False)),
        type(open_tracker(tmp_path)),
    )


def test_importing_the_modules_imports_nothing_heavy() -> None:
    program = (
        "import sys; from ptycho import files, fingerprint\n"
        "from ptycho.training import checkpoint, history, progress, tracking\n"
        "heavy = ('rich', 'mlflow', 'sqlalchemy', 'safetensors', 'matplotlib', 'psutil', 'torch', 'tensorflow')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def _replace_writer(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    path = folder / "writer.py"
    path.write_text(program)
    monkeypatch.setattr(mlflow_writer, "__file__", str(path))
