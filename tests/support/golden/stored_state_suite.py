"""A backend reads files that it did not write, and what it writes is read by name, by no reader of the project."""

import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import DataConfig, InferenceConfig, RuntimeConfig
from ptycho.training import checkpoint, inference
from tests.support.distances import distance
from tests.support.golden import golden_files
from tests.support.small_problem import make_probe
from tests.support.suites.backend import BackendUnderTest

Array = NDArray[Any]


def engine_of(backend: BackendUnderTest, precision: str) -> Any:
    """An engine whose weights are all elsewhere than in the files."""
    return backend.module("engine").create_engine(
        model=golden_files.NETWORK,
        runtime=RuntimeConfig(device="cpu", threads=1, precision=precision),
        probe=make_probe(),
        weights={name: value * 0 + 0.5 for name, value in golden_files.weights().items()},
        nphotons=golden_files.NPHOTONS,
    )


def differing(found: dict[str, Array], expected: dict[str, Array]) -> list[str]:
    """Names that are on one side only, or whose values, shapes or kinds of number differ in any element."""
    return sorted(found.keys() ^ expected.keys()) + [
        name
        for name in sorted(found.keys() & expected.keys())
        if found[name].shape != expected[name].shape
        or found[name].dtype.kind != expected[name].dtype.kind
        or not np.array_equal(found[name], expected[name])
    ]


class StoredStateSuite:
    @pytest.mark.slow
    @pytest.mark.parametrize("precision", ["f32", "f64"])
    def test_a_committed_checkpoint_is_in_memory_and_in_the_next_file_by_name(
        self, precision: str, backend: BackendUnderTest, tmp_path: Path
    ) -> None:
        engine, expected = engine_of(backend, precision), golden_files.state()
        tensors, meta = checkpoint.load(golden_files.unpacked(golden_files.CHECKPOINT, tmp_path))
        engine.load_state(tensors)
        assert differing(engine.state(), expected) == []
        checkpoint.save(tmp_path / "next", engine.state(), meta)
        written, said = golden_files.read(tmp_path / "next")
        assert differing(written, expected) == []
        assert said == golden_files.meta(resumes=True)

    @pytest.mark.slow
    def test_a_trained_network_is_in_memory_by_name(self, backend: BackendUnderTest) -> None:
        engine = engine_of(backend, "f64")
        engine.load_state(golden_files.state())
        own = {name: backend.canonical(value) for name, value in self.parameters(engine).items()}
        assert differing(own, golden_files.weights()) == []

    def parameters(self, engine: Any) -> dict[str, Any]:
        """The parameters that the optimiser moves, by canonical name."""
        return dict(zip(engine.optimizer.names, engine.optimizer.targets, strict=True))

    @pytest.mark.slow
    @pytest.mark.parametrize(("precision", "allowed"), [("f64", 1e-7), ("f32", 3e-6)])
    def test_inference_on_another_scan_is_the_oracles(
        self, precision: str, allowed: float, backend: BackendUnderTest, tmp_path: Path
    ) -> None:
        """The scan has another extent and another number of photons, and says so in its metadata."""
        (tmp_path / checkpoint.MODEL).write_bytes(lzma.decompress(golden_files.MODEL.read_bytes()))
        config = InferenceConfig(
            model_path=tmp_path,
            data=DataConfig(path=golden_files.SCAN),
            output_dir=tmp_path / "out",
            runtime=RuntimeConfig(device="cpu", threads=1, precision=precision, quiet=True),
            batch_size=2,
        )
        inference.run(config, backend.package)
        with np.load(tmp_path / "out" / inference.RECONSTRUCTION, allow_pickle=False) as archive:
            written = {name: archive[name] for name in archive.files}
        with np.load(golden_files.RECONSTRUCTION, allow_pickle=False) as archive:
            expected = {name: archive[name] for name in archive.files}
        assert written.keys() == expected.keys()
        assert written["crop"].tolist() == expected["crop"].tolist()
        assert np.array_equal(written["overlap"], expected["overlap"])
        assert distance(written["object"].astype(np.complex128), expected["object"]) < allowed
