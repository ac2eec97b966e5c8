"""The ladder on a model that this project had no part in: it passes every rung, and each planted fault is named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest

from harness.kit import ptycho_adapter_kit as kit
from harness.parity.compare import response
from harness.parity.compare.comparison import Result
from harness.parity.judge import ladder, oracle
from harness.parity.judge.ladder import JudgedRung, OracleAnswer
from harness.parity.output import diagnosis
from harness.parity.reference import problem
from ptycho.parity.request import Request
from tests.support import independent
from tests.support.golden_step0 import FIXTURE

RUNGS = ("R3", "R4", "R5", "R6", "R7", "R8")


@cache
def _asked(gridsize: int) -> tuple[Request, OracleAnswer]:
    request = problem.request(gridsize=gridsize, seed=11, scan=FIXTURE, steps=2, quantities=RUNGS, masked=False)
    return request, OracleAnswer(exact={}, arrays=oracle.arrays(request))


class IndependentSuite:
    """Tests that both frameworks run."""

    adapter: ClassVar[str]
    faults: ClassVar[Sequence[tuple[str, str, str, str]]]
    """What is edited, by what, and the rung and tensor that must be named first."""

    def climbed(self, folder: Path, gridsize: int, old: str = "", new: str = "") -> list[JudgedRung]:
        """What the ladder says of the model, with an edit."""
        package = folder / "mine"
        package.mkdir()
        package.joinpath("__init__.py").touch()
        source = Path(independent.__file__).with_name(f"{self.adapter}.py").read_text(encoding="utf-8")
        assert old in source
        package.joinpath("adapter.py").write_text(source.replace(old, new) if old else source)
        shutil.copy(kit.__file__, folder)
        request, expected = _asked(gridsize)
        request.save(folder / "request.npz")
        argv = [sys.executable, "-m", "mine.adapter", "--request", "request.npz", "--out", "out"]
        # Nothing of this project is on its import path.
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer = response.read(folder / "out", folder / "request.npz", "mine", root=folder, sources=("mine",))
        assert answer.refusals == ()
        assert answer.failures == {}
        return ladder.climb(gridsize, {"mine": answer}, expected, RUNGS)

    @pytest.mark.slow
    @pytest.mark.parametrize("gridsize", [1, 2])
    def test_a_sound_model_stands_on_every_rung(self, tmp_path: Path, gridsize: int) -> None:
        found = self.climbed(tmp_path, gridsize)
        assert [] == [reason for item in found for one in item.judgements for reason in one.reasons]
        assert dict.fromkeys(RUNGS, Result.PASS) == {item.rung.name: item.result for item in found}

    @pytest.mark.slow
    def test_each_planted_fault_is_named_at_its_rung(self, tmp_path: Path) -> None:
        named = []
        for number, (old, new, _, _) in enumerate(self.faults):
            folder = tmp_path / str(number)
            folder.mkdir()
            fallen = ladder.first_failure(self.climbed(folder, 2, old, new))
            assert fallen is not None, old
            chosen = diagnosis.decisive(fallen)
            assert chosen is not None
            named.append((old, fallen.rung.name, chosen.tensor))
        assert [(old, rung, tensor) for old, _, rung, tensor in self.faults] == named
