"""
Run a physics adapter on given arrays: a file of four functions at most, in any framework, a few lines each.

    N = 64                                  # optional: side of a patch, if yours is fixed
    def stitch(patches, positions):         # (M, N, N) complex, (M, 2) pixels, x (axis 1) first -> (H, W) complex
        ...
    def diffract(exit_wave):                # (P, N, N) complex modes -> (N, N) intensity, its zero frequency at N // 2
        ...
    def load(file):                         # path of an NPZ file -> dictionary: diffraction, xcoords, ycoords, probe
        ...
    def normalise_probe(probe):             # (P, N, N) complex -> (P, N, N)
        ...

It is run with `python ptycho_physics.py ADAPTER.py --out DIR --request NPZ`, needs NumPy and nothing else, and runs on
Python 3.10 and later. What a function returns may be a tensor of any framework.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA = "ptycho-physics/1"
FUNCTIONS = ("stitch", "diffract", "load", "normalise_probe")
Array = np.ndarray[Any, Any]


def load_adapter(path: Path) -> Any:
    """The maintainer's file as a module, its folder first on the import path."""
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location("ptycho_physics_adapter", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def plain(value: Any) -> Array:
    """A tensor of any framework as an array of numbers."""
    for name in ("detach", "cpu", "resolve_conj"):
        value = getattr(value, name)() if hasattr(value, name) else value
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError("it holds Python objects, or rows of different lengths; allowed: an array of numbers")
    return array


def answers(module: Any, given: Mapping[str, Array], folder: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """
    Return what each function makes of what it is given.

    Args:
        module: the adapter.
        given: arrays of the request: `stitch/CASE/patches` and so on.
        folder: for the file that `load` gets.

    Returns:
        Arrays by `FUNCTION/CASE`, and tracebacks by function.
    """
    found: dict[str, Array] = {}
    failed: dict[str, str] = {}
    for name in FUNCTIONS:
        function = getattr(module, name, None)
        if not callable(function):
            continue
        try:
            for key, value in _of(name, function, given, folder).items():
                found[f"{name}/{key}"] = plain(value)
        except Exception:
            failed[name] = traceback.format_exc(limit=-6)
    return found, failed


def _of(name: str, function: Callable[..., Any], given: Mapping[str, Array], folder: Path) -> dict[str, Any]:
    cases = sorted({key.split("/")[1] for key in given if key.startswith(f"{name}/")})
    if name == "stitch":
        parts = {case: [given[f"stitch/{case}/{part}"].copy() for part in ("patches", "positions")] for case in cases}
        return {case: function(*both) for case, both in parts.items()}
    if name == "load":
        file = folder / "known.npz"
        members: dict[str, Any] = {key.split("/")[2]: value for key, value in given.items() if key.startswith("load/")}
        np.savez(file, **members)
        loaded = function(str(file))
        return {key: value for key, value in loaded.items() if value is not None}
    return {case: function(given[f"{name}/{case}/array"].copy()) for case in cases}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run a physics adapter on given arrays.")
    parser.add_argument("adapter", type=Path, metavar="ADAPTER.py")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--request", type=Path, metavar="NPZ", help="arrays; without it the adapter is only looked at")
    args = parser.parse_args()
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
    with np.load(args.request, allow_pickle=False) as archive:
        given = {name: archive[name] for name in archive.files if name != "spec"}
    module = load_adapter(args.adapter)
    args.out.mkdir(parents=True, exist_ok=True)
    side = int(getattr(module, "N", 64))
    chosen = {name.split(":", 1)[1]: value for name, value in given.items() if name.startswith(f"{side}:")}
    if not chosen:
        sides = sorted({int(name.split(":")[0]) for name in given})
        print(f"error: {args.adapter} says N = {side}; allowed: {', '.join(map(str, sides))}", file=sys.stderr)
        return 2
    found, failed = answers(module, chosen, args.out)
    with (args.out / "answer.npz").open("wb") as file:
        members: dict[str, Any] = {**found}
        np.savez(file, **members)
    exposed = [name for name in FUNCTIONS if callable(getattr(module, name, None))]
    versions = {
        name: str(getattr(sys.modules[name], "__version__", "?"))
        for name in ("numpy", "torch", "tensorflow")
        if name in sys.modules
    }
    manifest = {"schema": SCHEMA, "side": side, "exposed": exposed, "failures": failed, "versions": versions}
    (args.out / "answer.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
