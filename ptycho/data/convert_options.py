"""The options of `convert` that change a scan; nothing heavy is imported, since `--help` must answer at once."""

import argparse
from pathlib import Path


def add(command: argparse.ArgumentParser) -> None:
    """The options of `convert` that change what is written."""
    option = command.add_argument
    option("--map", metavar="NAME=PATH,…", help="Name the arrays of an HDF5 or MATLAB file, as diffraction=I,x=pos/x.")
    option(
        "--patterns",
        type=Path,
        metavar="FILE",
        help="Take patterns and mask from this file, for a Ptychodus product IN.",
    )
    option(
        "--product",
        type=Path,
        metavar="FILE",
        help="Take probe, object and positions from this product; IN has the patterns.",
    )
    option("--mask", metavar="auto|FILE", help="Mark bad pixels: auto finds them, a file lists them.")
    option("--mask-true-is", choices=("bad", "good"), help="Say what true means in the mask, if its name does not.")
    option(
        "--drop-frames",
        metavar="auto|LIST",
        help="Leave out dead and far too bright frames (auto), or those listed, as 3,7-9.",
    )
    option(
        "--position-unit",
        choices=("px", "m", "mm", "um", "nm", "angstrom", "pm"),
        help="Read xcoords and ycoords in this unit.",
    )
    option(
        "--pixel-size",
        type=float,
        metavar="METRES",
        help="Assume this pixel size of the object, if the file does not say.",
    )
    option("--swap-axes", action="store_true", help="Exchange xcoords and ycoords.")
    option("--flip", choices=("x", "y", "xy", "yx"), help="Mirror positions along these axes.")
    option("--transpose-frames", action="store_true", help="Exchange the image axes of frames and masks.")
    option("--order", choices=("raster", "scan_index"), help="Order frames by row and column, or by scan_index.")
    option("--bin", type=int, metavar="K", help="Add the counts of K×K detector pixels.")
    option("--side", type=int, metavar="N", help="Crop or pad frames to 64, 128 or 256; 0 takes the fitting one.")
    option(
        "--patterns-out",
        type=Path,
        metavar="FILE",
        help="Write the patterns of a Ptychodus product OUT.h5 into this file.",
    )
