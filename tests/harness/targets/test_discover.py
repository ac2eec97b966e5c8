"""What the source of a checkout says, read and not run."""

import ast
from pathlib import Path

import pytest

from harness.targets import discover
from harness.targets.argv import Option
from tests.support.fakes import foreign_checkout

SOURCE = """
import argparse
import torch
import click

parser = argparse.ArgumentParser()
parser.add_argument("--old", help="[DEPRECATED] use --kind")
parser.add_argument("-e", "--epochs", type=int, default=3)
parser.add_argument("--kind", choices=["a", "b"], required=True)
parser.add_argument("--quiet", action="store_true")
parser.add_argument("--mmap", action=argparse.BooleanOptionalAction)
parser.add_argument("folder")

@click.option("--lr", required=True)
def train(lr): ...
"""


def test_options_are_read_from_argparse_and_click() -> None:
    assert discover.options(ast.parse(SOURCE)) == (
        Option(names=("--epochs", "-e"), required=False, takes_value=True, choices=()),
        Option(names=("--kind",), required=True, takes_value=True, choices=("a", "b")),
        Option(names=("--quiet",), required=False, takes_value=False, choices=()),
        Option(names=("--mmap",), required=False, takes_value=False, choices=()),
        Option(names=("folder",), required=True, takes_value=True, choices=()),
        Option(names=("--lr",), required=True, takes_value=True, choices=()),
        Option(names=("--old",), required=False, takes_value=True, choices=()),
    )


@pytest.mark.parametrize(
    ("source", "framework"),
    [
        ("import torch.nn", "torch"),
        ("from tensorflow import keras\nimport keras", "tensorflow"),
        ("import torch\nimport tensorflow", ""),
        ("from . import torch", ""),
    ],
)
def test_the_framework_is_what_is_imported(source: str, framework: str) -> None:
    assert framework == discover.framework_of(ast.parse(source))


def test_a_checkout_is_read_without_running_it(tmp_path: Path) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    (tmp_path / "checkout" / "ptycho_torch" / "__init__.py").write_text("raise SystemExit('it was run')\n")
    for place in ("build/lib/train.py", "tests/train.py", ".hidden/train.py", "ptycho/predict.py"):
        path = tmp_path / "checkout" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise SystemExit('it was run')\n")
    infer, train = discover.scripts(tmp_path / "checkout")
    assert (train.step, train.module, train.framework) == ("train", "ptycho_torch.train", "torch")
    assert (infer.step, infer.module) == ("infer", "ptycho_torch.inference")
    assert infer.files == ("recon.npz", "weights.pt")
    assert [option.name for option in infer.options] == ["--model_path", "--test_data", "--out_dir"]


def test_what_is_no_python_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print 'of long ago'\n")
    assert discover.scripts(tmp_path) == []
