"""
Decides how the arrays of a file are read: layout, domain, sizes. From headers and metadata, never guessed.

The axis whose length is that of the coordinates is the scan axis. Nothing is ever reshaped: a reshape where a
transposition was meant gives a plausible shape and a Fourier error of 0.7.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ptycho.config import DOMAINS, LAYOUTS, PATCH_SIDES
from ptycho.data.npy_header import Member

COORDINATES = ("xcoords", "ycoords", "xcoords_start", "ycoords_start")


@dataclass(frozen=True, kw_only=True)
class FileLayout:
    """
    Way to read one file.

    Attributes:
        layout: `"canonical"` `(M, N, N)` or `"legacy"` `(N, N, M)`.
        measurement_domain: `"amplitude"` or `"counts"`.
        declared: whether metadata or argument named the domain, so that whole numbers need no explanation.
        n_patterns: M.
        side: N.
    """

    layout: str
    measurement_domain: str
    declared: bool
    n_patterns: int
    side: int


def decide(
    table: Mapping[str, Member],
    metadata: Mapping[str, Any],
    *,
    layout: str | None = None,
    measurement_domain: str | None = None,
    expect_side: int | None = None,
) -> tuple[FileLayout | None, list[str]]:
    """
    Decide how to read a file from the headers of its arrays.

    Args:
        table: canonical key to member, as `preflight.survey` returns it. Missing keys are the preflight's to report.
        metadata: the file's own, empty where it has none.
        layout: what the user says the layout is, or None.
        measurement_domain: what the user says the values are, or None.
        expect_side: the N that is wanted, or None for any that the network is defined for.

    Returns:
        The reading, or None where there is none, and everything that is wrong.
    """
    violations: list[str] = []
    layout = _declared("layout", layout, metadata, LAYOUTS, violations)
    domain = _declared("measurement_domain", measurement_domain, metadata, DOMAINS, violations)
    violations += _metadata_violations(metadata)
    sizes = _sizes(table, layout, violations)
    if "diff3d" in table:
        violations += _domain_violations(table["diff3d"], domain)
    violations += _dtype_violations(table, sizes[2] if sizes else None)
    if sizes is None:
        return None, violations
    found, m, n = sizes
    violations += _shape_violations(table, m, n, expect_side)
    violations += _mask_violations(table, found, m, n)
    reading = FileLayout(
        layout=found,
        measurement_domain=domain or "amplitude",
        declared=domain is not None,
        n_patterns=m,
        side=n,
    )
    return reading, violations


def _declared(
    name: str, argument: str | None, metadata: Mapping[str, Any], allowed: tuple[str, ...], violations: list[str]
) -> str | None:
    """Return what argument and metadata say together; they may not contradict each other."""
    stated = metadata.get(name)
    for where, value in (("argument", argument), ("_metadata", stated)):
        if value is not None and value not in allowed:
            violations.append(f"{name} = {value!r} ({where}); allowed: {', '.join(allowed)}")
    if argument is not None and stated is not None and argument != stated:
        violations.append(
            f"{name} is {stated!r} in the file's _metadata but {argument!r} was asked for; "
            f"leave the argument out, or correct the file's _metadata"
        )
    value = argument if argument is not None else stated
    return value if value in allowed else None


def _metadata_violations(metadata: Mapping[str, Any]) -> Iterator[str]:
    nested = metadata.get("physics_parameters", {})
    if not isinstance(nested, Mapping):
        yield f"_metadata: physics_parameters = {nested!r}; allowed: an object with nphotons, as PtychoPINN writes it"
        nested = {}
    top, inner = metadata.get("nphotons"), nested.get("nphotons")
    for name, value in (("nphotons", top), ("physics_parameters.nphotons", inner)):
        if value is not None and not _positive(value):
            yield f"_metadata: {name} = {value!r}; allowed: a finite number above 0"
    if _positive(top) and _positive(inner) and top != inner:
        yield f"_metadata: nphotons = {top!r}, but physics_parameters.nphotons = {inner!r}; keep one of them"


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _sizes(table: Mapping[str, Member], layout: str | None, violations: list[str]) -> tuple[str, int, int] | None:
    """Layout, M and N, or None with the reason among the violations."""
    frames, x = table.get("diff3d"), table.get("xcoords") or table.get("ycoords")
    violations += [_no_vector(table[key]) for key in COORDINATES if key in table and len(table[key].shape) != 1]
    if frames is None:
        return None
    shape = frames.shape
    if len(shape) != 3:
        violations.append(f"{frames.filename} has shape {shape}; allowed: (M, N, N), or (N, N, M) in the legacy layout")
        return None
    if x is None or len(x.shape) != 1:
        return None
    m = x.shape[0]
    readings = {
        "canonical": (shape[0], shape[1:]),
        "legacy": (shape[2], shape[:2]),
    }
    fitting = [name for name, (count, (h, w)) in readings.items() if count == m and h == w]
    both = "; ".join(f"{name}: {count} frames of {h}×{w}" for name, (count, (h, w)) in readings.items())
    if m == 0:
        violations.append("there are no patterns: the coordinates are empty; give at least one")
    elif not fitting:
        violations.append(
            f"{frames.filename} {shape} does not fit the {m} coordinates: M of coordinates ≠ M of frames, or frames "
            f"not square ({both}); never reshape to make it fit"
        )
    elif layout is not None and layout not in fitting:
        violations.append(f"layout = {layout!r} contradicts {frames.filename} {shape} with {m} coordinates ({both})")
    elif layout is None and len(fitting) > 1:
        violations.append(
            f"ambiguous layout: M = N = {m}, {frames.filename} {shape} can be read both ways ({both}); "
            "say which: `layout` in _metadata, or --layout canonical|legacy (of convert: --input_layout)"
        )
    else:
        found = layout or fitting[0]
        return found, m, readings[found][1][0]
    return None


def _no_vector(member: Member) -> str:
    """Return what to say of coordinates of the wrong rank: MATLAB and `scipy.io` give every vector two axes."""
    long = [length for length in member.shape if length != 1]
    step = f"; store numpy.ravel of it, ({math.prod(member.shape)},)" if len(long) <= 1 and member.shape else ""
    return f"{member.filename} has shape {member.shape}; allowed: (M,), one value for each frame{step}"


def _domain_violations(frames: Member, domain: str | None) -> Iterator[str]:
    dtype, name = frames.dtype, frames.filename
    if dtype.kind in "iu" and domain != "counts":
        yield (
            f"{name} holds integers ({dtype}) and its domain is "
            f"{'not declared' if domain is None else repr(domain)}: an amplitude is sqrt(counts) in float32; if these "
            "are counts say so: --measurement_domain counts, or `measurement_domain` in _metadata"
        )
    known = dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize in (4, 8))
    if not known and not dtype.hasobject:
        yield f"{name} has dtype {dtype}; allowed: float32, float64, or integers with counts declared"


def _dtype_violations(table: Mapping[str, Member], side: int | None) -> Iterator[str]:
    """Dtypes of every member but the frames, and the object's shape, which needs no M."""
    for key, member in table.items():
        kind, name = member.dtype.kind, member.filename
        if member.dtype.hasobject or key == "diff3d":
            continue
        if key in ("probeGuess", "objectGuess", "Y") and (kind != "c" or member.dtype.itemsize > 16):
            lost = ": the phase was lost" if kind in "fiu" else ""
            yield f"{name} is {member.dtype}, not complex{lost}; allowed: complex64, complex128; save it complex"
        elif key in COORDINATES and kind not in "fiu":
            yield f"{name} has dtype {member.dtype}; allowed: float64, float32; save object pixels as numbers"
        elif key == "bad_pixels" and kind not in "biu":
            yield f"{name} has dtype {member.dtype}; allowed: bool, or integers 0 and 1, True where a pixel is bad"
        elif key == "scan_index" and kind not in "iu":
            yield f"{name} has dtype {member.dtype}; allowed: integers; save it as int64"
    obj = table.get("objectGuess")
    if obj is None:
        return
    if len(obj.shape) != 2:
        yield f"{obj.filename} has shape {obj.shape}; allowed: (H, W)"
    elif side is not None and min(obj.shape) <= side:
        yield (
            f"{obj.filename} {obj.shape} is smaller than the probe, or no larger (N = {side}); allowed: an object "
            "that covers every position's window; leave it out if it is unknown"
        )


def _shape_violations(table: Mapping[str, Member], m: int, n: int, expect_side: int | None) -> Iterator[str]:
    if expect_side is not None and n != expect_side and n in PATCH_SIDES:
        yield (
            f"N = {n}, but the network takes N = {expect_side}; train with --N {n}, or give a file with that patch side"
        )
    if n not in PATCH_SIDES:
        yield (
            f"N = {n} is not supported; allowed: {', '.join(map(str, PATCH_SIDES))}; crop, bin or pad the frames: "
            "python -m ptycho convert IN OUT --side SIDE"
        )
    for key in (*COORDINATES, "scan_index"):
        member = table.get(key)
        if member is None or (key in COORDINATES and len(member.shape) != 1):
            continue  # the wrong rank has been reported
        if member.shape != (m,):
            yield f"{member.filename} has shape {member.shape}; allowed: ({m},), one value for each frame"
    nominal = [key for key in COORDINATES[2:] if key in table]
    if len(nominal) == 1:
        yield f"{nominal[0]} is there without its partner; allowed: both of {', '.join(COORDINATES[2:])}, or neither"
    probe, patches = table.get("probeGuess"), table.get("Y")
    if probe is not None and not _fits_probe(probe.shape, n):
        yield f"{probe.filename} has shape {probe.shape}; allowed: ({n}, {n}), (P, {n}, {n}) or ({n}, {n}, 1)"
    if patches is not None and patches.shape not in ((m, n, n), (m, n, n, 1)):
        yield f"{patches.filename} has shape {patches.shape}; allowed: ({m}, {n}, {n}) or ({m}, {n}, {n}, 1)"


def _mask_violations(table: Mapping[str, Member], layout: str, m: int, n: int) -> Iterator[str]:
    mask, every = table.get("bad_pixels"), (m, n, n) if layout == "canonical" else (n, n, m)
    if mask is not None and mask.shape not in ((n, n), every):
        yield f"{mask.filename} has shape {mask.shape}; allowed: ({n}, {n}), or {every} as the frames have it"


def _fits_probe(shape: tuple[int, ...], n: int) -> bool:
    return shape in ((n, n), (n, n, 1)) or (len(shape) == 3 and shape[0] >= 1 and shape[1:] == (n, n))
