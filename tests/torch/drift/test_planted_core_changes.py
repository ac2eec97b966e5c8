"""
Changes of one line in the core, of which every backend has the same: each must get its word.

The adapter of one backend answers; the oracle and its formulas are those of the unchanged checkout. What the core
computes in NumPy is exact: where rounding alone moves it, the word is `changed`.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.parity.drift.words import Word
from tests.support.planted_copies import planted_changes_suite
from tests.support.planted_copies.planted_changes_suite import PlantedChange

RUNGS = ("R0", "R1", "R2c", "R7", "R8")

CHANGES: Sequence[PlantedChange] = (
    PlantedChange(
        name="text alone: a half of a sum and its division by two",
        file="ptycho/training/schedule.py",
        old="(0.5 * (1 + math.cos(math.pi * step / self.total_steps)) if self.cosine else 1.0)",
        new="((1 + math.cos(math.pi * step / self.total_steps)) / 2 if self.cosine else 1.0)",
        word=Word.IDENTICAL,
    ),
    PlantedChange(
        name="loader: a product in double precision, rounded once, is the product in single precision",
        file="ptycho/data/prepare.py",
        old='scaled = np.multiply(block, factor, order="C")',
        new='scaled = np.multiply(block, np.float64(factor), order="C", dtype=np.float64).astype(np.float32)',
        word=Word.IDENTICAL,
    ),
    PlantedChange(
        name="loader: one unit in the last place of the scale",
        file="ptycho/physics/forward.py",
        old="float(np.sqrt((side / 2) ** 2 / energy.mean()))",
        new="float(np.sqrt((side / 2) ** 2 / energy.mean()) * (1 + 2**-52))",
        word=Word.CHANGED,
        rung="R2c",
    ),
    PlantedChange(
        name="stitching: a weight written otherwise",
        file="ptycho/physics/stitching.py",
        old="wide[:, :, :-1] = kept * (1 - fx)[:, None, None]",
        new="wide[:, :, :-1] = kept - kept * fx[:, None, None]",
        word=Word.ROUNDING,
        rung="R8",
    ),
    PlantedChange(
        name="stitching: a cast",
        file="ptycho/physics/stitching.py",
        old="wide = np.zeros((len(kept), self.crop, side), np.complex128)",
        new="wide = np.zeros((len(kept), self.crop, side), np.complex64)",
        word=Word.REGRESSION,
        rung="R2c",
    ),
    PlantedChange(
        name="stitching: a corner on the other side",
        file="ptycho/physics/stitching.py",
        old="np.add.at(self._corners, (j, k + 1), (1 - fy) * fx)",
        new="np.add.at(self._corners, (j, k + 1), fy * fx)",
        word=Word.REGRESSION,
        rung="R2c",
    ),
    PlantedChange(
        name="an epsilon",
        file="ptycho/physics/forward.py",
        old="MASK_FLOOR = 0.001",
        new="MASK_FLOOR = 0.0011",
        word=Word.REGRESSION,
        rung="R0",
    ),
    PlantedChange(
        name="a norm of the transform",
        file="ptycho/physics/forward.py",
        old="axis=-3) / spectrum.shape[-1] ** 2",
        new="axis=-3) / spectrum.shape[-1]",
        word=Word.REGRESSION,
        rung="R2c",
    ),
    PlantedChange(
        name="a default: patience",
        file="ptycho/training/schedule.py",
        old="patience: int = 2",
        new="patience: int = 3",
        word=Word.REGRESSION,
        rung="R0",
    ),
    PlantedChange(
        name="schedule: a warm-up that begins at zero",
        file="ptycho/training/schedule.py",
        old="min(1.0, (step + 1) / self.warmup_steps)",
        new="min(1.0, step / self.warmup_steps)",
        word=Word.REGRESSION,
        rung="R7",
    ),
    PlantedChange(
        name="order: an epoch backwards",
        file="ptycho/data/grouping.py",
        old="return np.random.default_rng([seed, _EPOCH, epoch]).permutation(train)",
        new="return np.random.default_rng([seed, _EPOCH, epoch]).permutation(train)[::-1]",
        word=Word.REGRESSION,
        rung="R1",
    ),
    PlantedChange(
        name="order: validation from the other end",
        file="ptycho/data/grouping.py",
        old="np.sort(permuted[n_validation:]), validation=np.sort(permuted[:n_validation])",
        new="np.sort(permuted[:-n_validation]), validation=np.sort(permuted[-n_validation:])",
        word=Word.REGRESSION,
        rung="R1",
    ),
    PlantedChange(
        name="loader: x and y exchanged",
        file="ptycho/data/grouping.py",
        old="np.stack([xcoords[groups], ycoords[groups]], axis=1)",
        new="np.stack([ycoords[groups], xcoords[groups]], axis=1)",
        word=Word.REGRESSION,
        rung="R1",
    ),
)


@pytest.mark.deep
def test_planted_changes_are_sorted_rightly(tmp_path: Path) -> None:
    found = planted_changes_suite.sorted_into(CHANGES, side="torch", folder=tmp_path, gridsize=2, rungs=RUNGS)
    assert found == planted_changes_suite.expected(CHANGES)
