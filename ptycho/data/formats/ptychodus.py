"""
Ptychodus 1.7: its training data (HDF5 and NPZ), its products, and its assembled patterns; a product is written, too.

Patterns are counts in the source's type. Positions of a product are metres about the centre of the object; in its
training data they are object pixels by the same formula, (x − centre) / pixel + (width − 1) / 2, and are taken as they
are. A product has no patterns: it is joined with a file of patterns by the indexes that both carry.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.dataset import Dataset
from ptycho.data.formats import hdf5
from ptycho.data.formats.opened import Arrays, Column, ForeignFile, in_memory
from ptycho.errors import UsageError

Real = NDArray[np.float64]

TRAINING = ("patterns", "probe", "object", "probe_position_x_px", "probe_position_y_px")
PRODUCT = ("probe", "object", "probe_position_x_m", "probe_position_y_m")
PATTERNS = ("patterns", "indexes")

_NPZ = frozenset(("diff3d", "bad_pixels", "probeGuess", "xcoords_start", "scan_index"))
"""What its training NPZ always holds; it never holds `_metadata`."""


def is_training(file: Any) -> bool:
    """Whether an HDF5 file is training data."""
    return all(hdf5.dataset(file, name) is not None for name in TRAINING)


def is_product(file: Any) -> bool:
    """Whether an HDF5 file is a product."""
    return all(hdf5.dataset(file, name) is not None for name in PRODUCT)


def is_patterns(file: Any) -> bool:
    """Whether an HDF5 file holds assembled patterns."""
    return all(hdf5.dataset(file, name) is not None for name in PATTERNS) and not is_training(file)


def of_npz(keys: Mapping[str, Any], metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an NPZ file says of itself by being Ptychodus's training data: that its frames are counts."""
    if metadata or "_metadata" in keys or not keys.keys() >= _NPZ:
        return metadata
    return {"measurement_domain": "counts", "format": "Ptychodus training data (NPZ)"}


def read_training(path: Path, file: Any) -> ForeignFile:
    """Training data."""
    frames, obj = _needed(file, "patterns"), _needed(file, "object")
    columns: dict[str, Column] = {
        "diff3d": frames,
        "probeGuess": _probe(_needed(file, "probe")),
        "objectGuess": _layer(obj),
        "xcoords": _needed(file, "probe_position_x_px"),
        "ycoords": _needed(file, "probe_position_y_px"),
    }
    _add_mask(file, columns)
    stated = _stated(file, hdf5.number(file, "object_pixel_width_m"), hdf5.number(file, "object_pixel_height_m"))
    return ForeignFile(
        path=path,
        format="Ptychodus training data (HDF5)",
        arrays=Arrays(columns=columns),
        metadata=stated | {"measurement_domain": "counts", "format": "Ptychodus training data (HDF5)"},
    )


def read_product(path: Path, file: Any) -> ForeignFile:
    """A product, of today's schema or the older one (`costs`, layer distances, `probe_energy_eV`)."""
    obj = _needed(file, "object")
    attributes = obj.values.attrs
    width, height = (float(attributes.get(f"pixel_{axis}_m", 0.0)) for axis in ("width", "height"))
    violations = ["it has no patterns: join it with a file of them: python -m ptycho convert IN OUT --patterns FILE"]
    columns = {"probeGuess": _probe(_needed(file, "probe")), "objectGuess": _layer(obj)}
    if width > 0 and height > 0:
        x_m, y_m = (_needed(file, f"probe_position_{axis}_m").whole().astype(np.float64) for axis in "xy")
        centre = (float(attributes.get("center_x_m", 0.0)), float(attributes.get("center_y_m", 0.0)))
        for key, metres, middle, pixel, pixels in (
            ("xcoords", x_m, centre[0], width, obj.shape[-1]),
            ("ycoords", y_m, centre[1], height, obj.shape[-2]),
        ):
            columns[key] = in_memory(f"probe_position_{key[0]}_m in pixels", to_pixels(metres, middle, pixel, pixels))
    else:
        violations.append("object: its pixel size is missing or 0; allowed: pixel_width_m and pixel_height_m above 0")
    far_field = file.attrs.get("far_field", True)
    if not bool(far_field):
        violations.append("near field, as the product says itself (far_field = False); the model is far field")
    stated = _stated(file, width, height)
    photons = hdf5.number(file, "probe_photon_count")
    if photons is not None and photons > 0:
        stated["nphotons"] = photons
    return ForeignFile(
        path=path,
        format="Ptychodus product (HDF5)",
        arrays=Arrays(columns=columns),
        metadata=stated | {"format": "Ptychodus product (HDF5)"},
        violations=tuple(violations),
        notes=("positions: metres about the object's centre, in object pixels",),
    )


def read_patterns(path: Path, file: Any) -> ForeignFile:
    """Assembled patterns: no scan by themselves."""
    columns = {"diff3d": _needed(file, "patterns")}
    _add_mask(file, columns)
    return ForeignFile(
        path=path,
        format="Ptychodus assembled patterns (HDF5)",
        arrays=Arrays(columns=columns),
        metadata={"measurement_domain": "counts", "format": "Ptychodus assembled patterns (HDF5)"},
        violations=(
            "it has patterns alone: join it with a product: python -m ptycho convert PRODUCT OUT --patterns IN",
        ),
    )


def indexes_of(file: Any) -> NDArray[np.int64] | None:
    """Return the position of each pattern, or of each row of positions."""
    found = hdf5.dataset(file, "probe_position_indexes", "indexes")
    return None if found is None else found.whole().astype(np.int64)


def to_pixels(metres: Real, centre: float, pixel: float, pixels: int) -> Real:
    """Positions in object pixels, by Ptychodus's own formula."""
    return (metres - centre) / pixel + (pixels - 1) / 2


def to_metres(pixels: Real, pixel: float, length: int) -> Real:
    """
    Positions in metres about the object's centre that `to_pixels` brings back to the same floats.

    The nearest product may come back one unit in the last place off: its neighbours are then tried.
    """
    metres = (pixels - (length - 1) / 2) * pixel
    for _ in range(64):
        back = to_pixels(metres, 0.0, pixel, length)
        if (back == pixels).all():
            break
        metres = np.where(back < pixels, np.nextafter(metres, np.inf), metres)
        metres = np.where(back > pixels, np.nextafter(metres, -np.inf), metres)
    return metres


def write(path: Path, dataset: Dataset, patterns: Path | None = None) -> None:
    """
    Write a scan as a product that Ptychodus opens, and its patterns as the file that it assembles them into.

    Args:
        path: the product.
        dataset: the scan.
        patterns: where the patterns go; None leaves them out.

    Raises:
        UsageError: no object, or metadata without a pixel size.
        InfrastructureError: the folder is missing, not writable, or full.
    """
    import h5py

    from ptycho.data import units
    from ptycho.files import replacing

    pixel = units.pixel_size(dataset.metadata)
    problems = []
    if pixel is None:
        problems.append("its pixel size is unknown; give it: --pixel-size METRES")
    if dataset.obj is None:
        problems.append("it has no objectGuess, which a product must have")
    if pixel is None or dataset.obj is None:
        raise UsageError(f"{path} cannot be written as a Ptychodus product: {'; '.join(problems)}")
    obj = dataset.obj
    with replacing(path) as handle, h5py.File(handle, "w") as file:
        file.attrs["name"], file.attrs["comments"] = path.stem, ""
        for name, key in (("detector_object_distance_m", "detector_distance_m"), ("photon_energy_eV", None)):
            file.attrs[name] = float(dataset.metadata.get(key, 0.0)) if key else _energy_ev(dataset.metadata)
        file.attrs["probe_photon_count"] = float(dataset.nphotons or 0.0)
        for name in ("exposure_time_s", "mass_attenuation_m2_per_kg", "tomography_angle_deg"):
            file.attrs[name] = 0.0
        file.attrs["focus_object_distance_m"], file.attrs["tilt_angle_deg"], file.attrs["far_field"] = 0.0, 0.0, True
        file.create_dataset("probe_position_indexes", data=np.arange(dataset.n_patterns))
        file.create_dataset("probe_position_x_m", data=to_metres(dataset.xcoords, pixel, obj.shape[1]))
        file.create_dataset("probe_position_y_m", data=to_metres(dataset.ycoords, pixel, obj.shape[0]))
        for name, values in (("probe", dataset.probe[None]), ("object", obj[None])):
            written = file.create_dataset(name, data=values)
            written.attrs["pixel_width_m"] = written.attrs["pixel_height_m"] = pixel
            if name == "object":
                written.attrs["center_x_m"] = written.attrs["center_y_m"] = 0.0
        for name in ("object_layer_spacing_m", "loss_epochs", "loss_values"):
            file.create_dataset(name, data=np.zeros(0))
    if patterns is not None:
        with replacing(patterns) as handle, h5py.File(handle, "w") as file:
            _write_patterns(file, dataset, float(dataset.metadata.get("detector_pixel_size_m", 0.0)))


def _write_patterns(file: Any, dataset: Dataset, pixel: float) -> None:
    """Counts again where amplitudes are roots of whole numbers; else intensities."""
    m, n = dataset.n_patterns, dataset.side
    whole = all((np.abs(block - np.rint(block)) < 1e-3 * np.maximum(1, block)).all() for block in _intensities(dataset))
    stored = file.create_dataset("patterns", shape=(m, n, n), dtype=np.int64 if whole else np.float64)
    start = 0
    for block in _intensities(dataset):
        stored[start : start + len(block)] = np.rint(block) if whole else block
        start += len(block)
    stored.attrs["detector_pixel_width_m"] = stored.attrs["detector_pixel_height_m"] = pixel
    file.create_dataset("indexes", data=np.arange(m))
    bad = dataset.bad_pixels
    if bad is not None and bad.ndim == 3:
        raise UsageError("Ptychodus knows one mask for all patterns; this scan has one for each")
    file.create_dataset("bad_pixels", data=np.zeros((n, n), bool) if bad is None else bad)


def _intensities(dataset: Dataset) -> Any:
    for start in range(0, dataset.n_patterns, 256):
        yield dataset.frames[start : start + 256].astype(np.float64) ** 2


def _energy_ev(metadata: Mapping[str, Any]) -> float:
    wavelength = metadata.get("wavelength_m")
    if not isinstance(wavelength, int | float) or not wavelength > 0:
        return 0.0
    return hdf5.PLANCK_J_S * hdf5.LIGHT_M_S / float(wavelength) / hdf5.ELECTRONVOLT_J


def _needed(file: Any, name: str) -> Column:
    found = hdf5.dataset(file, name)
    if found is None:
        raise KeyError(name)
    return found


def _add_mask(file: Any, columns: dict[str, Column]) -> None:
    mask = hdf5.dataset(file, "bad_pixels")
    if mask is not None and bool(np.any(mask.whole())):
        columns["bad_pixels"] = in_memory(mask.name, mask.whole() != 0)


def _probe(column: Column) -> Column:
    """Modes `(P, H, W)`: of several sets for single patterns (OPR) the first."""
    if len(column.shape) == 4:
        return in_memory(f"{column.name}[0]", column.block(0))
    return column


def _layer(column: Column) -> Column:
    """`(H, W)`: a single layer's; of a multislice object all, which the contract refuses."""
    if len(column.shape) == 3 and column.shape[0] == 1:
        return in_memory(column.name, column.block(0))
    return column


def _stated(file: Any, width: float | None, height: float | None) -> dict[str, Any]:
    stated: dict[str, Any] = {}
    if width and height and width > 0 and abs(width / height - 1) < 1e-6:
        stated["pixel_size_m"] = width
    energy = hdf5.number(file, "photon_energy_eV", "probe_energy_eV")
    wavelength = hdf5.wavelength_of(None if energy is None else energy * hdf5.ELECTRONVOLT_J)
    distance = hdf5.number(file, "detector_object_distance_m")
    known = {"wavelength_m": wavelength, "detector_distance_m": distance}
    return stated | {name: value for name, value in known.items() if value is not None and value > 0}
