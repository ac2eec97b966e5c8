"""First target files: what was found, what was guessed, and what a reader refuses until it is filled in."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.record import directory
from harness.system.signals import Interruption
from harness.targets import loader, scaffold
from ptycho.errors import UsageError
from tests.support.fakes import foreign_checkout

LOOPED = """
import argparse

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("train_data_file", "output_dir", "nepochs"):
        parser.add_argument("--" + name, required=name != "nepochs")
    parser.parse_args()
"""


def _drafts(tmp_path: Path, *, python: str | None = None) -> list[scaffold.Draft]:
    foreign_checkout.write(tmp_path / "checkout")
    return scaffold.describe(tmp_path / "checkout", python=python)


def _load(tmp_path: Path, text: str) -> loader.Target:
    path = tmp_path / "made.toml"
    path.write_text(text)
    return loader.load(path)


def test_a_checkout_that_says_everything_gets_a_file_that_loads(tmp_path: Path) -> None:
    (draft,) = _drafts(tmp_path, python=sys.executable)
    assert "checkout-ptycho-torch" == draft.name
    target = _load(tmp_path, draft.text)
    assert target.root == tmp_path / "checkout"
    assert target.framework == "torch"
    assert target.working.argv == (
        *("{python}", "-m", "ptycho_torch.train", "--train_data", "{train}", "--out_dir", "{output}"),
        *("--max_epochs", "{nepochs}", "--accelerator", "{device}", "--quiet", "--disable-mlflow"),
    )
    assert target.infer.argv[3:] == ("--model_path", "{model}", "--test_data", "{test}", "--out_dir", "{output}")
    assert (target.working.artifacts, target.infer.artifacts) == (("weights.pt",), ("recon.npz",))
    assert target.reconstruction == "recon.npz"
    assert target.checks.seed_flag == ("--seed", "{seed}")
    assert target.checks.mlflow is not None
    assert target.checks.mlflow.off == ("--disable-mlflow",)


def test_what_could_not_be_found_is_refused_by_name_until_it_is_filled_in(tmp_path: Path) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    script = tmp_path / "checkout" / "ptycho_torch" / "inference.py"
    script.write_text(script.read_text().replace("recon.npz", "recon" + ".bin").replace('"--test_data"', '"--zzz"'))
    (draft,) = scaffold.describe(tmp_path / "checkout", python=None)
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, draft.text)
    left = [line.partition(": ")[2] for line in str(caught.value).splitlines() if "left to fill in" in line]
    assert [sentence.partition(" is ")[0] for sentence in left] == [
        "install.python",
        "infer.argv",
        "reconstruction.path",
    ]


def test_options_made_in_a_loop_are_asked_for_where_an_interpreter_is_given(workspace: Any, tmp_path: Path) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    (tmp_path / "checkout" / "ptycho_torch" / "train.py").write_text(LOOPED)
    (draft,) = scaffold.describe(tmp_path / "checkout", python=sys.executable)
    assert "no option could be read from the source" in draft.text
    asked = scaffold.asked(draft, directory.create(workspace.root), Interruption())
    assert _load(tmp_path, asked.text).working.argv[3:] == (
        *("--train_data_file", "{train}", "--output_dir", "{output}", "--nepochs", "{nepochs}"),
    )


@pytest.mark.parametrize(
    ("files", "install"),
    [
        ([], {"python": "FILL IN: an interpreter that has everything; no requirements were found"}),
        (["requirements.txt", "pyproject.toml"], {"requirements": ["requirements.txt"]}),
        (["requirements.lock", "requirements.txt"], {"lock": "requirements.lock"}),
    ],
)
def test_its_own_requirements_are_found(tmp_path: Path, files: list[str], install: dict[str, Any]) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    for name in files:
        (tmp_path / "checkout" / name).write_text("")
    (draft,) = scaffold.describe(tmp_path / "checkout", python=None)
    assert install == tomllib.loads(draft.text)["install"]


def test_pictures_are_named_where_there_is_nothing_else(tmp_path: Path) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    script = tmp_path / "checkout" / "ptycho_torch" / "inference.py"
    text = script.read_text().replace('"recon.npz"', '"reconstructed_amplitude.png", "reconstructed_phase.png"')
    script.write_text(text)
    (draft,) = scaffold.describe(tmp_path / "checkout", python=sys.executable)
    pictures = _load(tmp_path, draft.text).pictures
    assert pictures is not None
    assert (pictures.amplitude, pictures.phase) == ("reconstructed_amplitude.png", "reconstructed_phase.png")
    assert "A picture with axes or a colour bar cannot be read" in draft.text


def test_every_pair_of_commands_gets_a_file(tmp_path: Path) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    for folder, name in (
        ("scripts/training", "train.py"),
        ("scripts/inference", "inference.py"),
        ("ptycho", "train.py"),
    ):
        place = tmp_path / "checkout" / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(foreign_checkout.TRAIN)
    drafts = scaffold.describe(tmp_path / "checkout", python=None)
    # A training without an inference in its package is none of them.
    assert [draft.name for draft in drafts] == ["checkout-ptycho-torch", "checkout-scripts"]
    assert '"{python}", "{root}/scripts/training/train.py"' in drafts[1].text


def _edited(tmp_path: Path, script: str, *edits: tuple[str, str]) -> scaffold.Draft:
    foreign_checkout.write(tmp_path / "checkout")
    path = tmp_path / "checkout" / "ptycho_torch" / script
    for old, new in edits:
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    (draft,) = scaffold.describe(tmp_path / "checkout", python=sys.executable)
    return draft


@pytest.mark.parametrize(
    ("script", "option", "placeholder"),
    [
        ("train.py", "--train_data", "{train}"),
        ("train.py", "--out_dir", "{output}"),
        ("inference.py", "--model_path", "{model}"),
        ("inference.py", "--out_dir", "{output}"),
    ],
)
def test_a_command_without_its_data_or_its_output_is_refused_and_not_written_as_if_it_were_whole(
    tmp_path: Path, script: str, option: str, placeholder: str
) -> None:
    draft = _edited(tmp_path, script, (f'"{option}", required=True', '"--zzz"'))
    with pytest.raises(UsageError, match=r"line \d+: (train|infer)\.argv is left to fill in"):
        _load(tmp_path, draft.text)
    assert "# left at their defaults: --zzz" in draft.text
    assert f'"FILL IN: the option that takes {placeholder[1:-1]}", "{placeholder}"' in draft.text


def test_an_argument_without_a_name_is_seen(tmp_path: Path) -> None:
    edits = ('"-d", "--train_data", required=True', '"data"'), ('"--out_dir", required=True', '"zzz", "-z"')
    draft = _edited(tmp_path, "train.py", edits[0])
    assert _load(tmp_path, draft.text).working.argv[-1] == "{train}"


def test_the_help_is_asked_wherever_an_interpreter_is_given(workspace: Any, tmp_path: Path) -> None:
    """An option that only the help has, and one that the source names and the command does not offer."""
    draft = _edited(
        tmp_path,
        "train.py",
        (
            '    parser.add_argument("--seed"',
            '    parser.add_argument("--" + "batch_size")\n    parser.add_argument("--seed"',
        ),
        ('    parser.add_argument("--quiet"', '    if not __debug__:\n        parser.add_argument("--quiet"'),
    )
    assert ("--batch_size" in draft.text, "--quiet" in draft.text) == (False, True)
    asked = scaffold.asked(draft, directory.create(workspace.root), Interruption())
    assert ("--batch_size" in asked.text, "--quiet" in asked.text) == (True, False)
    target = _load(tmp_path, asked.text)
    assert "{batch_size}" in target.working.argv


def test_a_help_that_fails_is_said_in_the_file_and_the_source_counts(workspace: Any, tmp_path: Path) -> None:
    draft = _edited(tmp_path, "train.py", ('"""Trains nothing."""', "import no_such_module"))
    asked = scaffold.asked(draft, directory.create(workspace.root), Interruption())
    assert "# --help ended with 1: ModuleNotFoundError: No module named 'no_such_module'" in asked.text
    assert "--train_data" in _load(tmp_path, asked.text).working.argv


def test_scripts_that_lie_in_the_folder_itself_are_a_pair(tmp_path: Path) -> None:
    checkout = tmp_path / "My checkout"
    checkout.mkdir()
    (checkout / "train.py").write_text(foreign_checkout.TRAIN)
    (checkout / "infer.py").write_text(foreign_checkout.INFER)
    (draft,) = scaffold.describe(checkout, python=sys.executable)
    assert "my-checkout" == draft.name
    target = _load(tmp_path, draft.text)
    assert (target.working.argv[1], target.infer.argv[1]) == ("{root}/train.py", "{root}/infer.py")


@pytest.mark.parametrize(
    ("needed", "line"),
    [
        (">=3.9", None),
        ("<3.11,>=3.10", "python3.10"),
        ("<3.0", "FILL IN: an interpreter on PATH"),
        ("nonsense", None),
    ],
)
def test_the_python_that_a_checkout_requires_is_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: str, line: str | None
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    foreign_checkout.write(tmp_path / "checkout")
    (tmp_path / "checkout" / "requirements-ci.txt").touch()
    (tmp_path / "checkout" / "requirements.txt").touch()
    (tmp_path / "checkout" / "pyproject.toml").write_text(f'[project]\nrequires-python = "{needed}"\n')
    (draft,) = scaffold.describe(tmp_path / "checkout", python=None)
    install = tomllib.loads(draft.text)["install"]
    assert (["requirements-ci.txt"], line) == (install["requirements"], install.get("base"))


@pytest.mark.parametrize(("needs", "build"), [("numpy\ntorch>=2\n", "cpu"), ("torchmetrics\n", None), ("", None)])
def test_a_checkout_that_needs_torch_gets_the_build_without_cuda(tmp_path: Path, needs: str, build: str | None) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    (tmp_path / "checkout" / "requirements.txt").write_text(needs)
    (draft,) = scaffold.describe(tmp_path / "checkout", python=None)
    assert build == tomllib.loads(draft.text)["install"].get("torch_backend")


def test_figures_with_axes_are_captured_and_not_read_as_pictures(tmp_path: Path) -> None:
    draft = _edited(
        tmp_path,
        "inference.py",
        (
            'np.savez(out / "recon.npz"',
            'plt.savefig(out / "amplitude.png")\n    plt.savefig(out / "phase.png")\n    print(0',
        ),
    )
    target = _load(tmp_path, draft.text)
    assert target.pictures is None
    assert target.export is not None
    assert target.export.argv[2:7] == (
        "{output}/reconstruction.npz",
        "amplitude.png",
        "phase.png",
        "-m",
        "ptycho_torch.inference",
    )
    assert target.export.argv[-2:] == ("--out_dir", "{cache}/drawn")
    assert ("", "") == (target.reconstruction_keys["crop"], target.reconstruction_keys["overlap"])


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_a_pipeline_says_what_was_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    sentences = {
        "absent": "is not a folder; give the checkout",
        "empty": "looked for train.py, training.py, inference.py",
    }
    with pytest.raises(UsageError, match=sentences[name]):
        scaffold.describe(tmp_path / name, python=None)
