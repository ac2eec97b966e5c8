"""
Scan files made to measure: good ones in either layout, and one builder for every way in which a file can be bad.

`BROKEN` is the list that each command line must refuse; every entry says what the error must say.
"""

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ptycho.physics import forward

Arrays = dict[str, NDArray[Any]]


def scan(m: int = 5, n: int = 64, seed: int = 0, photons: float = 1e5) -> Arrays:
    """Canonical arrays of a small consistent scan: counted diffraction of an asymmetric object at whole pixels."""
    rng = np.random.default_rng(seed)
    h, w = n + 30, n + 22
    axis = np.arange(n) - (n - 1) / 2
    width, height = (axis / (n / 7)) ** 2, (axis[:, None] / (n / 5)) ** 2
    probe = np.exp((-0.5 + 0.8j) * (width + height)).astype(np.complex64)
    # Texture of a few pixels, stronger along one axis: no flip, transposition or shift looks like it.
    frequency = np.fft.fftfreq(h)[:, None] * 12, np.fft.fftfreq(w) * 8
    grain = np.exp(-(frequency[0] ** 2) - frequency[1] ** 2)
    texture = np.fft.ifft2(np.fft.fft2(rng.normal(size=(2, h, w))) * grain).real
    phase, absorption = 0.4 * texture[0] / texture[0].std(), 0.05 * texture[1] / texture[1].std()
    obj = np.exp(1j * phase - np.abs(absorption)).astype(np.complex64)
    x, y = rng.integers(n // 2, w - n // 2, m), rng.integers(n // 2, h - n // 2, m)
    half = n // 2
    windows = np.stack([obj[j - half : j - half + n, i - half : i - half + n] for i, j in zip(x, y, strict=True)])
    rate = forward.intensity(windows, probe)
    counts = rng.poisson(rate * (photons / rate.sum(axis=(1, 2)).mean()))
    return {
        "diff3d": np.sqrt(counts).astype(np.float32),
        "probeGuess": probe,
        "objectGuess": obj,
        "xcoords": x.astype(np.float64),
        "ycoords": y.astype(np.float64),
    }


def legacy(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The same scan as the laboratory's programs store it: `diffraction` `(N, N, M)` float64, complex128."""
    changed = {key: array for key, array in arrays.items() if key != "diff3d"}
    for key in ("probeGuess", "objectGuess"):
        changed[key] = changed[key].astype(np.complex128)
    return {"diffraction": arrays["diff3d"].transpose(1, 2, 0).astype(np.float64), **changed}


def metadata(**values: Any) -> NDArray[Any]:
    """A `_metadata` member."""
    return np.array(json.dumps(values))


def write(path: Path, arrays: Mapping[str, NDArray[Any]], *, compressed: bool = False) -> Path:
    """Write arrays as NumPy does."""
    (np.savez_compressed if compressed else np.savez)(path, allow_pickle=True, **dict(arrays))
    return path


def npy_bytes(array: NDArray[Any]) -> bytes:
    """One array as the bytes of a `.npy` file."""
    stream = io.BytesIO()
    npy.write_array(stream, np.asanyarray(array))
    return stream.getvalue()


def npy_header(shape: Sequence[int], dtype: str = "<f4", *, fortran_order: bool = False) -> bytes:
    """The header of an array whose elements are someone else's business."""
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": fortran_order, "shape": tuple(shape)})
    return stream.getvalue()


def members(arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, bytes]]:
    """Names and bytes of the members that `write` would write."""
    return [(f"{key}.npy", npy_bytes(array)) for key, array in arrays.items()]


def zip_raw(path: Path, entries: Sequence[tuple[str, bytes]], *, compressed: bool = False) -> Path:
    """Write members as they come: any name, any bytes, twice if asked."""
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.filterwarnings("ignore", message="Duplicate name")
        for name, data in entries:
            archive.writestr(name, data)
    return path


def encrypt_flag(path: Path) -> Path:
    """Set the flag of an encrypted member on the first member, in its header and in the directory."""
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    data = bytearray(path.read_bytes())
    for position in (6, directory + 8):
        (flags,) = struct.unpack_from("<H", data, position)
        struct.pack_into("<H", data, position, flags | 0x1)
    path.write_bytes(data)
    return path


def replaced(**changes: NDArray[Any] | None) -> Arrays:
    """A good scan with some arrays replaced, or left out where the change is None."""
    return {key: array for key, array in {**scan(), **changes}.items() if array is not None}


@dataclass(frozen=True, kw_only=True)
class Broken:
    """
    A file that must be refused.

    Attributes:
        name: name of the case, for test ids.
        says: what the error must contain.
        build: writes the file into a folder and returns its path.
        header_level: whether it must be refused before any array is read.
    """

    name: str
    says: str
    build: Callable[[Path], Path]
    header_level: bool = True


def _arrays(name: str, says: str, make: Callable[[], Mapping[str, NDArray[Any]]], *, header: bool = True) -> Broken:
    return Broken(name=name, says=says, build=lambda at: write(at / f"{name}.npz", make()), header_level=header)


def _bytes(name: str, says: str, data: bytes) -> Broken:
    def build(at: Path) -> Path:
        path = at / f"{name}.npz"
        path.write_bytes(data)
        return path

    return Broken(name=name, says=says, build=build)


def _raw(name: str, says: str, make: Callable[[], Sequence[tuple[str, bytes]]], *, compressed: bool = False) -> Broken:
    return Broken(name=name, says=says, build=lambda at: zip_raw(at / f"{name}.npz", make(), compressed=compressed))


def _truncated(at: Path) -> Path:
    path = write(at / "truncated.npz", scan())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _damaged(at: Path) -> Path:
    """One flipped bit in the middle of the frames: only the checksum can tell."""
    path = write(at / "damaged.npz", scan())
    data = bytearray(path.read_bytes())
    data[50_000] ^= 1
    path.write_bytes(data)
    return path


def _set(key: str, index: tuple[int, ...], value: float) -> Arrays:
    arrays = scan()
    arrays[key][index] = value
    return arrays


def _bomb() -> list[tuple[str, bytes]]:
    zeros = npy_header((4096, 64, 64)) + bytes(4096 * 64 * 64 * 4)
    return [("diff3d.npy", zeros), *members(scan(4))[1:]]


_DIFF3D = "diff3d.npy"

BROKEN: tuple[Broken, ...] = (
    Broken(name="missing_file", says="no such file", build=lambda at: at / "missing.npz"),
    Broken(name="folder", says="not a regular file", build=lambda at: at),
    _bytes("empty", "it is empty", b""),
    _bytes("not_a_zip", "not a zip file", b"x,y\n1,2\n" * 100),
    _bytes("html", "an HTML page saved under this name", b"\n<!DOCTYPE html><html><body>Log in</body></html>"),
    _bytes("hdf5", "an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(500)),
    _bytes("npy", "a single .npy array", npy_bytes(np.zeros(3))),
    _bytes("lfs", "a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    Broken(name="truncated", says="truncated", build=_truncated),
    Broken(name="damaged", says="diff3d.npy: is truncated or damaged", build=_damaged, header_level=False),
    _arrays("missing_key", "missing key probeGuess", lambda: replaced(probeGuess=None)),
    _arrays("missing_frames", "missing key diff3d (or diffraction)", lambda: replaced(diff3d=None)),
    _arrays("real_y", "Y.npy is float32, not complex: the phase was lost", lambda: replaced(Y=scan()["diff3d"])),
    _arrays("real_probe", "probeGuess.npy is float64, not complex", lambda: replaced(probeGuess=np.ones((64, 64)))),
    _arrays("nan", "diff3d has NaN or infinite", lambda: _set("diff3d", (3, 5, 5), np.nan), header=False),
    _arrays("infinite", "diff3d has NaN or infinite", lambda: _set("diff3d", (3, 5, 5), np.inf), header=False),
    _arrays(
        "too_large_for_float32",
        "infinite (in float32)",
        lambda: replaced(diff3d=scan()["diff3d"].astype(np.float64) * 1e300),
        header=False,
    ),
    _arrays("nan_probe", "probeGuess: 1 of 4096", lambda: _set("probeGuess", (5, 5), np.nan), header=False),
    _arrays("nan_coordinate", "xcoords: 1 of 5 values", lambda: _set("xcoords", (2,), np.nan), header=False),
    _arrays("negative", "diff3d has negative values in 1 of 5", lambda: _set("diff3d", (3, 5, 5), -1), header=False),
    _arrays("dark", "diff3d is zero everywhere", lambda: replaced(diff3d=np.zeros((5, 64, 64), "f4")), header=False),
    _arrays("dark_probe", "probeGuess is zero", lambda: replaced(probeGuess=np.zeros((64, 64), "c8")), header=False),
    _arrays(
        "integer_counts",
        "holds integers (uint16) and its domain is not declared",
        lambda: replaced(diff3d=(scan()["diff3d"] ** 2).astype(np.uint16)),
    ),
    _arrays(
        "integer_amplitude",
        "holds integers (uint16) and its domain is 'amplitude'",
        lambda: replaced(
            diff3d=(scan()["diff3d"] ** 2).astype(np.uint16), _metadata=metadata(measurement_domain="amplitude")
        ),
    ),
    _arrays(
        "float_counts",
        "they look like counts",
        lambda: replaced(diff3d=np.rint(scan()["diff3d"] ** 2)),
        header=False,
    ),
    _arrays("half_precision", "dtype float16; allowed", lambda: replaced(diff3d=scan()["diff3d"].astype(np.float16))),
    _arrays(
        "coordinate_count",
        "M of coordinates ≠ M of frames",
        lambda: replaced(xcoords=scan()["xcoords"][:4], ycoords=scan()["ycoords"][:4]),
    ),
    _arrays("unequal_coordinates", "ycoords.npy has shape (4,)", lambda: replaced(ycoords=scan()["ycoords"][:4])),
    _arrays("no_patterns", "there are no patterns", lambda: replaced(xcoords=np.zeros(0), ycoords=np.zeros(0))),
    _arrays("flat_frames", "has shape (5, 4096); allowed", lambda: replaced(diff3d=np.ones((5, 4096), "f4"))),
    _arrays("ambiguous", "ambiguous layout: M = N = 64", lambda: scan(64)),
    _arrays(
        "small_object",
        "objectGuess.npy (60, 60) is smaller than the probe",
        lambda: replaced(objectGuess=scan()["objectGuess"][:60, :60]),
    ),
    _arrays("outside", "leave no half patch to spare", lambda: _set("xcoords", (1,), 80.5), header=False),
    _arrays("metres", "they look like metres", lambda: replaced(xcoords=scan()["xcoords"] * 1e-8), header=False),
    _arrays("pickled", "is a pickled object array", lambda: replaced(scan_index=np.array([{}] * 5, dtype=object))),
    _arrays(
        "pickled_metadata",
        "write the JSON text as a plain unicode array",
        lambda: replaced(_metadata=np.array({"nphotons": 1e9}, dtype=object)),
    ),
    _arrays("metadata_text", "is not JSON", lambda: replaced(_metadata=np.array("nphotons: 1e9"))),
    _arrays("metadata_list", "holds a JSON list", lambda: replaced(_metadata=np.array("[1]"))),
    _arrays("metadata_nan", "NaN is not a JSON value", lambda: replaced(_metadata=np.array('{"a": NaN}'))),
    _arrays("metadata_number", "is float64", lambda: replaced(_metadata=np.array(1.0))),
    _arrays("photons", "nphotons = -1; allowed", lambda: replaced(_metadata=metadata(nphotons=-1))),
    _arrays(
        "domain",
        "measurement_domain = 'intensity'",
        lambda: replaced(_metadata=metadata(measurement_domain="intensity")),
    ),
    _arrays(
        "contradicted_layout", "layout = 'legacy' contradicts", lambda: replaced(_metadata=metadata(layout="legacy"))
    ),
    _arrays("lonely_start", "xcoords_start is there without", lambda: replaced(xcoords_start=scan()["xcoords"])),
    _arrays("real_index", "scan_index.npy has dtype float64", lambda: replaced(scan_index=np.zeros(5))),
    _arrays("wrong_probe", "probeGuess.npy has shape (32, 32)", lambda: replaced(probeGuess=np.ones((32, 32), "c8"))),
    _arrays("wrong_y", "Y.npy has shape (4, 64, 64)", lambda: replaced(Y=np.ones((4, 64, 64), "c8"))),
    _arrays("side", "N = 48 is not supported; allowed: 64, 128, 256", lambda: scan(5, 48)),
    _arrays("unknown", "unknown member 'weights.npy'", lambda: replaced(weights=np.zeros(3))),
    _arrays("two_names", "are two names of diff3d", lambda: replaced(diffraction=scan()["diff3d"])),
    _raw("duplicate", "duplicate member diff3d.npy (2 times)", lambda: [*members(scan()), members(scan())[0]]),
    _raw("dotdot", "'../diff3d.npy' points outside the archive", lambda: [*members(scan()), ("../diff3d.npy", b"")]),
    _raw("absolute", "'/etc/x.npy' points outside the archive", lambda: [*members(scan()), ("/etc/x.npy", b"")]),
    _raw("no_members", "the zip directory is empty", list),
    _raw("no_header", "has no valid array header", lambda: [(_DIFF3D, b"not an array"), *members(scan())[1:]]),
    _raw(
        "negative_shape",
        "has a negative length",
        lambda: [(_DIFF3D, npy_header((-5, 64, 64))), *members(scan())[1:]],
    ),
    _raw("bomb", "a zip bomb", _bomb, compressed=True),
    _raw(
        "header_larger",
        "declares 16,384,000,000 bytes, larger than its data of 81,920",
        lambda: [(_DIFF3D, npy_header((1_000_000, 64, 64)) + bytes(81_920)), *members(scan())[1:]],
    ),
    _raw(
        "header_smaller",
        "the header lies about its data",
        lambda: [(_DIFF3D, npy_header((4, 64, 64)) + bytes(81_920)), *members(scan(4))[1:]],
    ),
    Broken(
        name="encrypted",
        says="diff3d.npy: is encrypted",
        build=lambda at: encrypt_flag(write(at / "encrypted.npz", scan())),
    ),
)
"""Every way of being refused that needs no argument; `--output_dir` and `--n_images` are the command lines' own."""
