"""
CXI files (NXcxi_ptycho): intensities, a mask in which 0 is good, and translations of the **sample**, in metres.

The detector's basis vectors say how its rows and columns lie in the laboratory; without them rows run down and columns
to the left as seen along the beam, as in cdtools. The probe moves against the sample. Object pixels follow from
wavelength, distance and detector pixel, which holds in the far field alone.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.formats import hdf5, near_field
from ptycho.data.formats.opened import Arrays, Column, ForeignFile, in_memory

_ENTRY = "entry_1"
_DETECTOR = f"{_ENTRY}/instrument_1/detector_1"
_SOURCE = f"{_ENTRY}/instrument_1/source_1"
_HAS_SIGNAL = 0x1000
"""The one bit of a mask with which a pixel is still good."""

_SAMPLED = 200


def is_one(file: Any) -> bool:
    """Whether an HDF5 file is CXI with a scan in it."""
    return hdf5.dataset(file, f"{_ENTRY}/data_1/data", f"{_DETECTOR}/data") is not None


def read(path: Path, file: Any) -> ForeignFile:
    """A CXI file as arrays under the contract's keys."""
    frames = hdf5.dataset(file, f"{_ENTRY}/data_1/data", f"{_DETECTOR}/data")
    assert frames is not None
    side = frames.shape[-1]
    energy = hdf5.number(file, f"{_SOURCE}/energy")
    wavelength = hdf5.number(file, f"{_SOURCE}/wavelength") or hdf5.wavelength_of(energy)
    distance = hdf5.number(file, f"{_DETECTOR}/distance")
    across, down = (hdf5.number(file, f"{_DETECTOR}/{axis}_pixel_size") for axis in "xy")
    pixel_x, pixel_y = (hdf5.far_field_pixel(wavelength, distance, size, side) for size in (across, down))
    columns: dict[str, Column] = {"diff3d": frames}
    violations, notes = [], []
    moved = hdf5.dataset(
        file, f"{_ENTRY}/data_1/translation", f"{_ENTRY}/sample_1/geometry_1/translation", f"{_DETECTOR}/translation"
    )
    if moved is not None:
        x_m, y_m = _probe_positions(file, moved.whole())
        window = side * (pixel_x or 0.0)
        shadow = near_field.find(_some(frames), x_m[_chosen(len(x_m))], y_m[_chosen(len(y_m))], window)
        if shadow is not None:
            violations.append(
                f"near field: neighbouring patterns are shifted by {shadow.shift_px:.1f} detector pixels, "
                f"{shadow.per_unit * 1e-6:.3g} for each µm of the stage, which explains {shadow.explained:.0%} of it: "
                f"a magnified shadow of the sample under a beam of {shadow.beam * 1e6:.3g} µm, where a far-field "
                f"window holds {window * 1e6:.3g} µm. The model is far field (one Fourier transform); allowed: "
                "far-field scans"
            )
        if pixel_x is None or pixel_y is None:
            violations.append(
                "the object pixel is unknown: wavelength or energy, distance or pixel size of the detector is missing; "
                "give it: python -m ptycho convert IN OUT --position-unit m --pixel-size METRES"
            )
            pixel_x = pixel_y = 1.0
        columns |= {"xcoords": in_memory(f"{moved.name} / pixel", x_m / pixel_x)}
        columns |= {"ycoords": in_memory(f"{moved.name} / pixel", y_m / pixel_y)}
        notes.append("positions: against the sample's translations, along the detector's basis")
    mask = hdf5.dataset(file, f"{_DETECTOR}/mask", f"{_ENTRY}/data_1/mask")
    if mask is not None:
        bits = mask.whole().astype(np.int64)
        columns["bad_pixels"] = in_memory(mask.name, (bits != 0) & (bits != _HAS_SIGNAL))
    probe = hdf5.dataset(file, f"{_ENTRY}/image_1/data", f"{_SOURCE}/illumination")
    if probe is not None and probe.kind.kind == "c":
        columns["probeGuess"] = probe
    elif probe is None:
        violations.append(
            "it has no probe: join the file with one: python -m ptycho convert IN OUT --product PRODUCT.h5"
        )
    obj = hdf5.dataset(file, f"{_ENTRY}/image_2/data")
    if obj is not None and obj.kind.kind == "c":
        columns["objectGuess"] = (
            in_memory(obj.name, obj.whole().reshape(obj.shape[-2:]))
            if obj.shape[:-2]
            in (
                (),
                (1,),
            )
            else obj
        )
    if pixel_x and pixel_y and abs(pixel_x / pixel_y - 1) > 1e-3:
        violations.append(f"object pixels are {pixel_x:.3g} × {pixel_y:.3g} m; allowed: square ones")
    stated: dict[str, Any] = {"measurement_domain": "counts", "format": "CXI"}
    known = {"pixel_size_m": pixel_x, "wavelength_m": wavelength, "detector_distance_m": distance}
    stated |= {name: value for name, value in known.items() if value is not None and value > 0}
    return ForeignFile(
        path=path,
        format="CXI (NXcxi_ptycho)",
        arrays=Arrays(columns=columns),
        metadata=stated,
        violations=tuple(violations),
        notes=tuple(notes),
    )


def _probe_positions(file: Any, translations: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Motion of the probe over the sample along detector columns (x) and rows (y), metres."""
    sample = np.zeros((len(translations), 3))
    sample[:, : translations.shape[-1]] = translations[:, :3]
    given = hdf5.dataset(file, f"{_DETECTOR}/basis_vectors")
    basis = np.array([[0.0, -1.0], [-1.0, 0.0], [0.0, 0.0]])
    if given is not None and sorted(given.shape) == [2, 3]:
        stored = given.whole().astype(np.float64)
        stored = stored.T if stored.shape == (2, 3) else stored
        length = np.linalg.norm(stored, axis=0)
        basis = stored / length if (length > 0).all() else basis
    rows_and_columns = -sample @ np.linalg.pinv(basis).T
    return rows_and_columns[:, 1], rows_and_columns[:, 0]


def _chosen(total: int) -> NDArray[np.intp]:
    """The first patterns: those that follow each other are neighbours."""
    return np.arange(min(_SAMPLED, total))


def _some(frames: Column) -> NDArray[Any]:
    return np.stack([np.sqrt(np.maximum(frames.block(int(k)).astype(np.float64), 0)) for k in _chosen(frames.shape[0])])
