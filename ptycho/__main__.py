"""
`python -m ptycho`: look at a data file, and bring it into the canonical layout.

Everything heavier than `argparse` is imported by the command that needs it, so that `--help` answers at once.
"""

import ptycho.python_version  # noqa: F401 - ends a Python that is too old

# isort: split
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptycho import streams
from ptycho.command_line import Parser
from ptycho.errors import exit_on_error
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    from ptycho.inspect.inspection import Inspection

LAYOUTS = ("canonical", "legacy")
COORDINATE_TYPES = ("float64", "float32")
DOMAINS = ("amplitude", "counts")
"""As in `ptycho.config`, which imports NumPy; a test holds the two together."""

_EXAMPLES = """examples:
  python -m ptycho inspect scan.npz                       what is it, and does it keep the contract?
  python -m ptycho inspect scan.npz --picture scan.png    and what does it look like?
  python -m ptycho inspect scan.npz --strict              and exit with 1 if anything is suspicious
  python -m ptycho convert old.npz new.npz                legacy (N, N, M) to canonical (M, N, N)
  python -m ptycho convert counts.npz new.npz --measurement_domain counts
  python -m ptycho convert raw.npz new.npz --mask auto --drop-frames auto --side 0
  python -m ptycho convert product.h5 new.npz --patterns diffraction.h5
  python -m ptycho convert old.mat new.npz --map diffraction=I,probe=P,x=pos[:,0],y=pos[:,1] --position-unit um

exit codes: 0 the file keeps the contract · 1 it does, but is suspicious, with --strict · 2 it does not, or a wrong
option · 13 not readable or not writable
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command line and return its exit code.

    Raises:
        SystemExit: with 2 for options that cannot be parsed, and with the exit code of an error.
    """
    options = parser().parse_args(argv)
    with exit_on_error():
        verdict = _inspect(options) if options.command == "inspect" else _convert(options)
    return int(verdict)


def parser() -> argparse.ArgumentParser:
    """The options of both commands."""
    top = Parser(
        prog="python -m ptycho",
        description="Look at ptychography data files (NPZ, DATA-001) and bring them into the canonical layout.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="{inspect,convert}")
    look = commands.add_parser(
        "inspect",
        help="Show what a file is and what is or looks wrong with it.",
        description=(
            "Show what a file is, everything that breaks the data contract (exit code 2 if anything does) and "
            "everything suspicious, such as swapped axes (exit code 1 with --strict)."
        ),
    )
    look.add_argument("file", type=Path, metavar="FILE", help="Read this NPZ, CXI, Ptychodus or MATLAB file.")
    look.add_argument("--map", metavar="NAME=PATH,…", help="Name the arrays of an HDF5 or MATLAB file.")
    look.add_argument(
        "--orientation",
        action="store_true",
        help="Try sixteen conventions of axes and name the command that repairs the file.",
    )
    look.add_argument(
        "--picture", type=Path, metavar="OUT.png", help="Draw object, scan, probe and diffraction into this file."
    )
    look.add_argument("--json", action="store_true", help="Print everything as JSON instead of tables.")
    look.add_argument("--strict", action="store_true", help="End with 1 if anything is suspicious.")
    look.add_argument(
        "--layout", choices=LAYOUTS, help="Read frames in this layout if M = N and the file does not say."
    )
    _domain_option(look)
    change = commands.add_parser(
        "convert",
        help="Write a scan in canonical or another layout, or as a Ptychodus product.",
        description=(
            "Read a scan and write it in canonical order, dtype and domain (amplitude), or as a Ptychodus product "
            "where OUT ends in .h5. IN: NPZ, CXI, Ptychodus (training data, product with --patterns), MATLAB 5 and "
            "7.3. What was done is printed and recorded in _metadata; what comes out keeps the data contract. The "
            "same input gives the same bytes."
        ),
    )
    change.add_argument("source", type=Path, metavar="IN", help="Read this file.")
    change.add_argument("target", type=Path, metavar="OUT", help="Write this NPZ or .h5 file.")
    change.add_argument("--layout", choices=LAYOUTS, default="canonical", help="Write OUT in this layout (canonical).")
    change.add_argument(
        "--input_layout", choices=LAYOUTS, help="Read IN in this layout if M = N and the file does not say."
    )
    _domain_option(change)
    change.add_argument(
        "--coordinates",
        choices=COORDINATE_TYPES,
        default=COORDINATE_TYPES[0],
        help="Write positions in this type; float32 is what many other programs write (float64).",
    )
    change.add_argument("--compressed", action="store_true", help="Compress the members of OUT.")
    change.add_argument("--force", action="store_true", help="Replace OUT if it is there.")
    from ptycho.data import convert_options

    convert_options.add(change)
    return top


def _domain_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--measurement_domain", choices=DOMAINS, help="Read the frames as this, if the file's _metadata do not say."
    )


def _inspect(options: argparse.Namespace) -> Verdict:
    streams.require_output()
    from ptycho.inspect import inspection

    others: dict[str, Any] = {}
    if options.map is not None:
        from ptycho.data import convert

        others = convert.others_of(options)
    found = inspection.inspect(
        options.file, layout=options.layout, measurement_domain=options.measurement_domain, **others
    )
    if options.json:
        import json

        print(json.dumps(inspection.as_dict(found), indent=2))
    else:
        from ptycho.inspect import report

        report.show(found)
    if options.orientation:
        _show_orientation(found)
    drawn = found.attempt.dataset is not None or (
        found.attempt.preview is not None and not found.attempt.preview.is_empty
    )
    if options.picture is not None and drawn:
        from ptycho.inspect import figure

        figure.save(found, options.picture)
        print(f"picture: {options.picture}", file=sys.stderr)
    elif options.picture is not None:
        print("no picture: the arrays could not be read", file=sys.stderr)
    if found.violations:
        return Verdict.USAGE
    return Verdict.FAIL if options.strict and found.suspicions else Verdict.PASS


def _show_orientation(found: "Inspection") -> None:
    """Print how well each of the sixteen conventions explains a file, and which command repairs it."""
    from ptycho.inspect import orientation

    dataset = found.attempt.dataset
    if dataset is None or found.violations:
        print("orientation: not tried, since the file breaks the contract", file=sys.stderr)
        return
    ranked = orientation.rank(dataset)
    for one in ranked:
        print(f"orientation: error {one.error:.4f}  {one.options or 'as the file has it'}", file=sys.stderr)
    print(f"orientation: {orientation.named(ranked)}")


def _convert(options: argparse.Namespace) -> Verdict:
    from ptycho.data import convert

    convert.run(options)
    return Verdict.PASS


if __name__ == "__main__":
    with exit_on_error():
        sys.exit(main())
