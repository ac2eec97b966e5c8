"""What a target names and what is there: every missing thing is one sentence, and the code is that of the machine."""

import re
from pathlib import Path

import pytest

from harness.targets import loader, preflight
from harness.targets.schema import KIT
from ptycho.errors import InfrastructureError
from tests.support.fakes import foreign_checkout

ROOT = Path(__file__).resolve().parents[3]


def _problems(tmp_path: Path, old: str = "", new: str = "") -> list[str]:
    path = foreign_checkout.write(tmp_path / "checkout")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return preflight.problems(loader.load(path))


def test_nothing_is_missing_from_a_sound_target(tmp_path: Path) -> None:
    assert _problems(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("ptycho_torch.train", "ptycho_torch.trian", "train: there is no module ptycho_torch.trian below "),
        ('"-m", "ptycho_torch.train"', '"{root}/train.py"', "train: there is no script "),
        (
            '"-m", "ptycho_torch.train"',
            '"train.py"',
            "train: commands start in an empty folder, so train.py is not found",
        ),
        (
            '"{python}", "-m", "ptycho_torch.train"',
            '"no-such-trainer"',
            "train: the command 'no-such-trainer' does",
        ),
        ("[job]", '[suite]\npath = "tests"\n[job]', "suite: there is no "),
        ("[checks]", '[checks]\nknown_failures = "known.toml"', "checks.known_failures: there is no "),
        ("[job]", "[reconstruction.export]\nargv = ['gone']\n[job]", "reconstruction.export: the command 'gone' does"),
    ],
)
def test_a_missing_thing_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    (found,) = _problems(tmp_path, old, new)
    assert found.startswith(sentence)


@pytest.mark.parametrize(("path", "missing"), [("train.py", 0), ("tools", 1), ("other.py", 1)])
def test_a_script_that_is_put_into_the_working_directory_is_there(tmp_path: Path, path: str, missing: int) -> None:
    file = foreign_checkout.write(tmp_path / "checkout")
    staged = f'[[train.files]]\npath = "{path}"\ntext = "#"\n\n[infer]'
    text = file.read_text().replace("[infer]", staged, 1).replace('"-m", "ptycho_torch.train"', '"./train.py"', 1)
    file.write_text(text)
    problems = preflight.problems(loader.load(file))
    assert len(problems) == missing
    assert all(sentence.endswith(", or put it there with [[train.files]]") for sentence in problems)


def test_a_script_in_a_folder_that_is_put_there_is_there(tmp_path: Path) -> None:
    file = foreign_checkout.write(tmp_path / "checkout")
    staged = '[[train.files]]\npath = "tools"\nsource = "ptycho_torch"\n\n[infer]'
    text = file.read_text().replace("[infer]", staged, 1).replace('"-m", "ptycho_torch.train"', '"tools/train.py"', 1)
    file.write_text(text)
    assert preflight.problems(loader.load(file)) == []


@pytest.mark.parametrize(("key", "word"), [("python", "/no/such/python"), ("base", "python9.99")])
def test_a_missing_interpreter_is_named(tmp_path: Path, key: str, word: str) -> None:
    path = foreign_checkout.write(tmp_path / "checkout", python=Path("/no/such/python"))
    if key == "base":
        path.write_text(path.read_text().replace('python = "/no/such/python"', f'base = "{word}"\npackages = ["x"]'))
    with pytest.raises(InfrastructureError, match=f"there is no interpreter .*{word}.*; repair .install. {key}"):
        preflight.require(loader.load(path))


def test_an_installed_module_may_lie_elsewhere(tmp_path: Path) -> None:
    assert _problems(tmp_path, "ptycho_torch.train", "torch.distributed.run") == []


def test_commands_are_named_by_their_tables(tmp_path: Path) -> None:
    target = loader.load(foreign_checkout.write(tmp_path / "checkout"))
    assert list(preflight.commands(target)) == ["train", "infer"]
    own = loader.load(loader.built_in("torch"))
    assert list(preflight.commands(own)) == ["train", "infer", "device_probe", "adapter"]


def test_a_script_that_the_kit_lacks_is_said_with_those_it_has(tmp_path: Path) -> None:
    (found,) = _problems(tmp_path, '"-m", "ptycho_torch.train"', '"{kit}/drawn_arrays.py"')
    assert found.startswith("train: the kit has no drawn_arrays.py; it has capture_arrays.py, ptycho_adapter_kit.py, ")


def test_every_file_of_the_kit_that_a_page_or_a_shipped_target_names_is_there() -> None:
    sources = [*loader.BUILT_IN.glob("*.toml"), *(ROOT / "docs").glob("*.md")]
    named = {(path.name, name) for path in sources for name in re.findall(r"\{kit\}/(\w+\.py)", path.read_text())}
    assert ("ptychopinn-torch.toml", "capture_arrays.py") in named
    assert [] == [pair for pair in sorted(named) if not (KIT / pair[1]).is_file()]


def test_submodules_that_are_not_there_are_named(tmp_path: Path) -> None:
    target = loader.load(foreign_checkout.write(tmp_path / "checkout"))
    assert [] == preflight.notes(target)
    rows = [f'[submodule "{name}"]\n\tpath = {name}\n\turl = ../{name}\n' for name in ("core", "lib/frc", "gone")]
    (target.root / ".gitmodules").write_text("".join(rows))
    (target.root / "core").mkdir()
    (target.root / "core" / "code.py").touch()
    (target.root / "lib" / "frc").mkdir(parents=True)
    (note,) = preflight.notes(target)
    assert note.startswith("submodules of foreign that are not there: lib/frc, gone; if an import fails: git -C ")
    (target.root / ".gitmodules").write_text("no section\n")
    assert [] == preflight.notes(target)
