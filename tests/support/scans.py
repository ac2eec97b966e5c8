"""Scans for tests: small ones made in memory, and real ones that a licence keeps out of the repository."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho.data.dataset import Dataset, Source
from ptycho.errors import UsageError


def make_dataset(
    *, n_patterns: int = 24, side: int = 64, seed: int = 0, layout: str = "canonical", metadata: Any = None
) -> Dataset:
    """A dataset of `n_patterns` noise frames on a jittered raster, without an object."""
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(n_patterns)))
    rows, cols = np.divmod(np.arange(n_patterns), columns)
    x = 60.0 + 3.0 * cols + rng.uniform(-0.5, 0.5, n_patterns)
    y = 80.0 + 4.0 * rows + rng.uniform(-0.5, 0.5, n_patterns)
    probe = np.exp(-((np.arange(side) - side / 2) ** 2) / side)
    return Dataset(
        frames=rng.gamma(2.0, 1.0, (n_patterns, side, side)).astype(np.float32),
        probe=(probe[:, None] * probe)[np.newaxis].astype(np.complex64),
        obj=None,
        xcoords=x,
        ycoords=y,
        xcoords_start=x.copy(),
        ycoords_start=y.copy(),
        scan_index=np.zeros(n_patterns, dtype=np.int64),
        metadata={} if metadata is None else metadata,
        source=Source(path=Path("scan.npz"), sha256="ab" * 32, layout=layout, measurement_domain="amplitude"),
    )


def given(name: str) -> Path:
    """
    Return the file of a fixture; without it the test is skipped, unless `PTYCHO_DATA` says that the data are there.

    Args:
        name: of the inventory.
    """
    from harness.fixtures import locate

    try:
        return locate.require(name)
    except UsageError as error:
        if os.environ.get("PTYCHO_DATA"):
            raise
        pytest.skip(str(error))
