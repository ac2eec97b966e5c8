"""Target files: what ships with the harness loads, and whatever is wrong with a file is said at once, with its line."""

from pathlib import Path

import fake_target
import pytest

from harness import targets
from ptycho.errors import UsageError

NAMES = {"python": "python3", "output": "out", "n_images": 64}


@pytest.mark.parametrize("name", ["torch", "tf"])
def test_the_built_in_targets_load_and_are_alike(name: str) -> None:
    target = targets.load(targets.built_in(name))
    assert target.name == name
    assert target.root == Path(__file__).resolve().parents[2]
    assert target.train.argv[:3] == ("{python}", "-m", f"ptycho_{name}.train")
    assert target.infer.argv[:3] == ("{python}", "-m", f"ptycho_{name}.inference")
    assert target.device_probe is not None
    assert target.suite == target.root / "tests" / name
    other = targets.load(targets.built_in({"torch": "tf", "tf": "torch"}[name]))
    same = ("settings", "fixtures", "min_phase_correlation", "reconstruction_keys", "input_hash_key")
    assert [getattr(target, field) for field in same] == [getattr(other, field) for field in same]
    assert target.train.argv[3:] == other.train.argv[3:]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no target 'jax'; there are tf, torch; or give --target FILE"):
        targets.built_in("jax")


def test_defaults_and_optional_tables(tmp_path: Path) -> None:
    target = targets.load(fake_target.write(tmp_path, suite=None))
    assert (target.suite, target.environment, target.summary) == (None, {}, "summary.json")
    assert target.settings == {"n_images": 1, "nepochs": 1, "gridsize": 1, "batch_size": 16, "seed": 42}
    assert target.root == tmp_path


def test_placeholders_are_filled() -> None:
    assert targets.fill(["{python}", "--n={n_images}", "{{}}"], NAMES) == ["python3", "--n=64", "{}"]


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ('name = "fake"', 'nmae = "fake"', ["line 3: unknown key 'nmae' in [target]", "[target] lacks 'name'"]),
        ("{output}", "{outptu}", ["line 8: unknown placeholder {outptu}; allowed: python, train"]),
        ("[job]", "[jobs]", ["unknown table [jobs]", "table [job] is missing"]),
        ("n_images = 1", 'n_images = "many"', ["job.n_images = 'many' is not of the kind"]),
        ("n_images = 1", "n_images = true", ["job.n_images = True is not of the kind"]),
        ('"{python}", "{root}/train.py"', '"{python", "x"', ["line 8: argument '{python'"]),
        ('"{python}", "{root}/train.py"', '"{python}", 3', ["argument 3 is not text"]),
        ("[job]", "[job", ["is not TOML"]),
    ],
)
def test_a_faulty_file_is_refused_with_every_fault(tmp_path: Path, old: str, new: str, sentences: list[str]) -> None:
    path = fake_target.write(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        targets.load(path)
    assert [sentence for sentence in sentences if sentence not in str(caught.value)] == []


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        targets.load(tmp_path / "absent.toml")
