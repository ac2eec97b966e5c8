"""
`python -m harness.faults.kill.stub_backend.inference`: what a trained network would give, from the file itself.

The stand-in has learnt no object, and a lane must not pass without one. So it reads its weights, which must be whole,
and writes the file's own object with noise; only such a file can be reconstructed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ptycho.data import contract
from ptycho.errors import PtychoError, exit_on_error
from ptycho.files import replacing
from ptycho.training import checkpoint, cli

_MARGIN_PX = 16
_NOISE_RAD = 0.01


def reconstruct(model: Path, scan: Path, folder: Path) -> None:
    """
    Write `reconstruction.npz`.

    Args:
        model: weights file, or the folder of a training.
        scan: file with its object.
        folder: output folder.

    Raises:
        CheckpointError: the weights are missing or damaged.
        PtychoError: the file does not hold its object.
    """
    import numpy as np

    checkpoint.load(checkpoint.find_model(model))
    truth = contract.load(scan).obj
    if truth is None:
        raise PtychoError(f"{scan} holds no object, and the stand-in knows no other; give a simulated scan")
    noise = np.random.default_rng(0).normal(0, _NOISE_RAD, truth.shape)
    height, width = truth.shape
    crop = np.array([_MARGIN_PX, height - _MARGIN_PX, _MARGIN_PX, width - _MARGIN_PX])
    inner = (truth * np.exp(1j * noise))[crop[0] : crop[1], crop[2] : crop[3]].astype(np.complex64)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "reconstruction.npz") as file:
        np.savez(file, object=inner, overlap=np.ones(inner.shape), crop=crop)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a command line and reconstruct."""
    with exit_on_error():
        given = list(sys.argv[1:] if arguments is None else arguments)
        config = cli.inference_config(given, prog="harness.faults.kill.stub_backend.inference")
        reconstruct(config.model_path, config.data.path, config.output_dir)


if __name__ == "__main__":
    main()
