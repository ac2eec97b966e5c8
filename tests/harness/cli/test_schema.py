"""`python -m harness target schema` as a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import json_schemas
from harness.cli.targets import SCHEMAS

ROOT = Path(__file__).resolve().parents[3]


def _schema(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "harness", "target", "schema", *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_schema_is_printed_and_nothing_else() -> None:
    done = _schema("target")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == json_schemas.text("target")
    assert json.loads(done.stdout)["properties"]["job"]["$ref"] == "#/$defs/Job"


def test_all_of_them_are_written(tmp_path: Path) -> None:
    done = _schema("--write", str(tmp_path / "new" / "folder"))
    written = sorted((tmp_path / "new" / "folder").iterdir())
    assert sorted(done.stdout.split()) == [str(path) for path in written]
    assert [path.name for path in written] == sorted(f"{name}.schema.json" for name in SCHEMAS)
    assert (tmp_path / "new" / "folder" / "target.schema.json").read_text() == json_schemas.text("target")


def test_what_was_written_can_be_one_document(tmp_path: Path) -> None:
    done = _schema("--write", str(tmp_path), "--json")
    assert {name: str(tmp_path / f"{name}.schema.json") for name in SCHEMAS} == json.loads(done.stdout)


@pytest.mark.parametrize("words", [[], ["traget"], ["target", "--write", "x"]])
def test_anything_else_is_a_usage_error(words: list[str]) -> None:
    done = _schema(*words)
    assert (done.returncode, done.stdout) == (2, "")
