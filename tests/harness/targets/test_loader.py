"""Target files: what ships with the harness loads, and whatever is wrong with a file is said at once, with its line."""

import sys
from pathlib import Path

import pytest

from harness.process.limits import Limits
from harness.targets import argv, loader, preflight
from harness.targets.model import Checks, InputDump, MLflow, OptionProbe, Pictures
from harness.targets.schema import KIT
from ptycho.errors import UsageError
from ptycho.parity.request import QUANTITIES
from tests.support.fakes import fake_target

NAMES = {"python": "python3", "output": "out", "n_images": 64}
BOTH = "[install]\npython = 'p'\nlock = 'l'\n[train]"


@pytest.mark.parametrize("name", ["torch", "tf"])
def test_the_built_in_targets_load_and_are_alike(name: str) -> None:
    target = loader.load(loader.built_in(name))
    assert target.name == name
    assert target.root == Path(__file__).resolve().parents[3]
    assert target.working.argv[:3] == ("{python}", "-m", f"ptycho_{name}.train")
    assert target.infer.argv[:3] == ("{python}", "-m", f"ptycho_{name}.inference")
    assert target.device_probe is not None
    assert target.suite == target.root / "tests" / name
    assert target.adapter is not None
    assert (target.adapter.sources, target.adapter.quantities) == (("ptycho", f"ptycho_{name}"), QUANTITIES)
    other = loader.load(loader.built_in({"torch": "tf", "tf": "torch"}[name]))
    same = ("settings", "fixtures", "min_phase_correlation", "reconstruction_keys", "input_hash_key", "checks")
    assert [getattr(target, field) for field in same] == [getattr(other, field) for field in same]
    assert target.working.argv[3:] == other.working.argv[3:]


@pytest.mark.parametrize("name", ["ptychopinn-torch", "ptychopinn-tf", "ptychopinn-scripts"])
def test_the_files_for_ptychopinn_load_where_its_checkout_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PTYCHOPINN", raising=False)
    with pytest.raises(UsageError, match=r"line 8: target.root = '\$PTYCHOPINN' names a variable that is not set"):
        loader.load(loader.built_in(name))
    monkeypatch.setenv("PTYCHOPINN", str(tmp_path))
    target = loader.load(loader.built_in(name))
    assert (target.root, target.checks.seed_flag, target.summary) == (tmp_path, (), None)
    assert target.working.artifacts == ("wts.h5.zip",)
    assert target.infer.artifacts == ("reconstructed_amplitude.png", "reconstructed_phase.png")
    assert target.install is not None
    assert (target.install.base, target.install.torch_backend) == ("python3.11", "cpu")
    # The arrays are had from a second inference with the same options, and not from its pictures.
    assert target.export is not None
    assert Path(target.export.argv[1]) == KIT / "capture_arrays.py"
    rest = [word.replace("{cache}/drawn", "{output}") for word in target.export.argv[5:]]
    assert target.infer.argv[1:] == tuple(rest)


def _faulty_texts(path: Path) -> list[str]:
    """Names of the commands whose text after `-c` is not Python once its placeholders are filled."""
    target = loader.load(path)
    values = {**target.settings, **target.places, "device": "cpu"} | dict.fromkeys(
        ("train", "test", "output", "model", "cache"), "/a/folder"
    )
    found = []
    for name, command in preflight.commands(target).items():
        if argv.parse(command.argv).inline:
            try:
                compile(loader.fill(command.argv, values)[2], name, "exec")
            except SyntaxError:
                found.append(name)
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in loader.BUILT_IN.glob("*.toml")))
def test_what_a_ready_file_carries_itself_is_python(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PTYCHOPINN", "PTYCHONN"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert [] == _faulty_texts(loader.built_in(name))


def test_a_text_that_is_not_python_is_noticed(tmp_path: Path) -> None:
    text = loader.built_in("ptychi").read_text()
    (tmp_path / "t.toml").write_text(text.replace("task.run()", "task.run("))
    assert ["infer"] == _faulty_texts(tmp_path / "t.toml")


def test_an_unknown_name_lists_the_known_ones() -> None:
    ptychopinn = "ptychopinn-scripts, ptychopinn-tf, ptychopinn-torch"
    known = f"ptychi, ptychodus, ptychodus-ptychopinn, ptychonn, {ptychopinn}, tf, torch"
    with pytest.raises(UsageError, match=f"no target 'jax'; there are {known}; or give --target FILE"):
        loader.built_in("jax")


def test_defaults_and_optional_tables(tmp_path: Path) -> None:
    path = fake_target.write(tmp_path, suite=None)
    path.write_text(path.read_text().replace("[summary]", "").replace('path = "summary.json"', ""))
    target = loader.load(path)
    optional = (target.suite, target.environment, target.summary, target.install, target.adapter, target.export)
    assert optional == (None, {}, None, None, None, None)
    assert target.settings == {"n_images": 1, "nepochs": 1, "gridsize": 1, "batch_size": 16, "seed": 42}
    assert (target.root, target.file, target.interpreter) == (tmp_path, path, Path(sys.executable))
    assert target.checks == Checks()


def test_a_target_without_a_checkout_has_nothing_but_the_kit_on_its_import_path(tmp_path: Path) -> None:
    path = fake_target.write(tmp_path)
    text = path.read_text()
    assert 'root = "."\n' in text
    path.write_text(text.replace('root = "."\n', ""))
    assert loader.load(path).root == KIT


def test_every_optional_part_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_target.write(tmp_path)
    monkeypatch.setenv("SOMEWHERE", str(tmp_path / "env"))
    path.write_text(
        path.read_text()
        + """
[reconstruction.pictures]
amplitude = "a.png"
phase = "p.png"
amplitude_range = [0, 2]
[checks]
seed_flag = ["--seed", "{seed}"]
legacy_layout = "refused"
known_failures = "known.toml"
mlflow = { on = ["--track"] }
input_dump = { argv = ["--dump"], path = "seen.npz", key = "x" }
[[checks.option]]
argv = ["--flag", "False"]
changes = "files"
[[checks.option]]
argv = ["-v"]
changes = "output"
command = "infer"
[install]
python = "$SOMEWHERE/bin/python"
"""
    )
    target = loader.load(path)
    assert target.pictures == Pictures(
        amplitude="a.png",
        phase="p.png",
        amplitude_range=(0.0, 2.0),
        phase_range=(-3.141592653589793, 3.141592653589793),
    )
    assert target.checks == Checks(
        seed_flag=("--seed", "{seed}"),
        option=(
            OptionProbe(argv=("--flag", "False"), changes="files", command="train"),
            OptionProbe(argv=("-v",), changes="output", command="infer"),
        ),
        legacy_layout="refused",
        mlflow=MLflow(on=("--track",), off=(), store="mlruns"),
        input_dump=InputDump(argv=("--dump",), path="seen.npz", key="x"),
        known_failures=tmp_path / "known.toml",
    )
    assert target.install is not None
    assert target.install.python == tmp_path / "env" / "bin" / "python"


def test_limits_on_phases_and_memory_arrive_and_are_none_by_default(tmp_path: Path) -> None:
    path = fake_target.write(tmp_path)
    assert loader.load(path).working.limits == Limits()
    limits = "timeout_s = 60\nphase_timeout_s = { start = 9, data = 2.5 }\nmemory_mib = 512\n\n[infer]"
    path.write_text(
        path.read_text().replace("timeout_s = 60\n\n[infer]", limits).replace("[suite]", "[suite]\nmemory_mib = 64")
    )
    target = loader.load(path)
    assert target.working.limits == Limits(phase_s={"start": 9.0, "data": 2.5}, memory_mib=512)
    assert (target.infer.limits, target.suite_limits) == (Limits(), Limits(memory_mib=64))


def test_placeholders_are_filled() -> None:
    assert loader.fill(["{python}", "--n={n_images}", "{{}}"], NAMES) == ["python3", "--n=64", "{}"]


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ('name = "fake"', 'nmae = "fake"', ["line 3: unknown key 'nmae' in [target]", "line 2: [target] lacks 'name'"]),
        ("{output}", "{outptu}", ["line 8: unknown placeholder {outptu}; allowed: python, train"]),
        ("[job]", "[jobs]", ["unknown table [jobs]; did you mean 'job'?", "table [job] is missing"]),
        ("n_images = 1", 'n_images = "many"', ["job.n_images = 'many'; allowed: a whole number from 1"]),
        ("n_images = 1", "n_images = true", ["job.n_images = True; allowed: a whole number from 1"]),
        ('"{python}", "{root}/train.py"', '"{python", "x"', ["line 8: argument '{python'"]),
        ('"{python}", "{root}/train.py"', '"{python}", 3', ["argument 3 is not text"]),
        ("[job]", "[job", ["is not TOML", "line"]),
        ("timeout_s = 60", "timeout_s = 60\nmemory_mib = -1", ["train.memory_mib = -1; allowed: MiB above 0"]),
        (
            "timeout_s = 60",
            "timeout_s = 60\nphase_timeout_s = { data = 0 }",
            ["line 11: train.phase_timeout_s.data = 0; allowed: seconds above 0 by phase"],
        ),
        ('root = "."', 'root = "gone"', ["line 5: target.root is ", "gone, which is not a folder"]),
        ('root = "."', 'root = "$NO_SUCH_VARIABLE"', ["line 5: target.root = '$NO_SUCH_VARIABLE' names a variable"]),
        ("[train]", BOTH, ["[install] has python, lock; allowed: one of them"]),
        ("[train]", "[install]\nbase = 'x'\n[train]", ["line 7: [install] names nothing to install"]),
        ("[train]", "[install]\npython = 'x'\npackages = ['y']\n[train]", ["line 9: [install] packages beside python"]),
        ("[train]", "[checks]\nseed_flag = ['--seed']\n[train]", ["line 8: checks.seed_flag has no {seed}"]),
        ("[train]", "[checks.mlflow]\noff = []\n[train]", ["line 7: checks.mlflow has the same arguments on and off"]),
        (
            "[job]",
            "[reconstruction.pictures]\namplitude = 'a'\nphase = 'p'\n[reconstruction.export]\nargv = ['x']\n[job]",
            ["[reconstruction] has pictures and export; allowed: one of them"],
        ),
    ],
)
def test_a_faulty_file_is_refused_with_every_fault(tmp_path: Path, old: str, new: str, sentences: list[str]) -> None:
    path = fake_target.write(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        loader.load(path)
    assert [sentence for sentence in sentences if sentence not in str(caught.value)] == []


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        loader.load(tmp_path / "absent.toml")
