"""
A scan on its way to the contract: frames of any size and oblong, positions in any unit, pixels that are none.

Read here is what `convert` changes before the contract looks at it: the same members and the same layout decision, but
no check of what the change is there to repair.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data import layout as file_layout
from ptycho.data import mapped_arrays, npz_reader, preflight, values
from ptycho.data.dataset import Dataset, Source
from ptycho.data.formats import ptychodus, recognise
from ptycho.data.formats.opened import Arrays
from ptycho.data.npy_header import UNREADABLE, Member
from ptycho.errors import ContractError, InfrastructureError, UsageError

VECTORS = ("xcoords", "ycoords", "xcoords_start", "ycoords_start", "scan_index")


@dataclass(frozen=True, kw_only=True)
class Scan:
    """
    A scan that may yet be changed. Frames are amplitudes in canonical order; nothing else is promised of them.

    Attributes:
        frames: `(M, H, W)` float32; NaN, infinite and negative values are as in the file.
        probe: `(P, H, W)` complex64.
        obj: `(H, W)` complex64, or None.
        vectors: positions and `scan_index`, `(M,)` each.
        bad_pixels: `(H, W)` or `(M, H, W)` bool, or None.
        metadata: the file's own.
        source: the file.
        declared: whether somebody said what the frames hold.
        notes: what was decided on the way, for people.
    """

    frames: NDArray[np.float32]
    probe: NDArray[np.complex64]
    obj: NDArray[np.complex64] | None
    vectors: Mapping[str, NDArray[Any]]
    bad_pixels: NDArray[np.bool_] | None
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    source: Source
    declared: bool = False
    notes: tuple[str, ...] = ()

    @property
    def dataset(self) -> Dataset:
        """The same as the contract's arrays, whatever they hold."""
        x, y = self.vectors["xcoords"], self.vectors["ycoords"]
        return Dataset(
            frames=self.frames,
            probe=self.probe,
            obj=self.obj,
            xcoords=x,
            ycoords=y,
            xcoords_start=self.vectors.get("xcoords_start", x),
            ycoords_start=self.vectors.get("ycoords_start", y),
            scan_index=self.vectors.get("scan_index", np.zeros(len(x), np.int64)),
            bad_pixels=self.bad_pixels,
            metadata=self.metadata,
            source=self.source,
        )


def read(path: Path, *, layout: str | None = None, measurement_domain: str | None = None, **others: Any) -> Scan:
    """
    Read a file of any format, without the checks of values, sides and units.

    Args:
        path: the file.
        layout: as in `contract.load`.
        measurement_domain: as in `contract.load`.
        others: of files of another format, as `recognise.opened` takes them.

    Raises:
        ContractError: it cannot be understood even so: missing or damaged members, types that are not numbers.
        InfrastructureError: it may not be read.
    """
    if recognise.is_foreign(path):
        with recognise.opened(path, **others) as opened:
            table = opened.arrays.members()
            problems = [*opened.violations, *(preflight.missing(list(table)) if table else ())]
            # A pixel size that is missing may be given as an option.
            problems = [text for text in problems if "--pixel-size METRES" not in text]
            return _scan(
                path, opened.arrays, table, opened.metadata, problems, opened.notes, layout, measurement_domain
            )
    members = preflight.survey(path)
    if not members.table:
        raise ContractError(path, members.violations)
    try:
        with zipfile.ZipFile(path) as archive:
            stated = members.table.get("_metadata")
            own = {} if stated is None else npz_reader.read_metadata(archive, stated)
            metadata = ptychodus.of_npz(members.table, own)
            table = {key: member for key, member in members.table.items() if key not in ("_metadata", "Y")}
            return _scan(path, archive, table, metadata, [*members.violations], (), layout, measurement_domain)
    except UNREADABLE as error:
        raise ContractError(path, [f"{error}"]) from error
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be read: {error.strerror or error}") from error


def _scan(
    path: Path,
    archive: zipfile.ZipFile | Arrays,
    table: Mapping[str, Member],
    metadata: Mapping[str, Any],
    problems: list[str],
    notes: tuple[str, ...],
    layout: str | None,
    domain: str | None,
) -> Scan:
    # What the changes are there to repair: sides, ranks of vectors, domain and shapes are looked at here.
    _, found = file_layout.decide(table, metadata, layout=layout, measurement_domain=domain)
    problems += [text for text in found if not _mended(text)]
    order, count = (layout or metadata.get("layout")), _length(table)
    if problems or count is None or "diff3d" not in table or len(table["diff3d"].shape) != 3:
        raise ContractError(path, problems or found or ["it has no frames and positions that belong together"])
    shape = table["diff3d"].shape
    fitting = [name for name, axis in (("canonical", 0), ("legacy", 2)) if shape[axis] == count]
    if order not in fitting and (order is not None or len(fitting) != 1):
        raise ContractError(path, found or [f"diff3d {shape} does not fit the {count} coordinates"])
    kind = order or fitting[0]
    measured = domain or metadata.get("measurement_domain")
    frames = mapped_arrays.empty(shape if kind == "canonical" else (shape[2], *shape[:2]), np.float32)
    convert = values.amplitude_of_counts if measured == "counts" else None
    view = frames if kind == "canonical" else frames.transpose(1, 2, 0)
    npz_reader.fill(archive, table["diff3d"], view, convert)
    vectors = {
        key: npz_reader.read(archive, table[key], np.int64 if key == "scan_index" else np.float64).reshape(-1)
        for key in VECTORS
        if key in table
    }
    with path.open("rb") as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    return Scan(
        frames=frames,
        probe=_modes(npz_reader.read(archive, table["probeGuess"], np.complex64)),
        obj=npz_reader.read(archive, table["objectGuess"], np.complex64) if "objectGuess" in table else None,
        vectors=vectors,
        bad_pixels=_mask(archive, table["bad_pixels"], kind) if "bad_pixels" in table else None,
        metadata=metadata,
        source=Source(path=path, sha256=sha256, layout=kind, measurement_domain=measured or "amplitude"),
        declared=measured is not None,
        notes=notes,
    )


def _mended(text: str) -> bool:
    """Whether a violation is of the kind that `convert` changes, or that is decided again afterwards."""
    return any(
        part in text
        for part in (
            "is not supported; allowed",
            "frames not square",
            "one value for each frame",
            "smaller than the probe",
            "probeGuess has shape",
            "allowed: (M, N, N), or",
        )
    ) or (" has shape " in text and ("probe" in text.lower() or "bad_pixels" in text))


def _length(table: Mapping[str, Member]) -> int | None:
    """M, by the coordinates: all of one length, whatever their rank."""
    lengths = {int(np.prod(table[key].shape, dtype=np.int64)) for key in ("xcoords", "ycoords") if key in table}
    return lengths.pop() if len(lengths) == 1 else None


def _modes(probe: NDArray[np.complex64]) -> NDArray[np.complex64]:
    if probe.ndim == 3 and probe.shape[-1] == 1:
        probe = probe[..., 0]
    if probe.ndim not in (2, 3):
        raise UsageError(f"probeGuess has shape {probe.shape}; allowed: (N, N), (P, N, N) or (N, N, 1)")
    return probe.reshape(-1, *probe.shape[-2:])


def _mask(archive: zipfile.ZipFile | Arrays, member: Member, layout: str) -> NDArray[np.bool_]:
    bad = npz_reader.read(archive, member) != 0
    return np.ascontiguousarray(bad.transpose(2, 0, 1)) if layout == "legacy" and bad.ndim == 3 else np.asarray(bad)
