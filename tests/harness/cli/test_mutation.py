"""The command line of `mutation`: what it passes on, what it refuses, and that it starts without NumPy."""

from pathlib import Path
from typing import Any

import pytest

from harness.cli import main as command_line
from harness.faults.mutation import catalogue, run
from harness.faults.mutation.generated import run as generated_run
from harness.targets import interpreters
from tests.support import planted


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[run.MutationOptions]:
    """What the command is given; nothing is run."""
    given: list[run.MutationOptions] = []

    def main(options: run.MutationOptions, *, follow: int | None) -> int:
        given.append(options)
        return 0 if follow is None else 1

    monkeypatch.setattr(run, "main", main)
    return given


def test_the_defaults_are_the_whole_catalogue_two_at_a_time(options: list[run.MutationOptions]) -> None:
    assert command_line.main(["mutation"]) == 0
    (given,) = options
    assert (given.ids, given.sample, given.jobs, given.json, given.write) == ((), None, 2, False, False)
    assert given.pythons == interpreters.pythons([])
    assert given.scan.name == "small.npz"


def test_every_option_is_passed_on(options: list[run.MutationOptions], tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.touch()
    chosen = ("--id", "a*", "--id", "b", "--sample", "3", "--seed", "9", "--jobs", "1", "--json")
    ending = ("--root", str(tmp_path), "--follow", "1")
    further = ("--edits", "--no-plain", "--resume", str(tmp_path / "kept"))
    assert command_line.main(["mutation", *chosen, *further, "--python", f"tf={python}", *ending]) == 1
    (given,) = options
    assert (given.ids, given.sample, given.seed, given.jobs, given.json) == (("a*", "b"), 3, 9, 1, True)
    assert (given.edits, given.plain, given.resume) == (True, False, tmp_path / "kept")
    assert (given.pythons["tf"], given.root) == (str(python), tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--jobs", "0"], "--jobs 0 --seed 42 --sample None; allowed: from 1, from 0, from 1"),
        (["--sample", "0"], "--sample 0; allowed"),
        (["--seed", "-1"], "--seed -1"),
        (["--write", "--sample", "3"], "--write needs the catalogue, all of it"),
        (["--write", "--id", "a"], "--write needs the catalogue, all of it"),
        (["--write", "--more"], "--write needs the catalogue, all of it"),
        (["--write", "--no-plain"], "--write shows the plain comparison, too"),
        (["--edits", "--more"], "--edits are a catalogue of their own"),
        (["--generate", "--id", "a"], "--generate has no catalogue; leave out --id"),
        (["--generate", "--write"], "--generate has no catalogue"),
        (["--list", "--json"], "--list prints no JSON"),
        (["--python", "jax=/nowhere"], "--python 'jax=/nowhere'; allowed"),
    ],
)
def test_what_cannot_be_honoured_is_refused(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["mutation", *given])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_catalogue_is_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    known: Any = (planted.mutant("torch"), planted.mutant("core", dies_at=None))
    monkeypatch.setattr(catalogue, "load", lambda: known)
    assert command_line.main(["mutation", "--list", "--id", "factor-*"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows] == [["factor-torch", "R4", "torch"], ["factor-core", "lives", "core"]]


@pytest.mark.parametrize(
    ("words", "count", "seed"), [((), 20, None), (("--sample", "3", "--seed", "0", "--resume", "kept"), 3, 0)]
)
def test_generated_changes_take_their_seed_from_the_commit_unless_one_is_given(
    words: tuple[str, ...], count: int, seed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[generated_run.GeneratedOptions] = []

    def main(options: generated_run.GeneratedOptions, *, follow: int | None) -> int:
        given.append(options)
        return 0 if follow is None else 1

    monkeypatch.setattr(generated_run, "main", main)
    assert command_line.main(["mutation", "--generate", *words]) == 0
    (options,) = given
    assert (options.count, options.seed) == (count, seed)
    assert options.resume == (Path("kept").absolute() if words else None)
    assert "tests/ptycho/training/test_ranks.py" in options.tests_of("ptycho/training/ranks.py")
    assert "tests/ptycho/data/test_units.py" not in options.tests_of("ptycho/training/ranks.py")
