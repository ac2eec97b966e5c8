"""
DATA-001 preflight: what an NPZ file claims to be, from its zip directory and array headers alone.

No array is read here, so a hostile, truncated or mislabelled file is refused in milliseconds and before any memory is
reserved for it. Everything that is wrong is collected; what could be understood is kept, so that `inspect` can still
show it.
"""

import math
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ptycho.data import npy_header
from ptycho.data.diagnose_file import why_no_file, why_no_zip
from ptycho.data.npy_header import UNREADABLE, Member
from ptycho.errors import ContractError, InfrastructureError

ALIASES = MappingProxyType({"diffraction": "diff3d"})
"""Accepted names and the canonical key that each means."""

REQUIRED = ("diff3d", "probeGuess", "xcoords", "ycoords")
OPTIONAL = ("objectGuess", "xcoords_start", "ycoords_start", "scan_index", "Y", "bad_pixels", "_metadata")
KEYS = (*REQUIRED, *OPTIONAL)

_SUFFIX = ".npy"
_DEFLATE_LIMIT = 1100
"""No deflated stream expands more than 1032 times."""

_GUESSES_PER_FRAMES = 16
"""Bytes of probe or object over those of the frames: no scan needs more."""

_MAX_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class FileLimits:
    """
    Largest sizes that a file may claim.

    Attributes:
        max_bytes: bytes of all members together once expanded.
        free_bytes: a member that expands to less than this is never called a zip bomb. A larger one must have the size
            that the scan's own shapes give it: a ratio would refuse counted electrons, which compress like zeros.
    """

    max_bytes: int = 32 * 2**30
    free_bytes: int = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Members:
    """
    The members of one NPZ file, by canonical key.

    Attributes:
        path: the file.
        table: canonical key to member.
        violations: everything that is wrong with directory and headers; empty when `examine` returned this.
    """

    path: Path
    table: Mapping[str, Member] = field(default_factory=lambda: MappingProxyType({}))
    violations: tuple[str, ...] = ()


def examine(path: Path | str, *, limits: FileLimits | None = None) -> Members:
    """
    Read the zip directory and the array headers of an NPZ file, and no array.

    Args:
        path: the file.
        limits: how large it may claim to be.

    Raises:
        ContractError: listing everything that is wrong with directory and headers.
        InfrastructureError: the file is there but may not be read.
    """
    members = survey(path, limits=limits)
    if members.violations:
        raise ContractError(members.path, members.violations)
    return members


def survey(path: Path | str, *, limits: FileLimits | None = None) -> Members:
    """As `examine`, but hand back the violations with whatever could be understood instead of raising."""
    path, limits = Path(path), limits or FileLimits()
    problem = why_no_file(path)
    if problem:
        return Members(path=path, violations=(problem,))
    try:
        with path.open("rb") as handle:
            head = handle.read(512)
            try:
                archive = zipfile.ZipFile(handle)
            except UNREADABLE as error:
                return Members(path=path, violations=(why_no_zip(head, path.stat().st_size, error),))
            with archive:
                return _survey(path, archive, limits)
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error


def _survey(path: Path, archive: zipfile.ZipFile, limits: FileLimits) -> Members:
    entries = archive.infolist()
    if not entries:
        return Members(path=path, violations=("the zip directory is empty; write the arrays with numpy.savez",))
    violations = [*_name_violations(entries), *_size_violations(entries, path.stat().st_size, limits)]
    table: dict[str, Member] = {}
    false: set[str] = set()
    for info in {info.filename: info for info in entries}.values():
        key = _key(info.filename)
        if key not in KEYS:
            continue
        if key in table:
            violations.append(f"{table[key].filename} and {info.filename} are two names of {key}; keep one of them")
            continue
        try:
            table[key] = npy_header.read(archive, info, key)
        except UNREADABLE as error:
            violations.append(f"{info.filename}: {npy_header.why_unreadable(info, error)}")
        else:
            lies = [*npy_header.violations(table[key], info)]
            violations += lies
            false |= {key} if lies else set()
    violations += _bombs(table, false, limits)
    violations += missing([_key(info.filename) for info in entries])
    return Members(path=path, table=MappingProxyType(table), violations=tuple(violations))


def _bombs(table: Mapping[str, Member], false: Collection[str], limits: FileLimits) -> Iterator[str]:
    """Large members with a true header whose size is none that the scan's shapes give them: M values, or M frames."""
    frames = table.get("diff3d")
    coordinates = table.get("xcoords") or table.get("ycoords")
    if frames is None or coordinates is None:
        return
    patterns = math.prod(coordinates.shape)
    for key, member in table.items():
        if member.nbytes <= limits.free_bytes or key in false:
            continue
        if key in ("probeGuess", "objectGuess"):
            belongs = member.nbytes <= max(limits.free_bytes, _GUESSES_PER_FRAMES * frames.nbytes)
        else:
            belongs = key == "_metadata" or patterns in member.shape or len(member.shape) == 2
        if not belongs:
            yield (
                f"{member.filename} expands from {member.stored:,} to {member.nbytes:,} bytes of shape {member.shape}, "
                f"and the scan has {patterns} positions: a zip bomb, or arrays of different scans"
            )


def missing(named: list[str]) -> Iterator[str]:
    """Yield what is said of keys that must be there and are not."""
    present = ", ".join(key for key in KEYS if key in named)
    for key in REQUIRED:
        if key not in named:
            alias = "".join(f" (or {name})" for name, target in ALIASES.items() if target == key)
            yield f"missing key {key}{alias}; present: {present or 'none'}; add the array"


def _key(filename: str) -> str:
    """Canonical key of a member's name, or the name itself where it is not an array at the top of the archive."""
    if not filename.endswith(_SUFFIX):
        return filename
    name = filename.removesuffix(_SUFFIX)
    return ALIASES.get(name, name)


def _name_violations(entries: list[zipfile.ZipInfo]) -> Iterator[str]:
    names = Counter(info.orig_filename for info in entries)
    for name, times in names.items():
        if times > 1 and _key(name) in KEYS:
            yield f"duplicate member {name} ({times} times); readers differ in which they take: keep one"
    strangers = [name for name in names if _key(name) not in KEYS]
    for name in strangers[:_MAX_LISTED]:
        if ".." in name.replace("\\", "/").split("/") or name.startswith(("/", "\\")) or name[1:2] == ":":
            yield (
                f"member {name!r} points outside the archive ('..' or an absolute path); "
                "remove it, and mistrust where the file came from"
            )
        else:
            known = ", ".join((*REQUIRED, *ALIASES, *OPTIONAL))
            yield f"unknown member {name!r}; known: {known} (each with .npy); remove it or rename it"
    if len(strangers) > _MAX_LISTED:
        yield f"and {len(strangers) - _MAX_LISTED} more unknown members"


def _size_violations(entries: list[zipfile.ZipInfo], file_size: int, limits: FileLimits) -> Iterator[str]:
    total = sum(info.file_size for info in entries)
    if total > limits.max_bytes:
        yield (
            f"expands to {total:,} bytes; allowed: {limits.max_bytes:,} (preflight.FileLimits.max_bytes); "
            "split the scan or raise the limit"
        )
    if sum(info.compress_size for info in entries) > file_size:
        yield "its members overlap: together they claim more bytes than the file has; a zip bomb is built so"
    for info in entries:
        ratio = info.file_size / max(info.compress_size, 1)
        if info.compress_type == zipfile.ZIP_DEFLATED and ratio > _DEFLATE_LIMIT and info.file_size > 2**16:
            yield (
                f"{info.filename} claims to expand {ratio:,.0f} times, from {info.compress_size:,} to "
                f"{info.file_size:,} bytes; deflate cannot: the directory is forged"
            )
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            yield (
                f"{info.filename} is stored uncompressed in {info.compress_size:,} bytes "
                f"but claims {info.file_size:,}; write the file again"
            )
