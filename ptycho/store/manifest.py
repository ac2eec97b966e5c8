"""
The manifest of a memory-map store: whose data it holds, said so exactly that equal manifests mean equal bytes.

It is JSON, written once and never changed, with a digest of itself: a manifest that was edited or cut short is found
out before any array is believed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data.dataset import CONTRACT_VERSION, Dataset
from ptycho.data.prepare import PreparedDataset, digest
from ptycho.errors import StoreError

STORE_VERSION = 1
"""Changes with the files of a store or the meaning of its manifest."""

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class ArrayEntry:
    """
    One array of a store.

    Attributes:
        shape: its shape.
        dtype: NumPy's string for its dtype, byte order included.
        sha256: hex digest of its bytes in C order.
    """

    shape: list[int]
    dtype: str
    sha256: str

    @classmethod
    def of(cls, array: NDArray[Any]) -> "ArrayEntry":
        """The entry of an array in memory."""
        return cls(shape=list(array.shape), dtype=array.dtype.str, sha256=digest(array))

    @property
    def nbytes(self) -> int:
        """Size of the array's data."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """
    Whose store it is. Two stores with equal manifests hold equal bytes.

    Attributes:
        store_version: `STORE_VERSION`.
        contract_version: `ptycho.data.dataset.CONTRACT_VERSION`.
        source_sha256: digest of the file that was read.
        layout: as found in that file.
        measurement_domain: as found in that file.
        side: patch side N.
        gridsize: g.
        seed: of groups and split.
        n_groups: G.
        normalisation: factor from amplitude to network input.
        input_sha256: digest of the network input X, `(M, N, N)` float32 in C order.
        arrays: every `.npy` file by its stem.
    """

    store_version: int = STORE_VERSION
    contract_version: str = CONTRACT_VERSION
    source_sha256: str
    layout: str
    measurement_domain: str
    side: int
    gridsize: int
    seed: int
    n_groups: int
    normalisation: float
    input_sha256: str
    arrays: Mapping[str, ArrayEntry]

    @classmethod
    def of(cls, dataset: Dataset, prepared: PreparedDataset) -> "Manifest":
        """The manifest that a store of this data must have."""
        diffraction = ArrayEntry(
            shape=list(dataset.frames.shape),
            dtype=np.dtype(np.float32).str,
            sha256=prepared.stages.normalised,
        )
        rest = {name: ArrayEntry.of(array) for name, array in small_arrays(dataset, prepared).items()}
        return cls(
            source_sha256=dataset.source.sha256,
            layout=dataset.source.layout,
            measurement_domain=dataset.source.measurement_domain,
            side=prepared.side,
            gridsize=prepared.gridsize,
            seed=prepared.seed,
            n_groups=prepared.n_groups,
            normalisation=prepared.normalisation,
            input_sha256=prepared.stages.normalised,
            arrays={"diffraction": diffraction, **rest},
        )

    def mismatches(self, found: "Manifest") -> list[str]:
        """One line for each value in which a manifest found on disk differs from this one."""
        wanted_flat, found_flat = _flat(asdict(self)), _flat(asdict(found))
        return [
            f"{key}: wanted {wanted_flat.get(key, 'none')}, found {found_flat.get(key, 'none')}"
            for key in sorted({*wanted_flat, *found_flat})
            if wanted_flat.get(key) != found_flat.get(key)
        ]

    def encode(self) -> bytes:
        """The bytes of `manifest.json`: the manifest and the digest by which `read` knows that it is whole."""
        body = asdict(self)
        return (json.dumps({"digest": _digest(body), "manifest": body}, sort_keys=True, indent=2) + "\n").encode()

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """
        The manifest of the store in a directory.

        Raises:
            StoreError: if there is none, it is damaged, or it is of another version.
        """
        try:
            whole = json.loads((directory / MANIFEST).read_bytes())
            body, claimed = whole["manifest"], whole["digest"]
            problems = _foreign(body, claimed)
            if not problems:
                entries = {name: ArrayEntry(**entry) for name, entry in body.pop("arrays").items()}
                return cls(arrays=entries, **body)
        except FileNotFoundError:
            problems = [f"{MANIFEST}: wanted one, found none"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems = [f"{MANIFEST}: wanted the JSON of a store, found {error!r}"]
        raise refusal(directory, problems)


def small_arrays(dataset: Dataset, prepared: PreparedDataset) -> dict[str, NDArray[Any]]:
    """Every array of a store but the diffraction, by its file's stem; all but a mask of each pattern fit in memory."""
    bad = {} if dataset.bad_pixels is None else {"bad_pixels": dataset.bad_pixels}
    return {
        "groups": prepared.groups,
        "xcoords": dataset.xcoords,
        "ycoords": dataset.ycoords,
        "probe": prepared.probe,
        "train": prepared.split.train,
        "validation": prepared.split.validation,
        **bad,
    }


def refusal(directory: Path, problems: Iterable[str]) -> StoreError:
    """The error that refuses a store, with every problem found."""
    listed = "\n".join(f"  - {problem}" for problem in problems)
    return StoreError(
        f"{directory} is not the store of this run:\n{listed}\n"
        "remove it, or give the directory of another store (a missing one is built)"
    )


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _foreign(body: Mapping[str, Any], claimed: str) -> list[str]:
    """Return what makes a manifest unreadable for this version, whatever data it describes."""
    versions = {"store_version": STORE_VERSION, "contract_version": CONTRACT_VERSION}
    problems = [
        f"{key}: wanted {wanted}, found {body.get(key, 'none')}"
        for key, wanted in versions.items()
        if body.get(key) != wanted
    ]
    if claimed != (actual := _digest(body)):
        problems.append(f"{MANIFEST} digest: wanted {claimed}, found {actual}")
    return problems


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
