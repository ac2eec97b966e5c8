"""Which CPU build a folder of wheels has, by the names of its files; what was installed is asked of it."""

import sys
from pathlib import Path

import pytest

from harness.targets import torch_build
from ptycho.errors import InfrastructureError


def test_the_newest_cpu_wheel_of_the_interpreter_is_taken(tmp_path: Path) -> None:
    for name in ("2.9.1+cpu-cp311", "2.13.0+cpu-cp311", "2.14.0+cpu-cp312", "2.15.0-cp311", "2.13.0+cu128-cp311"):
        (tmp_path / f"torch-{name}-{name[-5:]}-manylinux_2_28_x86_64.whl").touch()
    houses = ["https://wheels.example/simple", f"file://{tmp_path}"]
    assert "torch==2.13.0+cpu" == torch_build.cpu_wheel(houses, "CPython 3.11.7")
    assert "torch==2.14.0+cpu" == torch_build.cpu_wheel([str(tmp_path)], "CPython 3.12.1")
    assert torch_build.cpu_wheel(houses, "CPython 3.13.0") is None


def test_an_interpreter_without_torch_says_so_and_one_that_is_not_there_is_13(tmp_path: Path) -> None:
    assert torch_build.installed(Path(sys.executable)) is None
    assert "" == torch_build.require_cpu(Path(sys.executable), tmp_path / "t.toml")
    with pytest.raises(InfrastructureError, match="does not say which torch it has"):
        torch_build.installed(tmp_path / "python")
