"""
`python -m ptycho convert`: a file of any format brought to the contract, and what was done said line by line.

Without a change it writes what the contract reads. With one, the scan is read as it is, changed, and then held against
the same contract: what comes out of here is accepted by every command, or nothing comes out.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import PATCH_SIDES
from ptycho.data import changes, contract, detector, masks, scan, values
from ptycho.data.dataset import Dataset
from ptycho.data.formats import mapped, ptychodus, recognise
from ptycho.data.scan import Scan
from ptycho.errors import ContractError, UsageError

CHANGES = (
    *("mask", "drop_frames", "position_unit", "pixel_size", "swap_axes", "flip", "transpose_frames"),
    *("order", "bin", "side"),
)
"""Options that change a scan; without any of them a file is read as every command reads it."""

HDF5_SUFFIXES = (".h5", ".hdf5")
_RANGE = re.compile(r"^(\d+)(?:-(\d+))?$")


def run(options: argparse.Namespace) -> None:
    """
    Convert a file.

    Raises:
        ContractError: what would come out breaks the contract, listing everything.
        UsageError: options that is not possible.
        InfrastructureError: it cannot be read or written.
    """
    if options.target.exists() and not options.force:
        raise UsageError(f"{options.target} is already there; allowed: a new name; give another, or --force")
    others = others_of(options)
    reading = {"layout": options.input_layout, "measurement_domain": options.measurement_domain, **others}
    if any(getattr(options, name) not in (None, False) for name in CHANGES):
        dataset, told = _changed(options, reading)
    else:
        found = contract.attempt(options.source, **reading)
        if found.dataset is None or found.violations:
            raise ContractError(options.source, found.violations)
        dataset, told = found.dataset, [*found.notes]
    _write(options, _with_origin(dataset, told))
    for line in told:
        print(f"  - {line}")
    print(f"{options.target}: {dataset.n_patterns} patterns of {dataset.side}×{dataset.side}, {_kind(options)}")


def others_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a file of another format is opened with."""
    given = {
        "mapping": None if options.map is None else mapped.parse(options.map),
        "patterns": getattr(options, "patterns", None),
        "product": getattr(options, "product", None),
    }
    found = {name: value for name, value in given.items() if value is not None}
    path = options.source if hasattr(options, "source") else options.file
    if found and path.is_file() and not recognise.is_foreign(path):
        raise UsageError(f"{path} is not an HDF5 or MATLAB file; --map, --patterns and --product are for those")
    if "patterns" in found and "product" in found:
        raise UsageError("--patterns and --product say the same of both files; give one of them")
    return found


def _kind(options: argparse.Namespace) -> str:
    return "a Ptychodus product" if options.target.suffix in HDF5_SUFFIXES else f"{options.layout} layout"


def _write(options: argparse.Namespace, dataset: Dataset) -> None:
    if options.target.suffix in HDF5_SUFFIXES:
        ptychodus.write(options.target, dataset, options.patterns_out)
        return
    if options.patterns_out is not None:
        raise UsageError("--patterns-out goes with a Ptychodus product: give OUT a name that ends in .h5")
    contract.save(
        options.target,
        dataset,
        layout=options.layout,
        compressed=options.compressed,
        coordinates=options.coordinates,
    )


def _changed(options: argparse.Namespace, reading: dict[str, Any]) -> tuple[Dataset, list[str]]:
    """The scan after all changes, held against the contract."""
    found = scan.read(options.source, **reading)
    told = [*found.notes]
    for changed, line in _steps(options, found):
        found, told = changed, [*told, line]
    problems = [] if found.bad_pixels is None else [*masks.violations(found.frames, found.bad_pixels, found.probe)]
    dataset = changes.settled(found).dataset
    if dataset.diffraction.shape[1] != dataset.diffraction.shape[2] or dataset.side not in PATCH_SIDES:
        shape = "×".join(map(str, dataset.diffraction.shape[1:]))
        problems.append(f"frames are {shape}; allowed: {', '.join(map(str, PATCH_SIDES))}; give --side, or --bin")
    elif dataset.probe.shape[1:] != dataset.diffraction.shape[1:]:
        problems.append(f"the probe is {dataset.probe.shape[1:]}, frames are {dataset.diffraction.shape[1:]}")
    if not problems:
        problems += values.violations(dataset, declared=found.declared)
    if problems:
        raise ContractError(options.source, problems)
    return dataset, told


def _steps(options: argparse.Namespace, found: Scan) -> Iterator[changes.Told]:
    """Every change that was asked for, in the order in which they are done: the detector first."""
    flaws = detector.find(found.dataset) if "auto" in (options.mask, options.drop_frames) else None
    dropped = np.empty(0, np.intp)
    if options.mask is not None:
        bad, origin = _mask(options, flaws)
        found, line = changes.with_mask(found, bad, origin)
        yield found, line
    if options.drop_frames is not None:
        if options.drop_frames == "auto":
            assert flaws is not None
            dropped, origin = flaws.bad_frames, "dead, far too bright, or more than half of them marks"
        else:
            dropped, origin = indices(options.drop_frames), "as asked for"
        found, line = changes.without_frames(found, dropped, origin)
        yield found, line
    if options.transpose_frames:
        found, line = changes.transposed(found)
        yield found, line
    if options.position_unit is not None or options.pixel_size is not None:
        found, line = changes.in_pixels(found, options.position_unit or "px", options.pixel_size)
        yield found, line
    if options.swap_axes:
        found, line = changes.swapped(found)
        yield found, line
    if options.flip is not None:
        found, line = changes.flipped(found, options.flip)
        yield found, line
    if options.order is not None:
        found, line = changes.in_order(found, options.order)
        yield found, line
    if options.bin is not None:
        found, line = changes.binned(found, options.bin)
        yield found, line
    if options.side is not None:
        found, line = changes.fitted(found, options.side or None)
        yield found, line


def indices(text: str) -> NDArray[np.intp]:
    """
    Indices of frames from words like `3,7-9`.

    Raises:
        UsageError: words that are not indices.

    Example:
        >>> indices("3,7-9").tolist()
        [3, 7, 8, 9]
    """
    found: list[int] = []
    for word in text.split(","):
        match = _RANGE.match(word.strip())
        if match is None:
            raise UsageError(f"--drop-frames {word!r}; allowed: auto, or indices from 0 and ranges of them: 3,7-9")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first > 10**7:
            raise UsageError(f"--drop-frames {word!r}; allowed: a range from the smaller to the larger index")
        found += range(first, last + 1)
    return np.unique(np.array(found, np.intp))


def _mask(options: argparse.Namespace, flaws: detector.Flaws | None) -> tuple[NDArray[np.bool_], str]:
    if options.mask == "auto":
        assert flaws is not None
        share = float(flaws.bad_pixels.mean())
        if share > 0.5:
            raise UsageError(f"--mask auto finds {share:.0%} of the pixels bad; give the mask as a file")
        names = [*flaws.marks, *(["hot pixels"] if flaws.hot.any() else [])]
        return flaws.bad_pixels, ", ".join(names) or "nothing is marked, no pixel is hot"
    path = Path(options.mask)
    try:
        held = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"--mask {path}: {error}; allowed: auto, or an .npy or .npz file of 0 and 1") from error
    polarity, array = options.mask_true_is, held
    if not isinstance(held, np.ndarray):
        with held:
            known = [name for name in ("bad_pixels", "good_pixels") if name in held.files]
            if len(known) != 1:
                raise UsageError(f"--mask {path} holds {', '.join(held.files)}; allowed: bad_pixels or good_pixels")
            named = known[0].removesuffix("_pixels")
            if polarity not in (None, named):
                raise UsageError(f"--mask-true-is {polarity}, but {path} calls its mask {known[0]}")
            polarity, array = named, held[known[0]]
    if polarity is None:
        raise UsageError(f"--mask {path} does not say whether 1 is good or bad; give --mask-true-is bad|good")
    if array.dtype.kind not in "biu" or (array.size and not 0 <= array.min() <= array.max() <= 1):
        raise UsageError(f"--mask {path} holds {array.dtype} values; allowed: bool, or integers 0 and 1")
    return np.asarray(array != 0 if polarity == "bad" else array == 0), f"{path.name}, where 1 is {polarity}"


def _with_origin(dataset: Dataset, told: list[str]) -> Dataset:
    """The dataset with the file that it came from in its metadata: name and checksum, no folder; and what was done."""
    source = dataset.source
    origin: dict[str, Any] = {
        "file": source.path.name,
        "sha256": source.sha256,
        "layout": source.layout,
        "measurement_domain": source.measurement_domain,
    }
    if told:
        origin["changes"] = told
    return replace(dataset, metadata=MappingProxyType({**dataset.metadata, "converted_from": origin}))
