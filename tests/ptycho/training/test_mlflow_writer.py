import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ptycho.training import mlflow_writer


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-P", "-W", "ignore", str(mlflow_writer.__file__), str(folder), *options]


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "HOME": str(folder)}


@pytest.mark.deep
def test_one_bad_message_is_reported_once_and_stops_nothing(tmp_path: Path) -> None:
    missing = {"artifact": str(tmp_path / "none.png"), "folder": None}
    messages: list[dict[str, Any]] = [
        {"params": {"long": "x" * 7000}},
        missing,
        missing,
        {"metrics": {"loss": -0.5}, "step": 1},
        {"end": "FINISHED"},
    ]

    # Ctrl-C and SIGTERM, which reach the whole process group, do not end it before the pipe does.
    process = subprocess.Popen(
        command(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path),
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / mlflow_writer.RUN_ID).is_file():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    answer, errors = process.communicate("".join(json.dumps(message) + "\n" for message in messages), timeout=60)

    report = json.loads(answer)
    assert process.returncode == 0, errors
    assert report["status"] == "FINISHED"
    assert (tmp_path / mlflow_writer.RUN_ID).read_text().strip() == report["run_id"]
    (problem,) = report["problems"]
    assert "none.png" in problem
    with closing(sqlite3.connect(tmp_path / mlflow_writer.DATABASE)) as database:
        assert database.execute("select key, value from params").fetchall() == [("long", "x" * 6000)]
        assert database.execute("select key, value, step from metrics").fetchall() == [("loss", -0.5, 1)]
        assert database.execute("select status from runs").fetchall() == [("FINISHED",)]


def test_a_store_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    program = (
        "import json, sys, types; from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(mlflow_writer.__file__).parents[2])!r})\n"
        "from ptycho.training import mlflow_writer\n"
        "def broken(*args, **kwargs): raise OSError('database is locked\\n(more)')\n"
        "sys.modules['mlflow'] = types.SimpleNamespace(MlflowClient=broken)\n"
        "print(json.dumps(mlflow_writer.main(Path(sys.argv[1]), resume=False)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, input=""
    )

    assert json.loads(done.stdout) == {"run_id": None, "status": None, "problems": ["OSError: database is locked"]}


@pytest.mark.parametrize("name", ["plain", "a b", "100%41", "ü?#&", "line\nbreak"])
def test_the_databases_address_survives_any_path(tmp_path: Path, name: str) -> None:
    from sqlalchemy import make_url

    uri = mlflow_writer.database_uri(tmp_path / name)

    assert str(tmp_path / name / "mlflow.db") == make_url(uri).database
    assert uri.startswith("sqlite+pysqlite:////")
