"""What a commit knows of requests, cut requests for one that knows less, and an oracle that has moved."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.parity.drift import versions
from harness.parity.drift.versions import ORACLE, REQUEST, vocabulary
from harness.parity.exchange import plan
from harness.parity.exchange.plan import Question
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT
from ptycho.parity.request import QUANTITIES, Request, read_arrays
from tests.support.golden_step0 import FIXTURE


def tree(tmp_path: Path, *, old: str = "", new: str = "") -> Path:
    """A tree whose requests are those of today with one text replaced."""
    path = tmp_path / "tree" / REQUEST
    path.parent.mkdir(parents=True)
    text = (ROOT / REQUEST).read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    return tmp_path / "tree"


def questions(folder: Path) -> list[Question]:
    return plan.plan(gridsizes=(1,), precisions=("f32",), seeds=(42,), scan=FIXTURE, steps=1, folder=folder)


def test_a_commit_of_today_is_given_the_same_files(tmp_path: Path) -> None:
    known = vocabulary(tree(tmp_path), "c0ffee")
    assert known.quantities == QUANTITIES
    asked = questions(tmp_path)
    assert versions.requests(asked, known, tmp_path, "c0ffee") == [item.path for item in asked]


def test_a_commit_that_knows_less_is_asked_for_less(tmp_path: Path) -> None:
    place = tree(tmp_path, old="    masked: bool = True\n", new="")
    text = (place / REQUEST).read_text(encoding="utf-8")
    (place / REQUEST).write_text(text.replace(', "R2b"', ""), encoding="utf-8")
    known = vocabulary(place, "c0ffee")
    asked = questions(tmp_path)
    low, high = versions.requests(asked, known, tmp_path, "c0ffee")
    assert "masked" not in json.loads(str(read_arrays(low)["spec"]))
    assert (Request.load(low).quantities, Request.load(low).nonce) == (("R0", "R2"), asked[0].request.nonce)
    assert Request.load(high).quantities == asked[1].request.quantities


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("QUANTITIES = (", "RUNGS = (", "lists no QUANTITIES"),
        ("    nonce: str\n", "", "requests there have no nonce"),
        ("class Request:", "class Request(:", "cannot be read"),
    ],
)
def test_a_commit_that_cannot_be_asked_is_named_with_the_reason(tmp_path: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(InfrastructureError, match=f"commit c0ffee cannot be asked.*{why}.*compare with a later commit"):
        vocabulary(tree(tmp_path, old=old, new=new), "c0ffee")


def test_a_commit_without_adapters_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot be asked"):
        vocabulary(tmp_path, "c0ffee")


def test_a_commit_that_knows_no_rung_of_a_question_cannot_be_asked(tmp_path: Path) -> None:
    known = versions.Vocabulary(quantities=("R0",), fields=frozenset(Request.__dataclass_fields__))
    with pytest.raises(InfrastructureError, match="knows none of R3, R4"):
        versions.requests(questions(tmp_path), known, tmp_path, "c0ffee")


def test_a_file_of_the_oracle_that_changed_since_the_commit_is_named(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    for folder in ORACLE:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("a = 1\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    assert versions.oracle_changes("HEAD", tmp_path) == ()
    (tmp_path / ORACLE[0] / "a.py").write_text("a = 2\n")
    (tmp_path / ORACLE[1] / "b.py").write_text("b = 1\n")
    (tmp_path / ORACLE[2] / "a.py").unlink()
    expected = (f"{ORACLE[0]}/a.py", f"{ORACLE[1]}/b.py", f"{ORACLE[2]}/a.py")
    assert versions.oracle_changes("HEAD", tmp_path) == expected
    shutil.rmtree(tmp_path / ".git")
    with pytest.raises(InfrastructureError, match="the oracle of commit HEAD cannot be looked up"):
        versions.oracle_changes("HEAD", tmp_path)
