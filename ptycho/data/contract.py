"""
DATA-001: from an NPZ file to a frozen, canonical `Dataset`, or to one error that lists every violation.

Three stages, each only reached when the one before found nothing: zip directory and headers (`preflight`), what the
headers mean together (`layout`), and the values (here). The first two read no array, so that a wrong file is
refused in milliseconds however large it is. Files are written by `npz_writer`, which `save` comes from.
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
from ptycho.data import mapped_arrays, masks, npz_reader, preflight, values
from ptycho.data.dataset import Dataset, Source
from ptycho.data.formats import preview, ptychodus, recognise
from ptycho.data.formats.opened import Arrays
from ptycho.data.formats.preview import Preview
from ptycho.data.layout import FileLayout
from ptycho.data.masked_frames import Frames, MaskedFrames
from ptycho.data.npy_header import UNREADABLE, Member, why_unreadable
from ptycho.data.npz_writer import save
from ptycho.data.preflight import FileLimits, Members
from ptycho.errors import ContractError, InfrastructureError

__all__ = ["ReadResult", "attempt", "load", "save"]


@dataclass(frozen=True, kw_only=True)
class ReadResult:
    """
    Result of reading a file, as far as it could be read.

    Attributes:
        members: zip directory and headers.
        metadata: the file's own, empty where it has none or it is unreadable.
        reading: layout, domain and sizes, or None where they could not be decided.
        dataset: the arrays, or None where they could not be read. With violations it is for showing only.
        violations: everything that was found wrong.
        notes: what was decided on the way, for people; of other formats only.
        preview: what can be shown of a file of another format.
    """

    members: Members
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    reading: FileLayout | None = None
    dataset: Dataset | None = None
    violations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    preview: Preview | None = None


def load(
    path: Path | str,
    *,
    layout: str | None = None,
    measurement_domain: str | None = None,
    expect_side: int | None = None,
    limits: FileLimits | None = None,
    **others: Any,
) -> Dataset:
    """
    Read a file that keeps the data contract, in either layout, into canonical order, dtype and domain.

    Legacy frames `(N, N, M)` are transposed to `(M, N, N)`, frame m being `legacy[:, :, m]`. Counts become
    amplitudes, √counts, computed in float64. float32 amplitudes arrive bit for bit.

    Args:
        path: the NPZ file.
        layout: `"canonical"` or `"legacy"`; needed only when M = N and the metadata do not say.
        measurement_domain: `"amplitude"` or `"counts"`; needed for counts whose metadata do not say.
        expect_side: refuse any other patch side N.
        limits: how large the file may claim to be.
        others: of files of another format, as `ptycho.data.formats.recognise.opened` takes them.

    Raises:
        ContractError: listing every violation found.
        InfrastructureError: the file is there but may not be read.
    """
    options: dict[str, Any] = {"layout": layout, "measurement_domain": measurement_domain, **others}
    result = attempt(path, expect_side=expect_side, limits=limits, **options)
    if result.dataset is None or result.violations:
        raise ContractError(path, result.violations)
    return result.dataset


def attempt(
    path: Path | str,
    *,
    layout: str | None = None,
    measurement_domain: str | None = None,
    expect_side: int | None = None,
    limits: FileLimits | None = None,
    **others: Any,
) -> ReadResult:
    """As `load`, but hand back the violations with whatever could be read instead of raising."""
    if recognise.is_foreign(Path(path)):
        return _foreign(
            Path(path), layout=layout, measurement_domain=measurement_domain, expect_side=expect_side, **others
        )
    members = preflight.survey(path, limits=limits)
    if not members.table:
        return ReadResult(members=members, violations=members.violations)
    violations = list(members.violations)
    try:
        with zipfile.ZipFile(members.path) as archive:
            metadata = ptychodus.of_npz(members.table, _metadata(archive, members, violations))
            found, problems = file_layout.decide(
                members.table,
                metadata,
                layout=layout,
                measurement_domain=measurement_domain,
                expect_side=expect_side,
            )
            violations += problems
            dataset = None
            if found is not None and not violations:
                dataset = _read(archive, members, found, metadata, violations)
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be read: {error.strerror or error}") from error
    if dataset is None and not violations:  # a refusal says why, whatever a stage forgot
        violations.append("it cannot be read as a scan; compare its arrays with the data contract: inspect shows them")
    if dataset is not None and found is not None:
        violations += values.violations(dataset, declared=found.declared)
    return ReadResult(members=members, metadata=metadata, reading=found, dataset=dataset, violations=tuple(violations))


def _foreign(
    path: Path, *, mapping: Any = None, patterns: Any = None, product: Any = None, **options: Any
) -> ReadResult:
    """A file of another format: the same stages, on arrays under the same keys."""
    try:
        with recognise.opened(path, mapping=mapping, patterns=patterns, product=product) as opened:
            table = MappingProxyType(opened.arrays.members())
            members = Members(path=path, table=table, violations=opened.violations)
            violations = [*opened.violations]
            if table:
                violations += preflight.missing(list(table))
            found, problems = file_layout.decide(table, opened.metadata, **options)
            violations += problems
            dataset, shown = None, preview.of(opened)
            if found is not None and not violations:
                dataset = _read(opened.arrays, members, found, opened.metadata, violations)
            notes = opened.notes
            metadata = MappingProxyType(dict(opened.metadata))
    except ContractError as error:
        return ReadResult(members=Members(path=path, violations=error.violations), violations=error.violations)
    except (OSError, KeyError) as error:
        raise InfrastructureError(f"{path} cannot be read: {error}") from error
    if dataset is not None and found is not None:
        violations += values.violations(dataset, declared=found.declared)
    return ReadResult(
        members=members,
        metadata=metadata,
        reading=found,
        dataset=dataset,
        violations=tuple(violations),
        notes=notes,
        preview=shown,
    )


def _metadata(archive: zipfile.ZipFile, members: Members, violations: list[str]) -> Mapping[str, Any]:
    member = members.table.get("_metadata")
    if member is None or member.dtype.hasobject:  # the preflight has reported the pickle
        return MappingProxyType({})
    try:
        return MappingProxyType(dict(npz_reader.read_metadata(archive, member)))
    except UNREADABLE as error:
        violations.append(f"{member.filename} {error}")
        return MappingProxyType({})


def _read(
    archive: zipfile.ZipFile | Arrays,
    members: Members,
    found: FileLayout,
    metadata: Mapping[str, Any],
    violations: list[str],
) -> Dataset | None:
    """Every array in canonical form, or None with the damaged members among the violations."""
    arrays: dict[str, NDArray[Any]] = {}
    for key, member in members.table.items():
        if key == "_metadata":
            continue
        try:
            arrays[key] = _canonical(archive, member, found, members.path)
        except UNREADABLE as error:
            entry = None if isinstance(archive, Arrays) else archive.getinfo(member.filename)
            why = str(error) if entry is None else why_unreadable(entry, error)
            violations.append(f"{member.filename}: {why}")
    if violations:
        return None
    bad = arrays.get("bad_pixels")
    if bad is not None:
        violations += masks.violations(arrays["diff3d"], bad, arrays["probeGuess"])
    with members.path.open("rb") as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    return Dataset(
        frames=arrays["diff3d"] if bad is None else _masked(arrays["diff3d"], bad),
        probe=arrays["probeGuess"],
        obj=arrays.get("objectGuess"),
        xcoords=arrays["xcoords"],
        ycoords=arrays["ycoords"],
        xcoords_start=arrays.get("xcoords_start", arrays["xcoords"]),
        ycoords_start=arrays.get("ycoords_start", arrays["ycoords"]),
        scan_index=arrays.get("scan_index", np.zeros(found.n_patterns, dtype=np.int64)),
        patches=arrays.get("Y"),
        bad_pixels=bad,
        metadata=metadata,
        source=Source(
            path=members.path, sha256=sha256, layout=found.layout, measurement_domain=found.measurement_domain
        ),
    )


def _masked(frames: NDArray[np.float32], bad: NDArray[np.bool_]) -> Frames:
    """The frames with bad pixels 0: many that lie in the file stay there and are cleared as they are read."""
    if not frames.flags.writeable:
        clean = MaskedFrames(frames, bad)
        return np.asarray(clean) if frames.nbytes < mapped_arrays.MAPPED_FROM_BYTES else clean
    masks.apply(frames, bad)
    return frames


def _canonical(archive: zipfile.ZipFile | Arrays, member: Member, found: FileLayout, path: Path) -> NDArray[Any]:
    """One member as the canonical array of its key."""
    m, n = found.n_patterns, found.side
    scan_bytes = m * n * n * np.dtype(np.float32).itemsize
    if member.key == "diff3d":
        canonical = found.layout == "canonical" and not member.fortran_order and found.measurement_domain == "amplitude"
        if canonical and member.dtype == np.dtype("<f4"):
            there = npz_reader.in_place(archive, member, path, scan_bytes=scan_bytes)
            if there is not None:
                return there
        frames = mapped_arrays.empty((m, n, n), np.float32)
        view = frames if found.layout == "canonical" else frames.transpose(1, 2, 0)
        convert = values.amplitude_of_counts if found.measurement_domain == "counts" else None
        npz_reader.fill(archive, member, view, convert)
        return frames
    if member.key == "bad_pixels":
        plain = _is_plain_mask(member, found)
        there = npz_reader.in_place(archive, member, path, scan_bytes=scan_bytes) if plain else None
        return _bad_pixels(archive, member, found) if there is None else there
    if member.key == "probeGuess":
        probe = npz_reader.read(archive, member, np.complex64)
        return probe.reshape(1, n, n) if n * n == probe.size else probe
    if member.key == "objectGuess":
        return npz_reader.read(archive, member, np.complex64)
    if member.key == "Y":
        patches = npz_reader.read(archive, member, np.complex64)
        return patches[..., 0] if patches.ndim == 4 else patches
    return npz_reader.read(archive, member, np.int64 if member.key == "scan_index" else np.float64)


def _is_plain_mask(member: Member, found: FileLayout) -> bool:
    return member.dtype == np.bool_ and not member.fortran_order and found.layout == "canonical"


def _bad_pixels(archive: zipfile.ZipFile | Arrays, member: Member, found: FileLayout) -> NDArray[np.bool_]:
    """
    A mask as bool, in canonical order.

    Raises:
        ValueError: it holds other numbers than 0 and 1: levels or quality flags have no polarity.
    """
    n = found.side

    def binary(block: NDArray[Any]) -> NDArray[Any]:
        if block.dtype != np.bool_ and block.size and not 0 <= block.min() <= block.max() <= 1:
            raise ValueError(f"it holds {block.min()} to {block.max()}; allowed: 0, and 1 where a pixel is bad")
        return np.asarray(block != 0)

    bad = mapped_arrays.empty((n, n) if len(member.shape) == 2 else (found.n_patterns, n, n), np.bool_)
    legacy = found.layout == "legacy" and bad.ndim == 3
    npz_reader.fill(archive, member, bad.transpose(1, 2, 0) if legacy else bad, binary)
    return bad
