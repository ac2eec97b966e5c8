"""Another checkout on the ladder: its probe takes a side's place; what it does not answer is never a pass."""

import json
import shutil
from pathlib import Path
from typing import Any

import fake_probe
import foreign_checkout
import numpy as np
import pytest
from golden_step0 import FIXTURE

from harness import cli
from harness.kit import ptycho_probe_kit as kit
from harness.parity import arguments, oracle, problem
from ptycho.errors import UsageError

RUNGS = ("R3", "R4", "R5", "R6", "R7")
SEED = 5
PROBE = """
import pathlib

import numpy as np
from ptycho_probe_kit import serve


def bench(request):
    with np.load(pathlib.Path(__file__).with_name("figures.npz")) as archive:
        figures = {name: archive[name] for name in archive.files}
    rng = np.random.default_rng(1)

    def of(rung):
        for name, value in figures.items():
            if name.startswith(rung + "/"):
                noise = 1 + 1e-15 * rng.normal(size=value.shape) if value.dtype.kind in "fc" else 1
                yield name.partition("/")[2], np.asarray(value * noise * (FAULT if name == "R4/exit_wave" else 1))

    return {rung: lambda rung=rung: of(rung) for rung in ("R3", "R4", "R5", "R6", "R7")}


if __name__ == "__main__":
    serve(bench, backend="ptycho_torch", sources=["ptycho", "ptycho_torch"])
"""


def foreign(folder: Path, fault: str = "1", probe: bool = True) -> Path:
    """A checkout whose probe knows the answers, but for a fault; returns its target file."""
    file = foreign_checkout.write(folder / "checkout")
    root = folder / "checkout"
    shutil.copy(kit.__file__, root / "ptycho_probe_kit.py")
    asked = problem.request(gridsize=1, seed=SEED, scan=FIXTURE, steps=1, quantities=RUNGS)
    figures: dict[str, Any] = oracle.arrays(asked)
    np.savez(root / "ptycho_torch" / "figures.npz", allow_pickle=False, **figures)
    (root / "ptycho_torch" / "probe.py").write_text(PROBE.replace("FAULT", fault))
    if probe:
        table = f'[probe]\nargv = ["{{python}}", "-m", "ptycho_torch.probe"]\nquantities = {list(RUNGS)!r}\n'
        file.write_text(f'{file.read_text()}\n{table}sources = ["ptycho", "ptycho_torch"]\n')
    return file


def parity(folder: Path, file: Path) -> tuple[int, dict[str, Any]]:
    python = fake_probe.write(folder / "python-tf")
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
    code = cli.main(["parity", f"--python=tf={python}", f"--target=torch={file}", *small])
    (path,) = folder.glob("runs/runs/*/parity.json")
    return code, json.loads(path.read_text())


def test_what_a_foreign_probe_answers_is_judged_and_the_rest_unverified(tmp_path: Path) -> None:
    code, found = parity(tmp_path, foreign(tmp_path))
    assert (code, found["verdict"], found["refused"]) == (14, "inconclusive", {})
    assert [(row["rung"], row["result"]) for row in found["rungs"]] == [(name, "pass") for name in RUNGS]
    assert [item["name"] for item in found["unverified"]] == ["R0", "R1", "R2", "R2b", "R2c", "R8", "R9"]


def test_a_fault_in_the_foreign_code_is_laid_at_its_door(tmp_path: Path) -> None:
    code, found = parity(tmp_path, foreign(tmp_path, fault="(1 + 1e-9)"))
    first = found["first_failure"]
    assert (code, first["rung"], first["tensor"], first["guilty"]) == (1, "R4", "R4/exit_wave", ["torch"])


def test_a_target_without_a_probe_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["parity", f"--target=torch={foreign(tmp_path, probe=False)}", "--root", str(tmp_path / "runs")])
    assert ended.value.code == 2
    assert "has no [probe], without which it cannot be on the ladder" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("given", [["mine.toml"], ["jax=/dev/null"], ["torch=/nowhere.toml"]])
def test_what_names_no_side_and_no_file_is_refused(given: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--target .*; allowed: SIDE=FILE, each side \(torch, tf\) once"):
        arguments.target_files(given)
