"""`target check` and `target init` as processes: exit codes, one screen, and nothing written to the checkout."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import foreign_checkout

ROOT = Path(__file__).resolve().parents[3]


def _harness(workspace: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(workspace.home),
        "TMPDIR": str(workspace.tmp),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    argv = [sys.executable, "-m", "harness", "target", *arguments]
    return subprocess.run(argv, env=environment, cwd=workspace.cwd, capture_output=True, text=True, check=False)


def _listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("", "", 0, "environment: foreign: CPython "),
        ("--max_epochs", "--nepochs", 2, "line 13: --nepochs is unknown to the command; did you mean --max_epochs?"),
        ("{nepochs}", "{epochs}", 2, "line 13: unknown placeholder {epochs}; allowed: python, train"),
        (f'python = "{sys.executable}"', 'python = "/no/python"', 13, "there is no interpreter /no/python; repair"),
        ('"{python}", "-m", "ptycho_torch.train"', '"no-trainer"', 13, "the command 'no-trainer' does not exist"),
        ("ptycho_torch.train", "ptycho_torch.trian", 13, "there is no module ptycho_torch.trian"),
    ],
)
def test_check_says_what_is_wrong_with_the_right_code(workspace: Any, old: str, new: str, code: int, said: str) -> None:
    path = foreign_checkout.write(workspace.path / "checkout")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    done = _harness(workspace, "check", str(path))
    assert said in done.stdout + done.stderr
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert _listing(workspace.home) + _listing(workspace.tmp) == []


@pytest.mark.slow
def test_a_bad_file_a_missing_one_and_an_unknown_name_are_2(workspace: Any) -> None:
    (workspace.cwd / "bad.toml").write_text("[target\n")
    for name, said in (("bad.toml", "is not TOML"), ("gone.toml", "No such file"), ("jax", "no target 'jax'")):
        done = _harness(workspace, "check", name)
        assert (done.returncode, said in done.stderr) == (2, True)


def test_a_fixture_that_nobody_knows_is_2_before_anything_is_asked(workspace: Any) -> None:
    path = foreign_checkout.write(workspace.path / "checkout")
    path.write_text(path.read_text().replace('"small", "small_legacy"', '"small", "smal"'))
    done = _harness(workspace, "check", str(path))
    assert (2, True) == (done.returncode, "  - line 35: 'smal'; allowed: small, " in done.stderr), done.stderr
    assert not (workspace.cwd / ".harness").exists()


def test_no_path_is_broken_and_missing_submodules_are_named(workspace: Any) -> None:
    path = foreign_checkout.write(workspace.path / "checkout")
    (workspace.path / "checkout" / ".gitmodules").write_text('[submodule "a"]\n\tpath = lib/a\n')
    said = _harness(workspace, "check", str(path)).stdout
    assert f"asked train: {sys.executable} -m ptycho_torch.train --help" in said.splitlines()
    assert "note: submodules of foreign that are not there: lib/a; if an import fails: git -C " in said


@pytest.mark.slow
def test_json_is_the_whole_output(workspace: Any) -> None:
    path = foreign_checkout.write(workspace.path / "checkout")
    done = _harness(workspace, "check", str(path), "--json")
    made = json.loads(done.stdout)
    assert [(row["command"], row["verdict"]) for row in made["commands"]] == [("train", "pass"), ("infer", "pass")]
    assert (made["target"], done.stderr) == ("foreign", "")


@pytest.mark.slow
def test_init_writes_what_check_accepts_and_leaves_the_checkout_alone(workspace: Any) -> None:
    checkout = workspace.path / "checkout"
    foreign_checkout.write(checkout)
    before = _listing(checkout)
    done = _harness(workspace, "init", str(checkout), "--python", sys.executable)
    assert done.stdout == ("checkout-ptycho-torch.toml; next: nox -s target -- check checkout-ptycho-torch.toml\n")
    assert _harness(workspace, "check", "checkout-ptycho-torch.toml").returncode == 0
    assert _listing(checkout) == before
    again = _harness(workspace, "init", str(checkout))
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    inside = _harness(workspace, "init", str(checkout), "--output", str(checkout / "ci"))
    assert (inside.returncode, "lies in the checkout, which stays as it is" in inside.stderr) == (2, True)


def test_init_prints_instead_where_asked(workspace: Any) -> None:
    foreign_checkout.write(workspace.path / "checkout")
    done = _harness(workspace, "init", str(workspace.path / "checkout"), "--stdout")
    schema, written, *_ = done.stdout.splitlines()
    assert schema == f"#:schema {(ROOT / 'docs' / 'schemas' / 'target.schema.json').as_uri()}"
    assert written == "# Written by `harness target init` from the source of checkout."
    assert _listing(workspace.cwd) == []


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "code"), [("", "", 0), ("--max_epochs", "--nepochs", 2)])
def test_a_check_leaves_no_run_behind(workspace: Any, old: str, new: str, code: int) -> None:
    path = foreign_checkout.write(workspace.path / "checkout")
    path.write_text(path.read_text().replace(old, new, 1))
    assert code == _harness(workspace, "check", str(path)).returncode
    assert [] == _listing(workspace.cwd / ".harness" / "runs")


def test_looking_at_a_checkout_leaves_no_run_behind(workspace: Any) -> None:
    foreign_checkout.write(workspace.path / "checkout")
    script = workspace.path / "checkout" / "ptycho_torch" / "train.py"
    script.write_text(script.read_text().replace("parser.add_argument", "getattr(parser, 'add_argument')"))
    assert 0 == _harness(workspace, "init", str(script.parents[1]), "--python", sys.executable).returncode
    assert [] == _listing(workspace.cwd / ".harness" / "runs")
