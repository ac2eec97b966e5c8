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
    assert (draft.name, draft.is_read) == ("checkout-ptycho-torch", True)
    target = _load(tmp_path, draft.text)
    assert target.root == tmp_path / "checkout"
    assert target.framework == "torch"
    assert target.train.argv == (
        *("{python}", "-m", "ptycho_torch.train", "--train_data", "{train}", "--out_dir", "{output}"),
        *("--max_epochs", "{nepochs}", "--accelerator", "{device}", "--quiet", "--disable-mlflow"),
    )
    assert target.infer.argv[3:] == ("--model_path", "{model}", "--test_data", "{test}", "--out_dir", "{output}")
    assert (target.train.artifacts, target.infer.artifacts) == (("weights.pt",), ("recon.npz",))
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
    assert not draft.is_read
    assert "no option could be read from the source" in draft.text
    asked = scaffold.asked(draft, directory.create(workspace.root), Interruption())
    assert _load(tmp_path, asked.text).train.argv[3:] == (
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


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_a_pipeline_says_what_was_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    sentences = {
        "absent": "is not a folder; give the checkout",
        "empty": "looked for train.py, training.py, inference.py",
    }
    with pytest.raises(UsageError, match=sentences[name]):
        scaffold.describe(tmp_path / name, python=None)
