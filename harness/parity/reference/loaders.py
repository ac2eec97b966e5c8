"""
Expected values of R1's second half: written from the file's own arrays, without contract, store or loader.

The files that are loaded are made by `ptycho.parity.loaders`; what must come of them is computed here again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness.parity.reference import sampling
from ptycho.data.prepare import digest
from ptycho.parity.loaders import AT_ONCE, CANONICAL, FACTOR, FEW, PHOTONS, counted, cut, masked, modes
from ptycho.parity.request import Request

Array = Any

BAD = (
    *("nan", "negative", "dark", "undeclared_counts", "whole_numbers", "too_few_positions", "outside"),
    *("positions_nan", "real_probe", "empty_probe", "real_object", "ambiguous", "wrong_layout", "no_photons"),
)
OTHER = (
    *("source_sha256", "layout", "measurement_domain", "side", "gridsize", "seed", "n_groups", "normalisation"),
    *("input_sha256", "contract_version", "arrays", "file", "draw", "scale"),
)
DTYPES = ["float32", "complex64", "complex64", "complex64", "float64", "float64", "float64", "float64", "int64"]


def data(request: Request) -> dict[str, Any]:
    """Digests and plain values by the names of `ptycho.parity.loaders`."""
    with np.load(request.scan.path, allow_pickle=False) as archive:
        given = {name: archive[name] for name in archive.files if name != "_metadata"}
        nphotons = _photons(str(archive["_metadata"]) if "_metadata" in archive else "{}")
    found: dict[str, Any] = dict(_variants(cut(given)))
    found |= {f"file.bad.{name}.refused": True for name in BAD}
    found |= {f"store.other_{name}": True for name in OTHER}
    found |= {"store.reused": True, "store.damage_found": True, "config.stale_refused": True}
    unset = {"n_groups": None, "nphotons": None, "gridsize": request.model.gridsize, "left_over": None}
    found |= {"config.after_another": unset}
    if request.masked:
        found |= dict(_masked(request, cut(given)))
    found |= {"nphotons.flag": PHOTONS, "nphotons.file": nphotons or 1e9, "nphotons.default": 1e9}
    return found | dict(_draws(request, given))


def _photons(metadata: str) -> float | None:
    import json

    value = json.loads(metadata).get("nphotons")
    return None if value is None else float(value)


def _variants(given: Mapping[str, Array]) -> Iterator[tuple[str, Any]]:
    whole = counted(given)["diff3d"].astype(np.float64)
    roots = np.sqrt(whole).astype(np.float32)
    probe, frames = given["probeGuess"][None], given["diff3d"]
    for name, pixels, modes_of, source, photons in (
        ("canonical", frames, probe, ["canonical", "amplitude"], None),
        ("legacy", frames, probe, ["legacy", "amplitude"], None),
        ("counts", roots, probe, ["canonical", "counts"], None),
        ("legacy_counts", roots, probe, ["legacy", "counts"], None),
        ("modes", frames, modes(given)["probeGuess"], ["canonical", "amplitude"], 5e5),
    ):
        arrays = {
            "diffraction": pixels,
            "probe": modes_of.astype(np.complex64),
            "obj": given["objectGuess"],
            "patches": given["Y"],
            **{key: given[key] for key in CANONICAL[4:]},
        }
        for key in CANONICAL:
            yield f"file.{name}.{key}", digest(arrays[key])
        yield f"file.{name}.dtypes", DTYPES
        yield f"file.{name}.nphotons", photons
        yield f"file.{name}.source", source


def _masked(request: Request, given: Mapping[str, Array]) -> Iterator[tuple[str, Any]]:
    """Bad pixels are 0 before anything is computed, and a batch says which they are."""
    scan, gridsize = request.scan, request.model.gridsize
    bad = masked(given)["bad_pixels"]
    frames = np.where(bad, np.float32(0), given["diff3d"])
    groups = sampling.groups(given["xcoords"], given["ycoords"], gridsize=gridsize, wanted=None, seed=scan.seed)
    train, _ = sampling.split(len(groups), 2, scan.seed)
    seen = frames * np.float32(sampling.factor(frames[np.unique(groups[train])]))
    yield "masked.diffraction", digest(frames)
    yield "masked.bad_pixels", digest(bad)
    yield "masked.normalised", digest(seen)
    yield "masked.batch.good", digest(~bad[groups[train]])
    yield "masked.batch.diffraction", digest(seen[groups[train]])
    yield "masked.batch.share", [1 - int(bad.sum()) / bad.size]
    yield "masked.inverted_refused", True


def _draws(request: Request, given: Mapping[str, Array]) -> Iterator[tuple[str, Any]]:
    scan, gridsize = request.scan, request.model.gridsize
    frames, x, y = (given[name] for name in ("diff3d", "xcoords", "ycoords"))
    few = sampling.groups(x, y, gridsize=gridsize, wanted=FEW + scan.batch_size, seed=scan.seed)
    train, validation = sampling.split(len(few), scan.batch_size, scan.seed)
    yield "few.groups", digest(few)
    yield "few.validation", digest(validation)
    yield "few.normalised", digest(frames * np.float32(sampling.factor(frames[np.unique(few[train])])))
    groups = sampling.groups(x, y, gridsize=gridsize, wanted=None, seed=scan.seed)
    yield "inference.normalised", digest(frames * np.float32(FACTOR))
    yield "inference.groups", digest(groups)
    yield "inference.nphotons", PHOTONS
    yield "inference.split", [0, 0]
    yield "inference.other_gridsize_refused", True
    train, validation = sampling.split(len(groups), scan.batch_size, scan.seed)
    seen = frames * np.float32(sampling.factor(frames[np.unique(groups[train])]))
    second = sampling.order(train, scan.seed, 1)
    for name, chosen in (("epoch", second), ("read_ahead", second), ("validation", validation)):
        members = groups[chosen]
        offsets, relative = sampling.relative(x, y, members)
        full, rest = divmod(len(chosen), AT_ONCE)
        yield f"{name}.sizes", [AT_ONCE] * full + [rest] * bool(rest)
        yield f"{name}.diffraction", digest(seen[members])
        yield f"{name}.coords_offsets", digest(offsets)
        yield f"{name}.coords_relative", digest(relative)
        yield f"{name}.indices", digest(members)
