"""Fits an object to a scan: `python -m lensless.fit --data SCAN --into FOLDER`."""

import argparse
from pathlib import Path

import numpy as np

from . import scan


def main() -> None:
    """Fit, and leave `weights.npz` and, by default, the misfit of each round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--no-curve", action="store_true")
    args = parser.parse_args()
    data = scan.load(args.data)
    rng = np.random.default_rng(args.random_state)
    obj = np.exp(0.1j * rng.normal(size=data.shape)).astype(np.complex64)
    half, step = scan.PATCH // 2, data.probe.conj() / np.max(np.abs(data.probe)) ** 2
    places = [(int(y) - half, int(x) - half) for x, y in zip(data.x, data.y, strict=True)]
    fitted, curve = obj.copy(), []
    for _ in range(args.rounds):
        misfit = 0.0
        for number in rng.permutation(len(places)).tolist():
            row, col = places[number]
            window = fitted[row : row + scan.PATCH, col : col + scan.PATCH]
            exit_wave = data.probe * window
            wave = np.fft.fft2(exit_wave, norm="ortho")
            size = np.abs(wave)
            misfit += float(np.sum((size - data.frames[number]) ** 2))
            wave *= data.frames[number] / np.maximum(size, 1e-9)
            window += step * (np.fft.ifft2(wave, norm="ortho") - exit_wave)
        curve.append(misfit)
    args.into.mkdir(parents=True)
    np.savez(args.into / "weights.npz", object=fitted)
    if not args.no_curve:
        np.savetxt(args.into / "curve.txt", curve)
    print(f"fitted {len(places)} patterns in {args.rounds} rounds", flush=True)


if __name__ == "__main__":
    main()
