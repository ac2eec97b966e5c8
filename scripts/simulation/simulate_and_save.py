"""
Simulate a ptychographic scan and write it as an NPZ file: a thin command line over `ptycho.simulation`.

Everything that can be wrong is checked before anything is computed, and the same options give the same bytes.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The script runs from a checkout that is not installed. Appended, so that an installed package is found first.
sys.path.append(str(Path(__file__).resolve().parents[2]))
import ptycho.python_version  # noqa: F401 - ends a Python that is too old

_EPILOG = """examples:
  simulate_and_save.py --output-file scan.npz                          own probe and object, 1087 patterns of 64×64
  simulate_and_save.py --output-file scan.npz --N 128 --n-images 256 --visualize
  simulate_and_save.py --output-file old.npz --layout legacy           transposed (N, N, M), float64
  simulate_and_save.py --input-file given.npz --output-file scan.npz   probe and object of another file

exit codes: 0 written · 2 a wrong option or input file · 13 cannot be read or written
"""


def parser() -> argparse.ArgumentParser:
    """The options. Defaults that depend on others are None here and said in the help."""
    from ptycho.command_line import Parser

    options = Parser(
        prog="simulate_and_save.py",
        description="Simulate far-field ptychography with Poisson noise; write it under the data contract (DATA-001).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options.add_argument
    add(
        "--input-file",
        type=Path,
        metavar="NPZ",
        help="Take probe and object from this file; without it new ones are made.",
    )
    add("--output-file", type=Path, metavar="NPZ", required=True, help="Write this file.")
    add("--n-images", type=int, default=1087, metavar="M", help="Simulate this many patterns (1087).")
    add("--n-photons", type=float, default=1e6, metavar="X", help="Use this mean number of photons per pattern (1e6).")
    add("--gridsize", type=int, choices=(1, 2), default=1, help="Make a scan that allows g×g groups (1).")
    add("--seed", type=int, default=42, help="Draw object, positions and noise with this seed (42).")
    add(
        "--buffer",
        type=int,
        default=16,
        metavar="PX",
        help="Keep this distance between outermost window and edge (16).",
    )
    add(
        "--step",
        type=float,
        default=2.62,
        metavar="PX",
        help="Space the positions by this root of the area per pattern (2.62).",
    )
    add("--N", type=int, choices=(64, 128, 256), help="Use this patch side; without it the input probe's, else 64.")
    add(
        "--layout",
        choices=("canonical", "legacy"),
        default="canonical",
        help="Write (M, N, N), canonical, or (N, N, M), legacy.",
    )
    add("--patches", action="store_true", help="Also write the true object patches, Y.")
    add("--bad-pixels", type=Path, metavar="NPY", help="Set the pixels where this mask is true to 0.")
    add("--visualize", action="store_true", help="Also write a picture, with the NPZ's name and .png.")
    add("--force", action="store_true", help="Replace files that are there.")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    Returns:
        The exit code.

    Raises:
        SystemExit: for wrong options and for errors, with their exit code.
    """
    args = parser().parse_args(arguments)
    from ptycho.errors import exit_on_error

    with exit_on_error():
        picture = args.output_file.with_suffix(".png") if args.visualize else None
        _check_paths(args.output_file, args.input_file, picture, force=args.force)
        _write(args, picture)
    return 0


def _check_paths(output: Path, given: Path | None, picture: Path | None, *, force: bool) -> None:
    from ptycho.errors import InfrastructureError, UsageError

    problems = []
    if output.suffix != ".npz":
        problems.append(f"--output-file {output}: allowed: a name that ends in .npz")
    if given is not None and output.exists() and given.exists() and output.samefile(given):
        problems.append(f"--output-file {output} is the input file; give another name")
    for path in (output, picture):
        if path is not None and path.is_dir():
            problems.append(f"{path} is a folder; give the name of a file")
        elif path is not None and path.exists() and not force:
            problems.append(f"{path} is already there; give another name, or --force")
    if problems:
        raise UsageError("\n".join(problems))
    folder = output.parent
    if not folder.is_dir():
        raise InfrastructureError(f"--output-file {output}: there is no folder {folder}; create it first")
    if not os.access(folder, os.W_OK):
        raise InfrastructureError(f"--output-file {output}: {folder} is not writable; choose another folder")


def _write(args: argparse.Namespace, picture: Path | None) -> None:
    from ptycho.data import contract
    from ptycho.errors import UsageError
    from ptycho.simulation import simulate

    if args.input_file is not None:
        given = contract.load(args.input_file)
        if given.obj is None:
            raise UsageError(f"{args.input_file} has no objectGuess; give a file with an object, or no --input-file")
        probe, obj = given.probe, given.obj
        origin: object = {"file": args.input_file.name, "sha256": given.source.sha256}
        side = args.N
    else:
        side = args.N or 64
        probe, obj = simulate.own_probe_and_object(
            n_images=args.n_images, side=side, seed=args.seed, step_px=args.step, buffer=args.buffer
        )
        origin = "ptycho.synthetic"  # what the recorded digests of the fixtures were made with
    dataset = simulate.simulate(
        probe=probe,
        obj=obj,
        n_images=args.n_images,
        nphotons=args.n_photons,
        seed=args.seed,
        side=side,
        buffer=args.buffer,
        gridsize=args.gridsize,
        step_px=args.step,
        with_patches=args.patches,
        bad_pixels=None if args.bad_pixels is None else _mask(args.bad_pixels),
        provenance={"provenance": "scripts/simulation/simulate_and_save.py", "probe_and_object": origin},
    )
    contract.save(args.output_file, dataset, layout=args.layout)
    print(f"{args.output_file}: {dataset.n_patterns} patterns of {dataset.side}×{dataset.side}, {args.layout} layout")
    if picture is not None:
        from ptycho.inspect import figure, inspection

        figure.save(inspection.inspect(args.output_file), picture)
        print(f"{picture}: object and scan, probe, diffraction")


def _mask(path: Path) -> "NDArray[np.bool_]":
    import numpy as np

    from ptycho.errors import UsageError

    try:
        held = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"--bad-pixels {path}: {error}; allowed: an .npy file of true and false") from error
    if not isinstance(held, np.ndarray) or held.dtype != np.bool_:
        raise UsageError(f"--bad-pixels {path}: allowed: one boolean array, true where a pixel is bad")
    return held


if __name__ == "__main__":
    sys.exit(main())
