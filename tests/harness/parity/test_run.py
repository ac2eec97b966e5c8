"""The whole command with fake adapters: children, files, verdict, evidence, and what is left behind."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from harness.cli import main
from harness.parity import run as ladder_run
from harness.parity.exchange import backend_client
from harness.parity.reference import problem
from harness.targets import interpreters
from ptycho.errors import UsageError
from ptycho.parity.request import QUANTITIES
from ptycho.physics import forward
from tests.support.fakes import fake_adapter


def parity(tmp_path: Path, *options: str, torch: dict[str, Any] | None = None, tf: dict[str, Any] | None = None) -> int:
    """Run the command on gridsize 1 for one step."""
    pythons = {
        side: fake_adapter.write(tmp_path / f"python-{side}", **(given or {}))
        for side, given in (("torch", torch), ("tf", tf))
    }
    given = [f"--python={side}={path}" for side, path in pythons.items()]
    small = ("--gridsize", "1", "--precision", "f64", "--steps", "1", "--root", str(tmp_path / "harness"))
    # A fake adapter answers the same whatever is planted in a copy of the code.
    return main.main(["parity", *given, *small, "--canaries", "0", *options])


def report(tmp_path: Path) -> dict[str, Any]:
    (path,) = (tmp_path / "harness" / "runs").glob("*/parity.json")
    read: dict[str, Any] = json.loads(path.read_text())
    return read


@pytest.mark.deep
def test_two_honest_adapters_pass_and_the_scratch_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity(tmp_path) == 0
    found = report(tmp_path)
    assert (found["verdict"], found["first_failure"], found["refused"]) == ("pass", None, {})
    assert [row["rung"] for row in found["rungs"]] == list(QUANTITIES)
    assert {row["result"] for row in found["rungs"]} == {"pass"}
    (run,) = (tmp_path / "harness" / "runs").iterdir()
    assert not (run / "scratch").exists()
    said = capsys.readouterr().out
    assert "parity in f64: pass (exit 0)" in said
    (run,) = (tmp_path / "harness" / "runs").iterdir()
    assert said.splitlines()[-1] == f"as a page: {sys.executable} -m harness report {run} --open"


@pytest.mark.deep
def test_a_fault_is_named_kept_drawn_and_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault = "value * (1 + 1e-8) if name in ('R4/phase', 'R6/object') else value"
    assert parity(tmp_path, tf={"fault": fault}) == 1
    first = report(tmp_path)["first_failure"]
    assert (first["rung"], first["tensor"], first["guilty"]) == ("R4", "R4/phase", ["tf"])
    assert first["minimum_tolerance"] == pytest.approx(1e-8, rel=1e-3)
    assert Path(first["picture"]).is_file()
    command = shlex.split(first["command"])
    assert Path(command[0]).samefile(sys.executable)
    assert command[1:3] == ["-m", "harness"]
    capsys.readouterr()
    assert main.main(command[3:]) == 1
    assert "R4/phase: fail" in capsys.readouterr().out
    assert main.main([*command[3:], "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert ("R4/phase", "fail") == (told["tensor"], told["result"])


@pytest.mark.deep
def test_a_machine_gets_the_report_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity(tmp_path, "--json") == 0
    assert report(tmp_path) == json.loads(capsys.readouterr().out)


@pytest.mark.deep
def test_a_tensor_of_another_shape_fails_at_any_tolerance(tmp_path: Path) -> None:
    assert parity(tmp_path, torch={"fault": "value if name != 'R6/probe' else value[:, :1]"}) == 1
    first = report(tmp_path)["first_failure"]
    assert (first["tensor"], first["guilty"]) == ("R6/probe", ["torch"])
    assert first["minimum_tolerance"] is None


@pytest.mark.deep
def test_an_adapter_that_ends_badly_fails_its_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity(tmp_path, torch={"exit_code": 3}) == 1
    first = report(tmp_path)["first_failure"]
    assert (first["rung"], first["guilty"], first["tensor"]) == ("R8", ["torch"], "R8/died")
    assert "torch ended with exit code 3" in capsys.readouterr().out


@pytest.mark.deep
def test_what_died_later_does_not_wipe_a_failure(tmp_path: Path) -> None:
    """A wrong conjugate at R2c, and an adapter that somebody kills at the next request."""
    fault = "(value if name != 'R4/phase' else __import__('os').kill(__import__('os').getpid(), 9))"
    fault = f"value.conj() if name.startswith('R2c/') and value.dtype.kind == 'c' else {fault}"
    assert parity(tmp_path, torch={"fault": fault}) == 1
    found = report(tmp_path)
    first = found["first_failure"]
    assert (found["verdict"], first["rung"], first["guilty"]) == ("fail", "R2c", ["torch"])
    assert {row["rung"] for row in found["rungs"]} == set(QUANTITIES)


def run_with(tmp_path: Path, python: Path) -> int:
    """Run the command with an interpreter of PyTorch's side."""
    given = [f"--python=torch={python}", f"--python=tf={fake_adapter.write(tmp_path / 'python-tf')}"]
    small = ("--gridsize", "1", "--precision", "f64", "--steps", "1", "--root", str(tmp_path / "harness"))
    return main.main(["parity", *given, *small, "--canaries", "0"])


@pytest.mark.deep
def test_a_hang_alone_is_a_timeout_with_its_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_client, "START_TIMEOUT_S", 3.0)
    python = tmp_path / "python-torch"
    python.write_text("#!/bin/sh\nsleep 600\n")
    python.chmod(0o755)
    assert run_with(tmp_path, python) == 11
    found = report(tmp_path)
    first = found["first_failure"]
    assert (found["verdict"], first["rung"], first["guilty"]) == ("timeout", "R0", ["torch"])


@pytest.mark.deep
def test_a_missing_interpreter_is_the_machines_fault_and_the_other_side_is_judged(tmp_path: Path) -> None:
    python = tmp_path / "python-torch"
    python.write_text("#!/absent/interpreter\n")
    python.chmod(0o755)
    assert run_with(tmp_path, python) == 13
    found = report(tmp_path)
    assert (found["verdict"], found["first_failure"]["guilty"]) == ("infra", [])
    assert {row["result"] for row in found["rungs"]} == {"unverified"}
    assert min(row["compared"] for row in found["rungs"]) > 10


def test_a_core_that_cannot_make_the_questions_is_both_sides_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem, "request", lambda **_: forward.intensity(np.ones(3), np.ones(4)))
    assert parity(tmp_path) == 1
    first = report(tmp_path)["first_failure"]
    assert (first["rung"], first["guilty"], first["shared"]) == ("R0", ["tf", "torch"], True)
    assert first["location"]["file"] == "ptycho/physics/forward.py"


@pytest.mark.deep
def test_an_adapter_that_ends_well_and_says_nothing_fails(tmp_path: Path) -> None:
    assert parity(tmp_path, tf={"answer": False}) == 1
    assert report(tmp_path)["refused"]["tf, f64-gridsize-1-R0-R2c"][0].startswith("it cannot be read: ")


def test_what_is_no_interpreter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'jax=.*'; allowed: SIDE=PATH(.|\n)*'tf=/nowhere'"):
        interpreters.pythons([f"jax={tmp_path}", "tf=/nowhere"])


@pytest.mark.parametrize("given", [["--steps", "0"], ["--seed", "-1"], ["--fixture", "absent.npz"]])
def test_what_cannot_be_asked_is_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["parity", *given])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_part_of_the_ladder_says_so_and_the_whole_says_nothing(tmp_path: Path) -> None:
    given: dict[str, Any] = {"parties": (), "scan": tmp_path, "gridsizes": (1, 2), "drawn": (64, 128)}
    whole = ladder_run.ParityOptions(**given, seed=1, steps=200, root=tmp_path, plant=cast("Any", print))
    assert list(ladder_run.left_out(whole, [1])) == []
    part = replace(whole, gridsizes=(1,), precisions=("f64",), steps=8, drawn=(), plant=None)
    assert [sentence.partition(":")[0] for sentence in ladder_run.left_out(part, [1])] == [
        *("a part of the ladder", "a part of the ladder", "a shorter trajectory"),
        *("a part of the ladder", "a part of the ladder"),
    ]


@pytest.mark.deep
def test_a_fault_of_one_patch_side_is_found_on_a_drawn_problem_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = "value * (1 + 1e-8) if name == 'R4/phase' and value.shape[-1] == 128 else value"
    drawn = ("--drawn", "64", "--drawn", "128", "--drawn-seed", "3")
    assert parity(tmp_path, *drawn, tf={"fault": fault}) == 1
    found = report(tmp_path)
    assert found["first_failure"]["rung"] == "R4"
    assert found["first_failure"]["problem"] == "N 128, seed 4"
    assert found["first_failure"]["guilty"] == ["tf"]
    assert [words.partition(":")[0] for words in found["problems"]] == ["N 64, seed 3", "N 128, seed 4"]
    fallen = {row["problem"] for row in found["rungs"] if row["result"] != "pass"}
    assert fallen == {"N 128, seed 4"}
    said = capsys.readouterr().out
    assert "on a drawn problem: N 128, seed 4" in said
    assert "R4 passes at gridsize 1 in f64" in said
    # What was kept is judged again by the limits of a drawn problem.
    assert main.main(["parity", "replay", found["first_failure"]["replay"]]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--no-drawn", "--drawn", "64"), "--drawn 64 with --no-drawn"),
        (("--no-drawn", "--drawn-seed", "3"), "--drawn-seed 3 with --no-drawn"),
        (("--gridsize", "1", "--drawn-seed", "3"), "--drawn-seed 3, but no problem is drawn here; add --drawn 64"),
        (("--drawn", "64", "--precision", "f32"), "--drawn 64 without float64, in which it is judged"),
        (("--no-drawn", "--ways"), "--no-drawn with --ways, which draws no problem"),
        (("--steps", "0"), "--steps 0; allowed: 1 or more"),
        (("--drawn-seed", "-1"), "--drawn-seed -1; allowed: 0 or more"),
        (("--drawn", "96"), "--drawn: invalid choice: 96"),
        (("--drawn", "64", "--against", "HEAD"), "--drawn 64 with --against"),
        (("--drawn", "64", "--ways"), "--drawn 64 with --ways"),
    ],
)
def test_what_cannot_be_drawn_is_refused(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["parity", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
