"""
A real Slurm of two nodes for the tests of this folder. Where none can be started, pytest ends with 13 and says why.

A test that is skipped because there is no cluster would look like one that passed.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptycho.verdict import Verdict
from tests.support import slurm_cluster
from tests.support.slurm_cluster import CannotStartError, Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster, and afterwards no process of it."""
    # The socket of munge lies in it, whose path may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    made = Cluster(folder)
    try:
        try:
            slurm_cluster.install()
            made.start()
        except CannotStartError as error:
            pytest.exit(f"no Slurm to test against: {error}", returncode=int(Verdict.INFRA))
        yield made
    finally:
        left = made.stop() if made.configuration.exists() else []
        shutil.rmtree(folder, ignore_errors=True)
        assert left == []
