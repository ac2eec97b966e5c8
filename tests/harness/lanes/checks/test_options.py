"""An option without effect is found, by the files that are left or by the words that are printed."""

from pathlib import Path

import pytest

from harness.lanes.checks import options, reproducibility
from harness.lanes.checks.attempt import attempt
from harness.targets.model import Checks, Command, OptionProbe
from harness.targets.schema import Changes, Step
from tests.support.fakes.fake_bench import Runner, bench, ids, learning

_FILE = Path("scan.npz")


def _found(folder: Path, runner: Runner, changes: Changes, command: Step = "train") -> list[tuple[str, str]]:
    probe = OptionProbe(argv=("--curve", "no"), changes=changes, command=command)
    where = bench(folder, runner, checks=Checks(option=(probe,)))
    main = attempt(where.target, "scan", _FILE, cells=where.cells, values=where.values, run=where.run)
    options.run(where, "scan", _FILE, reproducibility.run(where, "scan", _FILE, main))
    assert where.outcome.findings.was_checked("option-ignored", f"{command} --curve no")
    return ids(where.outcome)


def _curve(command: Command) -> tuple[str, ...]:
    return () if "--curve" in command.argv else ("curve-7.txt",)


def test_an_option_that_changes_the_files(tmp_path: Path) -> None:
    assert [] == _found(tmp_path, Runner(folder=tmp_path, object_of=learning, files_of=_curve), "files")


def test_an_option_that_changes_nothing(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, object_of=learning)
    assert [("option-ignored", "train --curve no")] == _found(tmp_path, runner, "files")


@pytest.mark.parametrize("command", ["train", "infer"])
def test_an_option_that_changes_what_is_printed(tmp_path: Path, command: Step) -> None:
    # The fake prints its own arguments.
    assert [] == _found(tmp_path, Runner(folder=tmp_path, object_of=learning), "output", command)


def test_an_option_of_inference_is_not_seen_in_its_files(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, object_of=learning)
    assert [("option-ignored", "infer --curve no")] == _found(tmp_path, runner, "files", "infer")


def test_an_option_that_is_refused(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, object_of=learning, returncode_of=lambda label: 2 * ("option" in label))
    assert [("option-refused", "train --curve no")] == _found(tmp_path, runner, "files")


def test_figures_and_paths_are_no_words(tmp_path: Path) -> None:
    printed = ["epoch 1: 0.52 s, loss 3.1e-02\rdone in /tmp/a\n", "epoch 2: 0.71 s, loss 2.9e-02\rdone in /tmp/b\n"]
    found: list[frozenset[str]] = []
    for text in printed:
        runner = Runner(folder=tmp_path, object_of=learning)
        where = bench(tmp_path / str(len(found)), runner)
        made = attempt(where.target, "scan", _FILE, cells=where.cells, values=where.values, run=where.run)
        assert made.train is not None
        made.train.log.write_text(text)
        found.append(options.words(made.train))
    assert found[0] == found[1]
    assert 2 == len(found[0])


def test_numbers_in_names_of_files_do_not_count(tmp_path: Path) -> None:
    for run in ("a", "b"):
        folder = tmp_path / run / "mlruns" / f"0{len(run)}3fa94bc1{run}"
        folder.mkdir(parents=True)
        (folder / f"step{ord(run)}.txt").write_text("x")
    assert options.files(tmp_path / "a") == options.files(tmp_path / "b") == {"mlruns/#/step#.txt"}
