"""An option without effect is found, by the files that are left or by the words that are printed."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.lanes.checks import options, reproducibility
from harness.lanes.checks.attempt import attempt
from harness.targets.model import Checks, Command, OptionProbe
from harness.targets.schema import Changes, Step
from tests.support.fakes.fake_bench import Made, Runner, bench, ids, learning

_FILE = Path("scan.npz")


def _found(
    folder: Path, runner: Runner, changes: Changes, command: Step = "train", field: str = ""
) -> list[tuple[str, str]]:
    probe = OptionProbe(argv=("--curve", "no"), changes=changes, command=command, field=field)
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


BARS = (
    "\x1b[2KEpoch 0:  12%|#2   | 1/8 [00:00<00:03]\rEpoch 0:  50%|█████     | 4/8 [00:01<00:01, 3.2it/s]\nsaved\n",
    "Epoch 0: 100%|██████████| 8/8 [00:02<00:00, 3.9it/s]\nsaved\n",
    "\x1b[1mEpoch 0:  37%|███▊      | 3/8 [00:00<00:01, 4.0it/s]\x1b[0m\nsaved\n",
)


def test_a_progress_bar_is_no_effect(tmp_path: Path) -> None:
    """As a training of Lightning prints it: other lines each time, and not one of them says anything."""
    found = []
    for number, text in enumerate(BARS):
        where = bench(tmp_path / str(number), Runner(folder=tmp_path, object_of=learning))
        made = attempt(where.target, "scan", _FILE, cells=where.cells, values=where.values, run=where.run)
        assert made.train is not None
        made.train.log.write_text(text)
        found.append(options.words(made.train))
    assert not options._differs(found[2], found[:2])
    # An option whose effect is said is seen all the same.
    assert options._differs(found[2] | {"objects are small now", "so it is"}, found[:2])


def test_lines_that_come_and_go_by_chance_are_no_effect() -> None:
    plain = [frozenset({"same", "retry one"}), frozenset({"same", "retry two"})]
    assert not options._differs(frozenset({"same", "retry three"}), plain)
    assert options._differs(frozenset({"same", "a", "b", "c"}), plain)


@pytest.mark.parametrize("ignored", [True, False])
def test_an_option_that_must_change_the_result(tmp_path: Path, ignored: bool) -> None:
    def made(label: str, command: Command, values: Mapping[str, object]) -> Made:
        obj = learning(label, command, values)
        return obj if ignored or "--curve" not in command.argv else 1.2 * obj

    found = _found(tmp_path, Runner(folder=tmp_path, object_of=made), "result")
    assert ([("option-ignored", "train --curve no")] if ignored else []) == found


def test_an_option_that_must_change_an_entry(tmp_path: Path) -> None:
    runner = Runner(folder=tmp_path, object_of=learning)
    field = "config.json:model.big"
    assert [("option-ignored", "train --curve no")] == _found(tmp_path / "one", runner, "field", field=field)


def test_an_entry_is_read_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"model": {"big": [true]}}')
    read = [options._field(tmp_path, f"{name}:{key}") for name, key in (("c.json", "model.big"), ("c.json", "x"))]
    assert [[True], "KeyError"] == read
    assert options._field(tmp_path, "gone.json:x") == "PtychoError"
