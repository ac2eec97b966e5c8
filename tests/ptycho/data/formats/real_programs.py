"""
Run by an interpreter that has Ptychodus or cdtools, and nothing of this project: what the real programs write and read.

`ptychodus-write IN.npz FOLDER`, `ptychodus-read PRODUCT PATTERNS OUT.npz`, `cdtools-write IN.npz OUT.cxi` and
`cdtools-read IN.cxi OUT.npz`. Arrays come and go as NPZ files.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

PIXEL_M, DISTANCE_M, ENERGY_EV, DETECTOR_M = 8e-9, 2.0, 10_000.0, 75e-6


def ptychodus_write(given: Any, folder: Path) -> None:
    """Training data in both forms, a product, and assembled patterns."""
    from ptychodus.api.assemble import AssembledDiffractionData
    from ptychodus.api.geometry import PixelGeometry
    from ptychodus.api.io import (
        save_diffraction_data,
        save_product,
        save_ptychopinn_training_data,
        save_training_data,
    )
    from ptychodus.api.object import Object, ObjectCenter
    from ptychodus.api.probe import ProbeSequence
    from ptychodus.api.probe_positions import ProbePosition, ProbePositionSequence
    from ptychodus.api.product import Product, ProductMetadata
    from ptychodus.api.reconstruct import ReconstructInput

    pixel = PixelGeometry(width_m=PIXEL_M, height_m=PIXEL_M)
    points = [ProbePosition(k, x, y) for k, (x, y) in enumerate(zip(given["x_m"], given["y_m"], strict=True))]
    product = Product(
        metadata=ProductMetadata("scan", "", DISTANCE_M, ENERGY_EV, 1e5, 0.0, 0.0, 0.0),
        probe_positions=ProbePositionSequence(points),
        probes=ProbeSequence(array=given["probe"], opr_weights=None, pixel_geometry=pixel),
        object_=Object(given["object"], pixel, ObjectCenter(x_m=float(given["centre"]), y_m=0.0)),
        losses=[],
    )
    scan = ReconstructInput(given["patterns"], given["bad_pixels"], product)
    save_ptychopinn_training_data(folder / "training.npz", scan, inpaint_bad_pixels=False)
    save_training_data(folder / "training.h5", scan, inpaint_bad_pixels=False)
    save_product(folder / "product.h5", product)
    detector = PixelGeometry(width_m=DETECTOR_M, height_m=DETECTOR_M)
    count = np.arange(len(points))
    save_diffraction_data(
        folder / "patterns.h5", AssembledDiffractionData(count, given["patterns"], detector, given["bad_pixels"])
    )
    geometry = product.object_.get_geometry()
    np.savez(
        folder / "pixels.npz",
        x=geometry.map_probe_positions_to_object_x_px(product.probe_positions),
        y=geometry.map_probe_positions_to_object_y_px(product.probe_positions),
    )


def ptychodus_read(product_path: Path, patterns: Path, out: Path) -> None:
    """What Ptychodus makes of a product and of assembled patterns."""
    from ptychodus.api.io import load_diffraction_data, load_product

    product, data = load_product(product_path), load_diffraction_data(patterns)
    geometry = product.object_.get_geometry()
    np.savez(
        out,
        x=geometry.map_probe_positions_to_object_x_px(product.probe_positions),
        y=geometry.map_probe_positions_to_object_y_px(product.probe_positions),
        probe=product.probes.get_probe_no_opr().get_array(),
        object=product.object_.get_layer(0),
        patterns=data._patterns,
        bad_pixels=data._bad_pixels,
        far_field=product.metadata.far_field,
    )


def cdtools_write(given: Any, out: Path) -> None:
    """A scan as cdtools stores it."""
    import torch
    from cdtools.datasets import Ptycho2DDataset

    side = given["patterns"].shape[-1]
    wavelength = 1.2398419843320028e-10
    pixel = wavelength * DISTANCE_M / (side * PIXEL_M)
    basis = np.array([[0, -pixel], [-pixel, 0], [0, 0]])
    moved = np.stack([given["x_m"], given["y_m"], 0 * given["x_m"]], axis=1)
    dataset = Ptycho2DDataset(
        torch.as_tensor(moved),
        torch.as_tensor(given["patterns"].astype(np.float32)),
        wavelength=wavelength,
        detector_geometry={"distance": DISTANCE_M, "basis": basis, "corner": None},
        mask=torch.as_tensor(~given["bad_pixels"]),
    )
    dataset.to_cxi(str(out))


def cdtools_read(path: Path, out: Path) -> None:
    """Positions in object pixels (x, y), patterns and mask, by cdtools's own functions."""
    import h5py
    import torch
    from cdtools.datasets import Ptycho2DDataset
    from cdtools.tools import initializers, interactions

    with h5py.File(path) as file:
        dataset = Ptycho2DDataset.from_cxi(file)
    geometry = dataset.detector_geometry
    basis = initializers.exit_wave_geometry(
        geometry["basis"], dataset.patterns.shape[-2:], dataset.wavelength, geometry["distance"]
    )
    pixels = interactions.translations_to_pixel(torch.as_tensor(basis), dataset.translations).numpy()
    np.savez(
        out, x=pixels[:, 1], y=pixels[:, 0], patterns=dataset.patterns.numpy(), bad_pixels=~dataset.mask.bool().numpy()
    )


def main(words: list[str]) -> None:
    """Run one of the commands."""
    command, *rest = words
    paths = [Path(word) for word in rest]
    if command.endswith("write"):
        with np.load(paths[0]) as archive:
            given = {name: archive[name] for name in archive.files}
        (ptychodus_write if command.startswith("ptychodus") else cdtools_write)(given, paths[1])
    elif command == "ptychodus-read":
        ptychodus_read(*paths)
    else:
        cdtools_read(*paths)


if __name__ == "__main__":
    main(sys.argv[1:])
