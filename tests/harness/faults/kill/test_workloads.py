"""The jobs that are killed: the shipped targets, shortened, and the stand-in that must be a training like theirs."""

from pathlib import Path

import pytest

from harness.faults.kill import workloads
from harness.faults.kill.workloads import EPOCHS, STAND_IN
from harness.targets import loader
from ptycho.errors import InfrastructureError, UsageError
from ptycho.fingerprint import ROOT


@pytest.mark.parametrize("name", ["torch", "tf"])
def test_a_shipped_target_is_shortened_and_otherwise_as_it_is(tmp_path: Path, name: str) -> None:
    short, shipped = loader.load(workloads.write(name, tmp_path, ROOT)), loader.load(loader.built_in(name))
    assert (short.settings["nepochs"], short.suite, short.min_phase_correlation) == (EPOCHS, None, -1.0)
    assert (short.root, short.infer.argv, short.working.artifacts) == (
        ROOT,
        shipped.infer.argv,
        shipped.working.artifacts,
    )
    assert [word for word in short.working.argv if word not in ("--threads", "1")] == list(shipped.working.argv)


def test_the_stand_in_trains_as_the_backends_do(tmp_path: Path) -> None:
    stand_in, shipped = loader.load(workloads.write(STAND_IN, tmp_path, ROOT)), loader.load(loader.built_in("torch"))
    assert (stand_in.name, stand_in.root, stand_in.suite) == (STAND_IN, ROOT, None)
    assert stand_in.working.artifacts == shipped.working.artifacts
    assert stand_in.settings["nepochs"] >= 20


def test_a_file_of_another_shape_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = tmp_path / "strange.toml"
    strange.write_text('[target]\nroot = "."\n')
    monkeypatch.setattr(loader, "built_in", lambda _: strange)
    with pytest.raises(InfrastructureError, match="has 0 lines 'nepochs' and not one"):
        workloads.write("torch", tmp_path, ROOT)


def test_an_unknown_backend_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are"):
        workloads.write("jax", tmp_path, ROOT)
