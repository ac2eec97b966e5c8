"""
The memory-map store: the network input of one run on disk, with a manifest that says whose it is.

A store is a directory of plain `.npy` files and a `manifest.json`. It is built beside its place and moved there when
whole, so that a store which exists is complete; and it is refused, never patched, when anything in its manifest
differs from what is asked: a stale store that trains without a word is worse than none.

The diffraction is stored normalised, so that a batch is a plain copy out of the map.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho.data import masks, prepare
from ptycho.data.dataset import Dataset
from ptycho.data.grouping import Indices, Split
from ptycho.data.prepare import PreparedDataset
from ptycho.errors import InfrastructureError, StoreError
from ptycho.store import files
from ptycho.store.manifest import Manifest, refusal, small_arrays


@dataclass(frozen=True, kw_only=True)
class Store:
    """
    An open store. Arrays are read-only memory maps.

    Attributes:
        directory: where it is.
        manifest: whose it is.
        diffraction: `(M, N, N)` float32 network input X, normalised.
        groups: `(G, C)` int64 indices of patterns.
        xcoords: `(M,)` float64 along axis 1, object pixels.
        ycoords: `(M,)` float64 along axis 0, object pixels.
        probe: `(P, N, N)` complex128, normalised.
        split: training and validation groups, none in either at inference.
        bad_pixels: `(N, N)` or `(M, N, N)` bool, True where bad; None where there is no mask.

    Example:
        >>> dataset = raw_data.load(config)  # doctest: +SKIP
        >>> with Store.for_run(None, dataset, raw_data.prepare(config, dataset)) as store:  # doctest: +SKIP
        ...     print(store.manifest.input_sha256)
    """

    directory: Path
    manifest: Manifest
    diffraction: NDArray[np.float32]
    groups: Indices
    xcoords: NDArray[np.float64]
    ycoords: NDArray[np.float64]
    probe: NDArray[np.complex128]
    split: Split
    bad_pixels: NDArray[np.bool_] | None = None

    @cached_property
    def good_share(self) -> float:
        """Share of good pixels in the scan."""
        return 1.0 if self.bad_pixels is None else masks.good_share(self.bad_pixels)

    @classmethod
    def create(cls, directory: Path, dataset: Dataset, prepared: PreparedDataset) -> "Store":
        """
        Build a store where there is none yet.

        Args:
            directory: its place: missing, or an empty directory.
            dataset: the loaded file.
            prepared: what was decided about it.

        Raises:
            StoreError: if something is in that place already.
            InfrastructureError: if the disk is full or may not be written; nothing is left behind.
        """
        if _occupied(directory):
            raise StoreError(f"{directory} exists already; remove it, or give the directory of another store")
        manifest = Manifest.of(dataset, prepared)
        with files.under_construction(directory) as partial:
            files.reserve(partial, manifest)
            chunks = prepare.normalised_chunks(dataset.frames, prepared.normalisation)
            files.write_array(partial, "diffraction", manifest.arrays["diffraction"], chunks)
            for name, array in small_arrays(dataset, prepared).items():
                files.write_array(partial, name, manifest.arrays[name], prepare.parts(array))
            files.write_manifest(partial, manifest)
        return cls.open(directory, expected=manifest)

    @classmethod
    def open(cls, directory: Path, *, expected: Manifest | None = None) -> "Store":
        """
        Open a store that is whole and, if a manifest is given, is the one that it describes.

        Headers and sizes are checked against the manifest, the manifest against its digest; the data of the arrays is
        not read (`verify` does that).

        Raises:
            StoreError: listing every mismatch as wanted and found.
        """
        manifest = Manifest.read(directory)
        problems = [] if expected is None else expected.mismatches(manifest)
        for name, entry in manifest.arrays.items():
            problems += files.damage(directory, name, entry)
        if problems:
            raise refusal(directory, problems)
        maps = {name: np.load(files.array_path(directory, name), mmap_mode="r") for name in manifest.arrays}
        return cls(
            directory=directory,
            manifest=manifest,
            split=Split(train=maps.pop("train"), validation=maps.pop("validation")),
            **maps,
        )

    @classmethod
    def open_or_create(cls, directory: Path, dataset: Dataset, prepared: PreparedDataset) -> "Store":
        """
        Reuse the store in this place if it holds exactly this data; build it if there is none.

        Raises:
            StoreError: if there is one of other data, listing every mismatch. It is never overwritten.
            InfrastructureError: as for `create`.
        """
        if _occupied(directory):
            return cls.open(directory, expected=Manifest.of(dataset, prepared))
        return cls.create(directory, dataset, prepared)

    @classmethod
    @contextmanager
    def for_run(cls, directory: Path | None, dataset: Dataset, prepared: PreparedDataset) -> Iterator["Store"]:
        """
        The store of one run: kept and reused in `directory`, or without one in TMPDIR and removed afterwards.

        Raises:
            StoreError: as for `open_or_create`.
            InfrastructureError: as for `create`.
        """
        if directory is not None:
            yield cls.open_or_create(directory, dataset, prepared)
            return
        with tempfile.TemporaryDirectory(prefix="ptycho-store-") as scratch:
            yield cls.create(Path(scratch) / "store", dataset, prepared)

    def verify(self) -> None:
        """
        Read every array and compare its digest with the manifest.

        Raises:
            StoreError: listing each array whose bytes have changed.
        """
        digests = {
            name: prepare.digest(np.load(files.array_path(self.directory, name), mmap_mode="r"))
            for name in self.manifest.arrays
        }
        changed = [
            f"{name}.npy sha256: wanted {entry.sha256}, found {digests[name]}"
            for name, entry in self.manifest.arrays.items()
            if digests[name] != entry.sha256
        ]
        if changed:
            raise refusal(self.directory, changed)


def _occupied(directory: Path) -> bool:
    """Whether anything but an empty directory is in a store's place."""
    try:
        return directory.is_symlink() or any(directory.iterdir())
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True
    except OSError as error:
        raise InfrastructureError(f"{directory} cannot be read: {error.strerror}; give another one") from error
