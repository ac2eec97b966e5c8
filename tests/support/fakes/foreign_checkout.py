"""
Somebody's checkout whose packages are called `ptycho` and `ptycho_torch`: two commands with options, and a target file.

Its `ptycho` is nothing like ours and says where it was imported from; its network knows the answer, like that of
`fake_target`.
"""

import sys
from pathlib import Path

CORE = '''
"""Not the project's ptycho."""
WHO = "foreign"

def where():
    return __file__
'''

TRAIN = '''
"""Trains nothing."""
import argparse
import hashlib
import json
import pathlib
import sys


def main():
    parser = argparse.ArgumentParser(description="Train.")
    parser.add_argument("-d", "--train_data", required=True, help="the scan; see also --test_data of inference")
    parser.add_argument("--out_dir", required=True)
    parser.add_argument("--max_epochs", type=int, default=3)
    parser.add_argument("--accelerator", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--disable-mlflow", action="store_true")
    args = parser.parse_args()
    import ptycho

    print("core", ptycho.WHO, ptycho.where(), flush=True)
    print("prefix", sys.prefix, flush=True)
    out = pathlib.Path(args.out_dir)
    out.mkdir(parents=True)
    (out / "weights.pt").write_bytes(b"weights %d" % args.seed)
    digest = hashlib.sha256(b"what the network sees").hexdigest()
    (out / "log.json").write_text(json.dumps({"input": digest}))


if __name__ == "__main__":
    main()
'''

INFER = '''
"""Reconstructs by looking the answer up."""
import argparse
import pathlib

parser = argparse.ArgumentParser(description="Reconstruct.")
parser.add_argument("--model_path", required=True)
parser.add_argument("--test_data", required=True)
parser.add_argument("--out_dir", required=True)

if __name__ == "__main__":
    args = parser.parse_args()
    import numpy as np

    assert (pathlib.Path(args.model_path) / "weights.pt").read_bytes().startswith(b"weights")
    truth = np.load(args.test_data)["objectGuess"]
    height, width = truth.shape
    out = pathlib.Path(args.out_dir)
    out.mkdir(parents=True)
    inner = truth[16:-16, 16:-16]
    crop = np.array([16, height - 16, 16, width - 16])
    np.savez(out / "recon.npz", obj=inner, overlap=np.ones(inner.shape), crop=crop)
'''

TOML = """
[target]
name = "foreign"
framework = "torch"
root = "{root}"

[install]
python = "{python}"

[train]
argv = [
    "{{python}}", "-m", "ptycho_torch.train",
    "--train_data", "{{train}}", "--out_dir", "{{output}}", "--max_epochs", "{{nepochs}}",
    "--accelerator", "{{device}}", "--disable-mlflow", "--quiet",
]
artifacts = ["weights.pt"]

[infer]
argv = [
    "{{python}}", "-m", "ptycho_torch.inference",
    "--model_path", "{{model}}", "--test_data", "{{test}}", "--out_dir", "{{output}}",
]
artifacts = ["recon.npz"]

[reconstruction]
path = "recon.npz"
object = "obj"
min_phase_correlation = 0.5

[summary]
path = "log.json"
input_hash = "input"

[job]
fixtures = ["small", "small_legacy"]
n_images = 8
nepochs = 1

[checks]
seed_flag = ["--seed", "{{seed}}"]
"""


def write(folder: Path, *, python: Path = Path(sys.executable)) -> Path:
    """
    Write the checkout, and beside it the target file.

    Args:
        folder: folder of the checkout.
        python: interpreter that the target file names.

    Returns:
        The target file.
    """
    for package in ("ptycho", "ptycho_torch"):
        (folder / package).mkdir(parents=True)
    (folder / "ptycho" / "__init__.py").write_text(CORE)
    (folder / "ptycho_torch" / "__init__.py").write_text("")
    (folder / "ptycho_torch" / "train.py").write_text(TRAIN)
    (folder / "ptycho_torch" / "inference.py").write_text(INFER)
    target = folder.parent / "foreign.toml"
    target.write_text(TOML.format(root=folder.name, python=python))
    return target
