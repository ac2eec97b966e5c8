"""`python -m harness fixtures`: exit codes and documents of its three commands."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import fixtures
from harness.fixtures import inventory
from ptycho.command_line import StrictParser
from ptycho.verdict import Verdict

ENTRY = """[[fixture]]
name = "{name}"
kind = "{kind}"
path = "datasets/{name}.npz"
sha256 = "{sha256}"
layout = "canonical"
patterns = 4
side = 64
gridsize = 1
owner = "me"
licence = "MIT"
purpose = "a test"
"""
MAKE = (
    """make = ["{python}", "-c", "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('made')", "{output}"]\n"""
)


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory of one external fixture `given` and one of kind made, `built`."""
    monkeypatch.delenv(inventory.SEARCH_PATH, raising=False)
    path = tmp_path / "datasets" / "inventory.toml"
    path.parent.mkdir()
    given, built = (hashlib.sha256(text).hexdigest() for text in (b"given", b"made"))
    path.write_text(
        ENTRY.format(name="given", kind="external", sha256=given)
        + ENTRY.format(name="built", kind="made", sha256=built)
        + MAKE
    )
    return path


def _run(listed: Path, *words: str) -> int:
    parser = StrictParser()
    commands: Any = parser.add_subparsers()
    fixtures.add_parser(commands)
    args = parser.parse_args(["fixtures", *words, "--inventory", str(listed)])
    return int(args.run(args))


def _statuses(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return {row["name"]: row["status"] for row in rows}


def test_list_make_verify(listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Verdict.PASS == _run(listed, "list", "--json")
    assert {"given": "absent", "built": "absent"} == _statuses(capsys)
    assert Verdict.PASS == _run(listed, "make", "--json")
    assert {"built": "made"} == _statuses(capsys)
    assert Verdict.PASS == _run(listed, "verify", "--json")
    assert {"given": "absent", "built": "ok"} == _statuses(capsys)


def test_drift_fails(listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (listed.parent / "given.npz").write_bytes(b"other")
    assert Verdict.FAIL == _run(listed, "verify", "--json")
    assert {"given": "drift", "built": "absent"} == _statuses(capsys)


def test_named_and_absent_is_no_pass(listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Verdict.INFRA == _run(listed, "verify", "given", "--json")
    assert {"given": "absent"} == _statuses(capsys)


def test_making_what_cannot_be_made_is_a_usage_error(listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Verdict.USAGE == _run(listed, "make", "given", "--json")
    assert {"given": "failed"} == _statuses(capsys)


def test_table_says_why(listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (listed.parent / "given.npz").write_bytes(b"other")
    _run(listed, "verify")
    out = capsys.readouterr().out
    assert "datasets/built.npz" in out
    assert f"the inventory says {hashlib.sha256(b'given').hexdigest()}" in out
    assert "run: python -m harness fixtures make built" in out
