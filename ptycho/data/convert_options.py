"""The options of `convert` that change a scan; nothing heavy is imported, since `--help` must answer at once."""

import argparse
from pathlib import Path


def add(command: argparse.ArgumentParser) -> None:
    """The options of `convert` that change what is written."""
    option = command.add_argument
    option(
        "--map", metavar="NAME=PATH,…", help="which array is which, of an HDF5 or MATLAB file: diffraction=I,x=pos/x"
    )
    option("--patterns", type=Path, metavar="FILE", help="take patterns and mask from here: IN is a Ptychodus product")
    option("--product", type=Path, metavar="FILE", help="take probe, object and positions from here: IN has patterns")
    option("--mask", metavar="auto|FILE", help="bad pixels: found by what they hold, or of an .npy or .npz file")
    option("--mask-true-is", choices=("bad", "good"), help="polarity of FILE, where its name does not say")
    option("--drop-frames", metavar="auto|LIST", help="leave frames out: dead and far too bright ones, or 3,7-9")
    option("--position-unit", choices=("px", "m", "mm", "um", "nm", "angstrom", "pm"), help="unit of xcoords, ycoords")
    option("--pixel-size", type=float, metavar="METRES", help="of the object, where the file does not say")
    option("--swap-axes", action="store_true", help="exchange xcoords and ycoords")
    option("--flip", choices=("x", "y", "xy", "yx"), help="mirror positions along these axes")
    option("--transpose-frames", action="store_true", help="exchange the image axes of frames and masks")
    option("--order", choices=("raster", "scan_index"), help="order frames by row and column, or by scan_index")
    option("--bin", type=int, metavar="K", help="add the counts of K×K detector pixels")
    option("--side", type=int, metavar="N", help="crop or pad frames to 64, 128 or 256; 0: the fitting one")
    option("--patterns-out", type=Path, metavar="FILE", help="where the patterns of a Ptychodus product OUT.h5 go")
