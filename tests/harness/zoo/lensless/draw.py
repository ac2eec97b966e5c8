"""Draws a fitted object patch by patch: `python -m lensless.draw --weights FOLDER --data SCAN --into FOLDER`."""

import argparse
from pathlib import Path

import numpy as np

from . import scan

KEPT = 20


def main() -> None:
    """Cut each patch out of the fit, lay its middle at its position, divide by how often a pixel was covered."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    args = parser.parse_args()
    data = scan.load(args.data)
    with np.load(args.weights / "weights.npz", allow_pickle=False) as arrays:
        fitted = arrays["object"]
    half = KEPT // 2
    patches = [
        fitted[int(y) - half : int(y) + half, int(x) - half : int(x) + half]
        for x, y in zip(data.x, data.y, strict=True)
    ]
    across, down = data.x, data.y
    total, count = np.zeros(data.shape, np.complex128), np.zeros(data.shape)
    for patch, x, y in zip(patches, across, down, strict=True):
        here = np.s_[int(y) - half : int(y) + half, int(x) - half : int(x) + half]
        total[here] += patch
        count[here] += 1
    rows, cols = np.flatnonzero(count.any(axis=1)), np.flatnonzero(count.any(axis=0))
    box = (int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1)
    inner = np.s_[box[0] : box[1], box[2] : box[3]]
    painting = total[inner] / np.maximum(count[inner], 1)
    args.into.mkdir(parents=True)
    np.savez(args.into / "painting.npz", psi=painting.astype(np.complex64), hits=count[inner], box=np.array(box))
    print("drawn", flush=True)


if __name__ == "__main__":
    main()
