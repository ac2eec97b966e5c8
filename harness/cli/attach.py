"""`python -m harness attach models` and `attach physics`: registered without importing what they need."""

import argparse
from pathlib import Path

from harness.cli import options
from harness.cli.options import Commands

CODES = "they agree 0 · something differs (named) 1 · usage 2 · environment 13 · docs/attach.md"


def add_parser(commands: Commands) -> None:
    """Add both commands to the harness's parser."""
    inner = options.add_group(
        commands,
        "attach",
        "Compare two running models of any code base, or its physics with known arrays.",
        default="models",
        examples=("attach one.py two.py", "attach physics mine.py"),
    )
    _add_models(inner)
    _add_physics(inner)


def _add_models(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "models",
        "Compare two running models layer by layer and say where they first differ.",
        more="The models (PyTorch, Keras 2 or Keras 3) are recorded by hooks and their layers are paired. Each file "
        "defines model(), batch() and loss(model, …), and optimizer(model) if updates are to be compared.",
        examples=("attach models one.py two.py --python-one envs/torch/bin/python --python-two envs/tf/bin/python",),
        codes=CODES,
    )
    add = parser.add_argument
    add("one", type=Path, metavar="ONE.py", help="Record this model; its weights and batch are used on both sides.")
    add("two", type=Path, metavar="TWO.py", help="Compare this model with it.")
    for name in ("one", "two"):
        side = name.upper()
        text = f"Run {side} with this interpreter (this one)."
        add(f"--python-{name}", type=Path, metavar="PATH", help=text)
    for name in ("one", "two"):
        side = name.upper()
        text = f"Import the packages of {side} from this folder (the folder of {side}.py)."
        add(f"--folder-{name}", type=Path, metavar="DIR", help=text)
    add("--map", type=Path, metavar="TOML", help="Use this edited map of the layers; without it one is proposed.")
    add("--map-only", action="store_true", help="Write the proposed map and compare nothing.")
    add("--yes", action="store_true", help="Take the proposed map without asking.")
    text = "Carry the weights of ONE into TWO, or compare each model's own; without it their values decide."
    add("--weights", choices=("carry", "own"), help=text)
    add("--precision", choices=("f32", "f64"), help="Leave out float64 with f32; without it both are tried.")
    add("--steps", type=int, default=3, metavar="N", help="Compare this many optimiser steps (3).")
    add("--draws", type=int, default=3, metavar="N", help="Measure the rounding floors with this many runs (3).")
    add("--no-train", action="store_true", help="Leave out the function train() of the files.")
    add("--output", type=Path, metavar="DIR", help="Write map and reports into this folder (attach-ONE-TWO).")
    options.add_root(parser)
    options.add_json(parser)
    parser.set_defaults(run=_attach)


def _add_physics(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "physics",
        "Check the stitcher, diffraction, loader and probe of a code base on known arrays.",
        more="FILE.py defines up to four functions: stitch(patches, positions), diffract(exit_wave), load(file) and "
        "normalise_probe(probe).",
        examples=("attach physics mine.py --python envs/tf/bin/python",),
        codes=CODES,
    )
    parser.add_argument("adapter", type=Path, metavar="FILE.py", help="Call the functions of this file.")
    text = "Run the file with this interpreter, which has what it imports (this one)."
    parser.add_argument("--python", type=Path, metavar="PATH", help=text)
    text = "Import its packages from this folder (the folder of the file)."
    parser.add_argument("--folder", type=Path, metavar="DIR", help=text)
    options.add_root(parser)
    options.add_json(parser)
    parser.set_defaults(run=_physics)


def _attach(args: argparse.Namespace) -> int:
    from harness.attach import command

    return command.run(args)


def _physics(args: argparse.Namespace) -> int:
    from harness.attach import physics_command

    return physics_command.run(args)
