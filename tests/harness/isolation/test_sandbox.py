"""The environment of a child: what leaks in from the caller is planted, and must not arrive."""

import os
from pathlib import Path

import pytest

from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.system.identity import TOKEN_VARIABLE
from tests.support.injected import bites

PLANTED = {
    "PYTHONPATH": "/elsewhere",
    "PYTEST_ADDOPTS": "-k nothing",
    "TF_CPP_MIN_LOG_LEVEL": "0",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    "UV_PYTHON": "3.9",
    "PIP_FIND_LINKS": "/wheels",
    "CUDA_VISIBLE_DEVICES": "0",
    "OMP_NUM_THREADS": "1",
    "TMPDIR": "/elsewhere",
}


def _build(cell: Sandbox, *, gpu: bool) -> dict[str, str]:
    return sandbox.build(
        cell,
        token="t0ken",
        scratch=cell.path,
        events=cell.path / "events",
        import_root=Path("/checkout"),
        gpu=gpu,
        extra={"EXTRA": "1"},
    )


@pytest.mark.fault("leaked-environment")
def test_only_what_is_allowed_is_inherited(cell: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**PLANTED, "LC_TIME": "C", "LANG": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    bites(PLANTED.items() <= os.environ.items(), "the caller has all of them set")
    built = _build(cell, gpu=False)
    assert {name for name in PLANTED if built.get(name) == PLANTED[name]} == set()
    assert (built["LC_TIME"], built["LANG"], built["EXTRA"]) == ("C", "C.UTF-8", "1")
    assert built["PYTHONPATH"].split(":")[1:] == ["/checkout"]


def test_a_cpu_lane_hides_every_gpu_and_a_gpu_lane_inherits_the_choice(
    cell: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    hidden = _build(cell, gpu=False)
    assert (hidden["CUDA_VISIBLE_DEVICES"], hidden["HIP_VISIBLE_DEVICES"]) == ("", "")
    assert _build(cell, gpu=True)["CUDA_VISIBLE_DEVICES"] == "3"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "CUDA_VISIBLE_DEVICES" not in _build(cell, gpu=True)


def test_every_place_of_habit_is_in_the_cell(cell: Sandbox) -> None:
    built = _build(cell, gpu=False)
    places = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "CUDA_CACHE_PATH")
    assert [name for name in places if not Path(built[name]).is_relative_to(cell.path)] == []
    assert all(folder.is_dir() for folder in (cell.cwd, cell.home, cell.tmp, cell.cache))
    assert not cell.output.exists()
    assert cell.parent == cell.cwd.parent
    # What a tool keeps goes into the one place where anything may be kept; what reports home is not silenced.
    assert [name for name in sandbox.CACHES if not Path(built[name]).is_relative_to(cell.cache)] == []
    assert [name for name in built if "TELEMETRY" in name or "TRACK" in name] == []


def test_nested_runs_are_found_by_both_tokens(cell: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert _build(cell, gpu=False)[TOKEN_VARIABLE] == "t0ken"
    monkeypatch.setenv(TOKEN_VARIABLE, "outer")
    assert _build(cell, gpu=False)[TOKEN_VARIABLE] == "outer:t0ken"
