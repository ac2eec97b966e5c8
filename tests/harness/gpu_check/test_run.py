"""The whole command with stand-ins for machine and steps: one folder, one verdict, and the other side unverified."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.gpu_check import needs, run, steps
from harness.gpu_check.needs import Machine
from harness.gpu_check.steps import CheckStep
from ptycho.errors import InfrastructureError, UsageError
from ptycho.fingerprint import ROOT
from ptycho.verdict import Verdict
from tests.harness.gpu_check.test_bundle import wheel

MACHINE = Machine(python="3.12.1", frameworks={"torch": "2.11.0"}, gpu={"torch": "NVIDIA H200"}, missing=())


def test_what_is_missing_ends_with_13_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Machine(python="3", frameworks={}, gpu={}, missing=("numpy: no", "a GPU: no"))
    monkeypatch.setattr(needs, "look", lambda *_: lacking)
    with pytest.raises(InfrastructureError, match=r"missing:\n  - numpy: no\n  - a GPU: no\n") as refused:
        run.check(run.GpuCheckOptions(out=tmp_path / "out"))
    assert (Verdict.INFRA, False) == (refused.value.verdict, (tmp_path / "out").exists())


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(UsageError, match="is not empty; give a new folder"):
        run.check(run.GpuCheckOptions(out=tmp_path))
    with pytest.raises(UsageError, match="is not a folder; make it with gpu-check --bundle"):
        run.check(run.GpuCheckOptions(out=tmp_path / "new", wheels=tmp_path / "none"))


@pytest.mark.slow
def test_the_environment_has_the_machine_s_packages_and_the_wheels(tmp_path: Path) -> None:
    python = run.environment(tmp_path / "environment", [wheel(tmp_path)])
    code = "import numpy, nuts, sys; print(nuts.A, numpy.__file__)"
    said = subprocess.check_output([str(python), "-c", code], text=True, cwd=tmp_path)
    import numpy

    assert said == f"1 {numpy.__file__}\n"


@pytest.mark.slow
@pytest.mark.parametrize(("code", "label"), [(0, "pass"), (1, "fail"), (13, "infra")])
def test_the_result_is_the_worst_step_and_names_what_is_unverified(
    code: int, label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def plan(side: str, python: str, out: Path) -> list[CheckStep]:
        codes = (("good", 0), ("last", code))
        return [
            CheckStep(
                name=f"{side}-{name}", argv=(python, "-S", "-c", f"raise SystemExit({end})"), limit_s=60, shows=name
            )
            for name, end in codes
        ]

    monkeypatch.setattr(steps, "plan", plan)
    about = {"python": "3.12.1", "frameworks": {"torch": "2.11.0"}, "gpu": MACHINE.gpu, "wheels": [], "minutes": 8.0}
    (tmp_path / run.MACHINE).write_text(json.dumps(about | {"quiet": False}))
    assert code == run.main(str(tmp_path))
    document: dict[str, Any] = json.loads((tmp_path / run.RESULT).read_text())
    assert (document["verdict"], document["unverified"]) == (label, ["tensorflow: not installed"])
    assert {"torch": "2.11.0"} == document["machine"]["frameworks"]
    assert ["torch-good", "torch-last"] == [row["name"] for row in document["steps"]]
    assert "unverified: tensorflow: not installed" in capsys.readouterr().out


@pytest.mark.slow
def test_the_command_starts_without_any_package_and_names_them() -> None:
    argv = [sys.executable, "-S", "-m", "harness", "gpu-check", "--side", "torch", "--out", "nowhere"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 13, done.stderr
    assert all(f"  - {name}:" in done.stderr for name in ("torch", "numpy", *needs.DISTRIBUTIONS))
    assert not (ROOT / "nowhere").exists()
