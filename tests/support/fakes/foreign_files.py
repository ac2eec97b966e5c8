"""Scans as other programs store them: Ptychodus 1.7.0 (HDF5 and NPZ), CXI, MATLAB 7.3, made from canonical arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tests.support.crafted_npz import Arrays

PIXEL_M, DISTANCE_M, ENERGY_EV = 8e-9, 2.0, 10_000.0
WAVELENGTH_M = 1.2398419843320028e-10

HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 ."


def counts(arrays: Arrays) -> NDArray[np.uint16]:
    """Frames as counts."""
    return np.rint(arrays["diff3d"].astype(np.float64) ** 2).astype(np.uint16)


def ptychodus_npz(path: Path, arrays: Arrays, bad: NDArray[np.bool_] | None = None) -> Path:
    """What `save_ptychopinn_training_data` writes."""
    np.savez(
        path,
        xcoords=arrays["xcoords"],
        ycoords=arrays["ycoords"],
        xcoords_start=arrays["xcoords"],
        ycoords_start=arrays["ycoords"],
        diff3d=counts(arrays),
        bad_pixels=np.zeros(arrays["diff3d"].shape[1:], bool) if bad is None else bad,
        probeGuess=arrays["probeGuess"][None],
        objectGuess=arrays["objectGuess"],
        scan_index=np.zeros(len(arrays["xcoords"]), int),
    )
    return path


def ptychodus_training(path: Path, arrays: Arrays, bad: NDArray[np.bool_] | None = None) -> Path:
    """What `save_training_data` writes."""
    with h5py.File(path, "w") as file:
        given: Mapping[str, Any] = {
            "patterns": counts(arrays),
            "bad_pixels": np.zeros(arrays["diff3d"].shape[1:], bool) if bad is None else bad,
            "probe": arrays["probeGuess"][None],
            "object": arrays["objectGuess"],
            "probe_position_x_px": arrays["xcoords"],
            "probe_position_y_px": arrays["ycoords"],
        }
        for name, values in given.items():
            file.create_dataset(name, data=values, compression="lzf")
        for name in ("object_pixel_width_m", "object_pixel_height_m"):
            file.create_dataset(name, data=PIXEL_M)
        file.create_dataset("detector_object_distance_m", data=DISTANCE_M)
        file.create_dataset("photon_energy_eV", data=ENERGY_EV)
    return path


def ptychodus_product(path: Path, arrays: Arrays, indexes: NDArray[Any] | None = None, **attributes: Any) -> Path:
    """What `save_product` writes: no patterns, positions in metres about the object's centre."""
    height, width = arrays["objectGuess"].shape
    x_m = (arrays["xcoords"] - (width - 1) / 2) * PIXEL_M
    y_m = (arrays["ycoords"] - (height - 1) / 2) * PIXEL_M
    with h5py.File(path, "w") as file:
        stated = {
            "name": "scan",
            "comments": "",
            "detector_object_distance_m": DISTANCE_M,
            "photon_energy_eV": ENERGY_EV,
            "probe_photon_count": 1e5,
            "far_field": True,
        }
        file.attrs.update({**stated, **attributes})
        file["probe_position_indexes"] = np.arange(len(x_m)) if indexes is None else indexes
        file["probe_position_x_m"], file["probe_position_y_m"] = x_m, y_m
        file["probe"], file["object"] = arrays["probeGuess"][None, None], arrays["objectGuess"][None]
        for name in ("pixel_width_m", "pixel_height_m"):
            file["object"].attrs[name] = file["probe"].attrs[name] = PIXEL_M
        for name in ("center_x_m", "center_y_m"):
            file["object"].attrs[name] = 0.0
        file["object_layer_spacing_m"] = file["loss_epochs"] = file["loss_values"] = np.zeros(0)
    return path


def ptychodus_patterns(path: Path, frames: NDArray[Any], indexes: NDArray[Any] | None = None) -> Path:
    """What `save_diffraction_data` writes."""
    with h5py.File(path, "w") as file:
        file["indexes"] = np.arange(len(frames)) if indexes is None else indexes
        file.create_dataset("patterns", data=frames, compression="lzf")
        file["patterns"].attrs["detector_pixel_width_m"] = file["patterns"].attrs["detector_pixel_height_m"] = 75e-6
        file["bad_pixels"] = np.zeros(frames.shape[1:], bool)
    return path


def cxi(path: Path, arrays: Arrays, *, basis: bool = True, mask: NDArray[Any] | None = None) -> Path:
    """A far-field CXI file with soft links, a probe, and translations of the sample."""
    m, n, _ = arrays["diff3d"].shape
    pixel = WAVELENGTH_M * DISTANCE_M / (n * PIXEL_M)
    with h5py.File(path, "w") as file:
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["data"] = counts(arrays)
        detector["distance"], detector["x_pixel_size"], detector["y_pixel_size"] = DISTANCE_M, pixel, pixel
        detector["mask"] = np.zeros((n, n), np.uint32) if mask is None else mask
        if basis:
            detector["basis_vectors"] = np.array([[0, -pixel], [-pixel, 0], [0, 0]])
        file["entry_1/instrument_1/source_1/energy"] = 6.62607015e-34 * 299792458.0 / WAVELENGTH_M
        # Rows run down and columns to the left: the sample moves up and to the right by as much as the probe does not.
        moved = np.zeros((m, 3))
        moved[:, 0], moved[:, 1] = arrays["xcoords"] * PIXEL_M, arrays["ycoords"] * PIXEL_M
        file["entry_1/sample_1/geometry_1/translation"] = moved
        file.create_group("entry_1/data_1")
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        file["entry_1/data_1/translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")
        file["entry_1/image_1/data"] = arrays["probeGuess"][None]
        file["entry_1/instrument_1/source_1/illumination"] = h5py.SoftLink("/entry_1/image_1/data")
    return path


def matlab_73(path: Path, variables: Mapping[str, NDArray[Any]]) -> Path:
    """Variables as MATLAB 7.3 stores them: axes reversed, complex numbers as pairs, vectors of two axes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            stored = np.atleast_2d(values).T if values.ndim < 3 else values.transpose()
            if np.iscomplexobj(stored):
                pairs = np.empty(stored.shape, [("real", stored.real.dtype), ("imag", stored.real.dtype)])
                pairs["real"], pairs["imag"] = stored.real, stored.imag
                stored = pairs
            file[name.replace(".", "/")] = stored
    with path.open("r+b") as handle:
        handle.write(HEADER.ljust(124) + b"\x00\x02IM")
    return path
