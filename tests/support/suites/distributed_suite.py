"""
Two real processes train what one process trains: the same losses, step by step, and the same bits on both.

The processes are started as a user starts them, by the framework's own launcher or environment; each backend's test
says how. Scans are small and batches do not divide evenly, down to a last one with fewer groups than ranks.
"""

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.training import checkpoint, history
from tests.support import crafted_npz
from tests.support.pipeline import Pipeline

F64: dict[str, object] = {"precision": "f64", "nepochs": 2, "n_images": 9, "batch_size": 4}
"""Nine groups: four validate, five train, in a batch of four and one of a single group."""

DYING = """
import os, sys
from {backend} import train
epochs = []
sys.addaudithook(lambda event, _: event == "ptycho.phase.start" and (epochs.append(1), len(epochs) > 8 and os._exit(9)))
train.main(sys.argv[1:])
"""
"""A rank that is gone, without a word, in one of its first epochs."""

Done = subprocess.CompletedProcess[str]


def finish(processes: Sequence[subprocess.Popen[str]]) -> list[Done]:
    """Wait for processes that were started together."""
    done = []
    for process in processes:
        with process:
            stdout, stderr = process.communicate(timeout=300)
        done.append(Done(process.args, process.returncode, stdout, stderr))
    return done


def spread(one: float, other: float) -> float:
    """Relative difference."""
    return abs(one - other) / abs(other)


class DistributedSuite(ABC):
    """What both backends must show; subclasses say how two processes are started."""

    backend: ClassVar[str]

    @abstractmethod
    def launch(self, pipeline: Pipeline, vectors: Sequence[Sequence[object]]) -> list[Done]:
        """Start one rank for each argument vector, wait for all."""

    @pytest.fixture
    def pipeline(self, tmp_path: Path) -> Pipeline:
        return Pipeline(backend=self.backend, home=tmp_path / "home")

    @pytest.fixture
    def scan(self, tmp_path: Path) -> Path:
        return crafted_npz.write(tmp_path / "scan.npz", crafted_npz.scan(m=12))

    def both(self, pipeline: Pipeline, scan: Path, output: Path, **options: object) -> list[Done]:
        """The same training on two ranks."""
        return self.launch(pipeline, [pipeline.train_arguments(scan, output, **(F64 | options))] * 2)

    @pytest.mark.deep
    def test_two_processes_train_what_one_trains(self, pipeline: Pipeline, scan: Path, tmp_path: Path) -> None:
        options: dict[str, object] = {"test_data_file": scan, "schedule": "cosine", "gridsize": 2, "num_workers": 1}
        done = self.both(pipeline, scan, tmp_path / "two", **options)
        assert [item.returncode for item in done] == [0, 0], done[0].stderr + done[1].stderr
        alone = pipeline.train(scan, tmp_path / "one", **(F64 | options))
        one, two = (history.read(tmp_path / name / history.FILE_NAME) for name in ("one", "two"))
        for name in ("train_loss", "validation_loss", "train_deviance", "validation_deviance"):
            gaps = [spread(getattr(b, name), getattr(a, name)) for a, b in zip(one, two, strict=True)]
            assert max(gaps) < 1e-12, (name, gaps)
        summary = json.loads((tmp_path / "two" / "summary.json").read_text())
        assert spread(summary["test"]["loss"], alone["test"]["loss"]) < 1e-12
        assert (summary["engine"]["ranks"], "ranks" in alone["engine"]) == (2, False)
        assert summary["stages"] == alone["stages"]
        (a, _), (b, _) = (checkpoint.load(tmp_path / name / checkpoint.CHECKPOINT) for name in ("one", "two"))
        assert list(a) == list(b)
        assert int(b["adam.step"]) == 2 * 2
        # Adam divides by the root of the second moment: where both are nothing but rounding, so is their quotient.
        assert max(_distance(a[name], b[name]) for name in a if not name.startswith("adam.")) < 1e-9
        assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(
            path.name for path in (tmp_path / "one").iterdir()
        )
        assert pipeline.leavings() == []

    @pytest.mark.deep
    def test_bad_pixels_are_left_out_by_two_as_by_one(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """With another mask for every pattern: shares of good pixels differ between the ranks' parts of a batch."""
        bad = np.random.default_rng(0).random((12, 64, 64)) < np.linspace(0, 0.3, 12)[:, None, None]
        arrays = {**crafted_npz.scan(m=12), "bad_pixels": bad}
        scan = crafted_npz.write(tmp_path / "scan.npz", arrays)
        done = self.both(pipeline, scan, tmp_path / "two", nepochs=1)
        assert [item.returncode for item in done] == [0, 0], done[0].stderr + done[1].stderr
        pipeline.train(scan, tmp_path / "one", **(F64 | {"nepochs": 1}))
        (one,), (two,) = (history.read(tmp_path / name / history.FILE_NAME) for name in ("one", "two"))
        for name in ("train_loss", "validation_loss", "train_deviance", "validation_deviance"):
            assert spread(getattr(two, name), getattr(one, name)) < 1e-12, name

    @pytest.mark.deep
    def test_a_resumed_pair_joins_the_whole_training(self, pipeline: Pipeline, scan: Path, tmp_path: Path) -> None:
        small: dict[str, object] = {"store_dir": tmp_path / "store"}
        for options in ({"nepochs": 1}, {"nepochs": 2, "resume": True}):
            done = self.both(pipeline, scan, tmp_path / "parts", **(small | options))
            assert [item.returncode for item in done] == [0, 0], done[0].stderr + done[1].stderr
        pipeline.train(scan, tmp_path / "whole", **F64)
        parts, whole = (history.read(tmp_path / name / history.FILE_NAME) for name in ("parts", "whole"))
        assert [row.epoch for row in parts] == [1, 2]
        assert max(spread(b.train_loss, a.train_loss) for a, b in zip(whole, parts, strict=True)) < 1e-12

    @pytest.mark.deep
    def test_a_file_that_one_rank_lacks_ends_both(self, pipeline: Pipeline, scan: Path, tmp_path: Path) -> None:
        vectors = [
            pipeline.train_arguments(path, tmp_path / "out", **(F64 | {"N": 64})) for path in (scan, Path("none.npz"))
        ]
        done = self.launch(pipeline, vectors)
        assert all(item.returncode for item in done)
        told = "".join(item.stderr for item in done)
        assert "rank 1: none.npz" in told
        assert "no such file" in told
        assert not (tmp_path / "out" / history.FILE_NAME).exists()

    @pytest.mark.deep
    def test_a_rank_that_dies_ends_the_other(self, pipeline: Pipeline, scan: Path, tmp_path: Path) -> None:
        first = pipeline.train_arguments(scan, tmp_path / "out", **(F64 | {"nepochs": 50}))
        dying = ["-c", DYING.format(backend=self.backend), *first[2:]]
        done = self.launch(pipeline, [first, dying])
        assert all(item.returncode for item in done)
        assert not (tmp_path / "out" / "summary.json").exists()
        assert len(history.read(tmp_path / "out" / history.FILE_NAME)) < 50

    @pytest.mark.deep
    def test_ranks_of_different_seeds_are_refused(self, pipeline: Pipeline, scan: Path, tmp_path: Path) -> None:
        vectors = [pipeline.train_arguments(scan, tmp_path / "out", **(F64 | {"seed": seed})) for seed in (1, 2)]
        done = self.launch(pipeline, vectors)
        assert all(item.returncode for item in done)
        assert "do not train the same" in done[0].stderr
        assert "- seed: 1, 2" in done[0].stderr

    @pytest.mark.slow
    def test_more_ranks_than_a_batch_has_groups_are_refused(
        self, pipeline: Pipeline, scan: Path, tmp_path: Path
    ) -> None:
        done = self.both(pipeline, scan, tmp_path / "out", batch_size=1)
        assert all(item.returncode for item in done)
        assert "2 ranks for a batch of 1" in done[0].stderr

    @pytest.mark.deep
    def test_alone_nothing_of_it_is_imported(self, pipeline: Pipeline, scan: Path, tmp_path: Path) -> None:
        command = pipeline.train_arguments(scan, tmp_path / "out", **(F64 | {"nepochs": 1}))[2:]
        program = (
            f"import sys\nfrom {self.backend} import train\ntrain.main(sys.argv[1:])\n"
            f"print([name for name in sys.modules if name.startswith({self.backend!r}) and 'distributed' in name])"
        )
        done = pipeline.run("-c", program, *command)
        assert done.stdout.splitlines()[-1] == "[]", done.stderr


def _distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    length = float(np.linalg.norm(one.ravel()))
    return float(np.linalg.norm((one - other).ravel())) / (length or 1.0)
