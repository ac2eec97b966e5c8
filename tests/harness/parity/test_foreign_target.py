"""Another checkout on the ladder: its adapter takes a side's place; what it does not answer is never a pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.cli import parity as cli_parity
from harness.parity.reference import problem
from ptycho.errors import UsageError
from tests.support.fakes import fake_adapter, foreign_adapter
from tests.support.golden_step0 import FIXTURE

RUNGS = ("R3", "R4", "R5", "R6", "R7")
SEED = 5


def foreign(folder: Path, fault: str = foreign_adapter.SOUND, adapter: bool = True) -> Path:
    """A checkout whose adapter knows the answers, but for a fault; returns its target file."""
    asked = problem.request(gridsize=1, seed=SEED, scan=FIXTURE, steps=1, quantities=RUNGS, masked=False)
    file, _ = foreign_adapter.write(folder / "checkout", asked, fault=fault)
    if adapter:
        table = f'[adapter]\nargv = ["{{python}}", "-m", "ptycho_torch.adapter"]\nquantities = {list(RUNGS)!r}\n'
        file.write_text(f'{file.read_text()}\n{table}sources = ["ptycho", "ptycho_torch"]\n')
    return file


def parity(folder: Path, file: Path) -> tuple[int, dict[str, Any]]:
    python = fake_adapter.write(folder / "python-tf")
    small = (
        "--gridsize",
        "1",
        "--precision",
        "f64",
        "--steps",
        "1",
        "--seed",
        str(SEED),
        "--root",
        str(folder / "runs"),
    )
    code = main.main(["parity", f"--python=tf={python}", f"--target=torch={file}", *small])
    (path,) = folder.glob("runs/runs/*/parity.json")
    return code, json.loads(path.read_text())


def test_what_a_foreign_adapter_answers_is_judged_and_the_rest_unverified(tmp_path: Path) -> None:
    code, found = parity(tmp_path, foreign(tmp_path))
    assert (code, found["verdict"], found["refused"]) == (14, "inconclusive", {})
    assert [(row["rung"], row["result"]) for row in found["rungs"]] == [(name, "pass") for name in RUNGS]
    assert [item["name"] for item in found["unverified"]] == ["R0", "R1", "R2", "R2b", "R2c", "R8", "R9"]


def test_a_fault_in_the_foreign_code_is_laid_at_its_door(tmp_path: Path) -> None:
    code, found = parity(
        tmp_path, foreign(tmp_path, fault="return value * (1 + 1e-9) if name == 'R4/exit_wave' else value")
    )
    first = found["first_failure"]
    assert (code, first["rung"], first["tensor"], first["guilty"]) == (1, "R4", "R4/exit_wave", ["torch"])


def test_a_target_without_an_adapter_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["parity", f"--target=torch={foreign(tmp_path, adapter=False)}", "--root", str(tmp_path / "runs")])
    assert ended.value.code == 2
    assert "has no [adapter], without which it cannot be on the ladder" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("given", [["mine.toml"], ["jax=/dev/null"], ["torch=/nowhere.toml"]])
def test_what_names_no_side_and_no_file_is_refused(given: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--target .*; allowed: SIDE=FILE, each side \(torch, tf\) once"):
        cli_parity.target_files(given)
