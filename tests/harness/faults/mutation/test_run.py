"""The whole command on a checkout without frameworks: verdict, files, progress, and what is left behind."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.faults.mutation import allclose, catalogue, publish, records, setup
from harness.faults.mutation import run as mutation_run
from harness.faults.mutation.result import MutantOutcome
from harness.faults.mutation.user_path import ladder_run
from harness.parity.exchange import plan
from ptycho.errors import InfrastructureError, UsageError
from tests.support import planted

ENTRY = """
[[mutant]]
id = "factor-{side}"
in = "ptycho_{side}.fault"
old = "FACTOR = 1.0"
new = "FACTOR = 1.001"
dies_at = "{dies_at}"
guilty = "{side}"
story = "Too large."
"""


@pytest.fixture(autouse=True)
def _few_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "GRIDSIZES", (1,))
    # The ladder on the user's path is another process: its options and the checkout shorten it.
    monkeypatch.setattr(ladder_run, "OPTIONS", planted.SHORT)
    monkeypatch.setattr(plan, "LOW", ("R0",))
    monkeypatch.setattr(plan, "HIGH", ("R3", "R4", "R5", "R6"))


def options(
    tmp_path: Path, *, dies_at: str = "R4", line: str = planted.LINE, **changes: object
) -> mutation_run.MutationOptions:
    """A catalogue of one mutant for a checkout whose TensorFlow says `line`."""
    checkout = planted.checkout(tmp_path / "checkout")
    (checkout / planted.FILES["tf"]).write_text(line)
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "a.toml").write_text(ENTRY.format(side="torch", dies_at=dies_at))
    (checkout / "README.md").write_text(f"{publish.BEGIN}\n{publish.END}\n")
    interpreter = str(planted.python(tmp_path / "python"))
    given: dict[str, object] = {
        "seed": 1,
        "jobs": 1,
        "pythons": {"torch": interpreter, "tf": interpreter},
        "scan": planted.ROOT / "tests" / "fixtures" / "pytorch_integration" / "small.npz",
        "root": tmp_path / "harness",
        "folder": folder,
        "checkout": checkout,
    }
    return mutation_run.MutationOptions(**given | changes)  # type: ignore[arg-type]


@pytest.mark.deep
def test_a_killed_mutant_is_a_pass_and_is_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = options(tmp_path, write=True)
    assert mutation_run.main(given, follow=None) == 0
    told = capsys.readouterr().out
    assert "1/1  factor-torch: killed at R4" in told
    assert "mutation: pass (exit 0)" in told
    (path,) = (tmp_path / "harness" / "runs").glob("*/mutation.json")
    found = json.loads(path.read_text())
    assert (found["verdict"], found["outcomes"]["killed"], found["named_rightly"]) == ("pass", 1, 1)
    assert set(found["allclose"]) == set(allclose.KEYS)
    assert not (path.parent / "scratch").exists()
    logged = json.loads((path.parent / "verdict.json").read_text())
    assert (logged["kind"], logged["verdict"], logged["rungs"]) == (
        "mutation",
        "pass",
        {"mutant factor-torch": "pass"},
    )
    assert "1 of 1 planted faults killed" in (given.checkout / "README.md").read_text()
    assert (given.checkout / "docs" / "mutation-score.md").is_file()


@pytest.mark.deep
def test_a_mutant_that_dies_too_late_fails_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mutation_run.main(options(tmp_path, dies_at="R3", json=True, plain=False), follow=None) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["outcomes"]["late"]) == ("fail", 1)
    assert found["wrong"][0].startswith("factor-torch: killed at R4, gridsize 1 and not at R3: ")
    (path,) = (tmp_path / "harness" / "runs").glob("*/verdict.json")
    logged = json.loads(path.read_text())
    assert (logged["verdict"], logged["rungs"]) == ("fail", {"mutant factor-torch": "fail"})


@pytest.mark.slow
def test_a_campaign_goes_on_where_it_stood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = options(tmp_path, plain=False, resume=tmp_path / "results")
    (mutant,) = catalogue.load(given.folder, given.checkout)
    made = planted.trial(mutant, MutantOutcome.KILLED, at="R4", how="rung", guilty=("torch",), exit_code=1)
    records.append(tmp_path / "results", made, records.of_code(given.checkout))
    # Nothing is left to be tried: neither a clean pair nor an interpreter is asked.
    assert mutation_run.main(replace(given, pythons={"torch": "/nowhere", "tf": "/nowhere"}), follow=None) == 0
    assert "1 of 1 results are there; 0 are of other code" in capsys.readouterr().out


@pytest.mark.deep
def test_a_pair_that_does_not_stand_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="the ladder does not pass without a mutant"):
        mutation_run.main(options(tmp_path, line="FACTOR = 1.1\n"), follow=None)
    (run,) = (tmp_path / "harness" / "runs").iterdir()
    assert not (run / "scratch").exists()
    assert json.loads((run / "verdict.json").read_text())["verdict"] == "infra"


def test_a_catalogue_that_does_not_fit_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    given = options(tmp_path)
    (given.checkout / planted.FILES["torch"]).write_text("FACTOR = 2.0\n")
    with pytest.raises(UsageError, match="old occurs 0 times"):
        mutation_run.main(given, follow=None)
    assert not (tmp_path / "harness").exists()


def test_a_mutant_in_a_line() -> None:
    assert mutation_run.line(planted.mutant("tf")).split() == ["factor-tf", "R4", "tf", "Too", "large."]
    assert catalogue.FOLDER.is_dir()
