"""`python -m harness attach` and `physics` on the command line: registered without importing what they need."""

import argparse
from pathlib import Path

from harness.record.directory import DEFAULT_ROOT

CODES = "Exit codes: 0 parity shown, 1 something differs (named), 2 usage, 13 environment. See docs/attach.md."


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands to the harness's parser."""
    attach = subparsers.add_parser(
        "attach",
        help="compare two running models of any code base, layer by layer",
        description="Record two models (PyTorch, or Keras 2 or 3) by hooks, pair their layers, and say where they "
        "first part. Each file has model(), batch() and loss(model, …), and optimizer(model) if wanted. " + CODES,
    )
    attach.add_argument("one", type=Path, metavar="ONE.py", help="the first model: its weights and batch are used")
    attach.add_argument("two", type=Path, metavar="TWO.py", help="the second model")
    attach.add_argument("--python-one", type=Path, metavar="PATH", help="interpreter of ONE (default: this one)")
    attach.add_argument("--python-two", type=Path, metavar="PATH", help="interpreter of TWO (default: this one)")
    attach.add_argument("--folder-one", type=Path, metavar="DIR", help="where ONE's packages are (default: its folder)")
    attach.add_argument("--folder-two", type=Path, metavar="DIR", help="where TWO's packages are (default: its folder)")
    attach.add_argument("--map", type=Path, metavar="TOML", help="an edited map, instead of a proposed one")
    attach.add_argument("--map-only", action="store_true", help="propose the map, write it, and compare nothing")
    attach.add_argument("--yes", action="store_true", help="do not ask for the map to be confirmed")
    attach.add_argument(
        "--weights", choices=("carry", "own"), help="ONE's into TWO, or each its own (default: by value)"
    )
    attach.add_argument("--precision", choices=("f32", "f64"), help="f32: do not try float64 (default: try it)")
    attach.add_argument("--steps", type=int, default=3, metavar="N", help="optimiser steps (default: 3)")
    attach.add_argument("--draws", type=int, default=3, metavar="N", help="perturbed runs for the floors (default: 3)")
    attach.add_argument("--no-train", action="store_true", help="leave out train() of the files")
    attach.add_argument("--output", type=Path, metavar="DIR", help="for map and reports (default: attach-ONE-TWO)")
    attach.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    attach.add_argument("--json", action="store_true", help="print one JSON document, and only that")
    attach.set_defaults(run=_attach)
    physics = subparsers.add_parser(
        "physics",
        help="judge a code base's stitcher, diffraction, loader and probe on known arrays, in seconds",
        description="FILE.py exposes up to four functions: stitch(patches, positions), diffract(exit_wave), load(file) "
        "and normalise_probe(probe). " + CODES,
    )
    physics.add_argument("adapter", type=Path, metavar="FILE.py", help="the file with the functions")
    physics.add_argument("--python", type=Path, metavar="PATH", help="interpreter that has what it imports")
    physics.add_argument("--folder", type=Path, metavar="DIR", help="where its packages are (default: its folder)")
    physics.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    physics.add_argument("--json", action="store_true", help="print one JSON document, and only that")
    physics.set_defaults(run=_physics)


def _attach(args: argparse.Namespace) -> int:
    from harness.attach import command

    return command.run(args)


def _physics(args: argparse.Namespace) -> int:
    from harness.attach import physics_command

    return physics_command.run(args)
