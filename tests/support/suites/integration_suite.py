"""
The integration suite that both backends pass: train, save, load, infer, in separate processes, on one fixture.

A backend's test module subclasses `IntegrationSuite` and names its package; there is no second copy to drift.
"""

import json
import signal
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.data import contract
from ptycho.physics.stitching import Reconstruction
from ptycho.simulation import simulate
from ptycho.training import checkpoint, history
from tests.support import crafted_npz, planted_data
from tests.support.injected import bites
from tests.support.pipeline import ROOT, Pipeline

FIXTURES = ROOT / "tests" / "fixtures" / "pytorch_integration"
FIXTURE = FIXTURES / "small.npz"

Made = TypeVar("Made")

LAYOUTS = ("canonical", "legacy")
CASES = [(layout, gridsize) for gridsize in (1, 2) for layout in LAYOUTS]

_REFUSALS = """
import contextlib, importlib, io, json, sys, time
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "tensorflow", "keras"):
            raise RuntimeError(f"{name} was imported before the input was refused")
sys.meta_path.insert(0, Blocker())
backend, cases = sys.argv[1], json.load(sys.stdin)
results = {}
for name, (command, arguments) in cases.items():
    main = importlib.import_module(f"{backend}.{command}").main
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            main(arguments)
            code = 0
        except SystemExit as end:
            code = end.code
    results[name] = [code, errors.getvalue()]
json.dump(results, sys.stdout)
"""


def at_once(work: Callable[[Any], Made], given: Iterable[Any]) -> list[Made]:
    """Two processes at a time: each computes on one thread, so that its result repeats."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(work, given))


def load_reconstruction(folder: Path) -> Reconstruction:
    """What `inference` wrote."""
    with np.load(folder / "reconstruction.npz") as archive:
        row, _, column, _ = archive["crop"].tolist()
        return Reconstruction(
            obj=archive["object"].astype(np.complex128),
            overlap=archive["overlap"].astype(np.float64),
            origin=(row, column),
        )


class IntegrationSuite:
    """
    Everything a backend must do across processes.

    Attributes:
        backend: package of the backend.
    """

    backend: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def pipeline(cls, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
        """The backend's command lines."""
        return Pipeline(backend=cls.backend, home=tmp_path_factory.mktemp("home"))

    @pytest.fixture(scope="class")
    @classmethod
    def scans(cls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
        """The committed fixture in both layouts."""
        legacy = tmp_path_factory.mktemp("scans") / "legacy.npz"
        contract.save(legacy, contract.load(FIXTURE), layout="legacy")
        return {"canonical": FIXTURE, "legacy": legacy}

    @pytest.fixture(scope="class")
    @classmethod
    def runs(
        cls, pipeline: Pipeline, scans: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
    ) -> dict[tuple[str, int], tuple[Path, dict[str, Any]]]:
        """A training and an inference for each layout and gridsize: output folder and summary."""

        def run(case: tuple[str, int]) -> tuple[Path, dict[str, Any]]:
            layout, gridsize = case
            folder = tmp_path_factory.mktemp(f"{layout}{gridsize}")
            summary = pipeline.train(scans[layout], folder, gridsize=gridsize, test_data_file=scans[layout])
            pipeline.infer(folder, scans[layout], folder / "inferred")
            return folder, summary

        return dict(zip(CASES, at_once(run, CASES), strict=True))

    @pytest.mark.parametrize(("layout", "gridsize"), CASES)
    def test_train_save_load_infer(
        self, layout: str, gridsize: int, runs: dict[tuple[str, int], tuple[Path, dict[str, Any]]]
    ) -> None:
        folder, summary = runs[layout, gridsize]
        rows = history.read(folder / "history.csv")
        assert [1, 2] == [row.epoch for row in rows]
        assert rows[1].train_loss < rows[0].train_loss
        assert rows[-1].train_loss == summary["train_loss"]
        assert np.isfinite(summary["test"]["loss"])
        tensors, meta = checkpoint.load(folder / "model.safetensors")
        assert gridsize == meta.config["model"]["gridsize"]
        assert not [name for name in tensors if name.startswith("adam.")]
        inferred = folder / "inferred"
        reconstruction = load_reconstruction(inferred)
        assert np.isfinite(reconstruction.obj).all()
        row0, row1, column0, column1 = reconstruction.crop
        dataset = contract.load(FIXTURE)
        assert row0 <= dataset.ycoords.min() - 9
        assert row1 >= dataset.ycoords.max() + 9
        assert column0 <= dataset.xcoords.min() - 9
        assert column1 >= dataset.xcoords.max() + 9
        covered = reconstruction.obj[reconstruction.overlap > 0]
        assert np.std(np.abs(covered)) > 1e-4, "a constant: untrained or dead weights"
        for picture in ("reconstructed_amplitude.png", "reconstructed_phase.png"):
            assert b"\x89PNG" == (inferred / picture).read_bytes()[:4]

    @pytest.mark.parametrize("gridsize", [1, 2])
    def test_both_layouts_train_on_the_same_bytes(
        self, gridsize: int, runs: dict[tuple[str, int], tuple[Path, dict[str, Any]]]
    ) -> None:
        (first, canonical), (second, legacy) = (runs[layout, gridsize] for layout in LAYOUTS)
        assert canonical["stages"] == legacy["stages"]
        log = (first / "train.log").read_text()
        assert f"input sha256 {canonical['input_sha256']}" in log
        for one, two in zip(_losses(first), _losses(second), strict=True):
            assert one == two
        _assert_same(first / "inferred", second / "inferred")

    def test_nothing_is_left_behind(
        self, pipeline: Pipeline, runs: dict[tuple[str, int], tuple[Path, dict[str, Any]]]
    ) -> None:
        assert len(CASES) == len(runs)
        assert pipeline.leavings() == []

    @pytest.mark.deep
    def test_the_same_command_repeats_and_another_seed_does_not(
        self,
        pipeline: Pipeline,
        scans: dict[str, Path],
        runs: dict[tuple[str, int], tuple[Path, dict[str, Any]]],
        tmp_path: Path,
    ) -> None:
        folder, _ = runs["canonical", 1]
        again, other = tmp_path / "again", tmp_path / "other"
        at_once(
            lambda run: pipeline.train(scans["canonical"], run[0], **run[1]),
            [(again, {"test_data_file": scans["canonical"]}), (other, {"seed": 7, "nepochs": 1})],
        )
        pipeline.infer(again, scans["canonical"], again / "inferred")
        assert _losses(folder) == _losses(again)
        _assert_same(folder / "inferred", again / "inferred")
        assert _losses(folder)[0] != _losses(other)[0]

    @pytest.mark.deep
    @pytest.mark.fault("training-killed")
    def test_a_killed_training_resumes_to_the_same_weights(
        self, pipeline: Pipeline, scans: dict[str, Path], tmp_path: Path
    ) -> None:
        # A home of its own: a killed process leaves its store in TMPDIR, for whoever owns that to remove.
        pipeline = Pipeline(backend=self.backend, home=tmp_path / "home")
        whole, killed = tmp_path / "whole", tmp_path / "killed"
        pipeline.train(scans["canonical"], whole, nepochs=3)
        # Many epochs, so that the kill comes while one is under way, however fast the machine is.
        process = pipeline.start(*pipeline.train_arguments(scans["canonical"], killed, nepochs=200))
        try:
            _wait_for_rows(killed / "history.csv", 1, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        bites(process.returncode == -signal.SIGKILL, "the training was killed")
        done = checkpoint.load(killed / "checkpoint.safetensors")[1].epoch
        assert 1 <= done < 3, f"{done} epochs were done before the kill"
        assert not (killed / "model.safetensors").exists()
        pipeline.train(scans["canonical"], killed, nepochs=3, resume=True)
        assert _losses(whole) == _losses(killed)
        expected, _ = checkpoint.load(whole / "checkpoint.safetensors")
        actual, _ = checkpoint.load(killed / "checkpoint.safetensors")
        assert checkpoint.digest(expected) == checkpoint.digest(actual)

    def test_resuming_another_training_is_refused(
        self,
        pipeline: Pipeline,
        scans: dict[str, Path],
        runs: dict[tuple[str, int], tuple[Path, dict[str, Any]]],
    ) -> None:
        folder, _ = runs["canonical", 1]
        arguments = pipeline.train_arguments(scans["canonical"], folder, nepochs=3, resume=True, learning_rate=0.1)
        done = pipeline.run(*arguments)
        assert done.returncode == 2
        assert "learning_rate: the checkpoint has 0.001, this run 0.1" in done.stderr

    @pytest.mark.deep
    @pytest.mark.parametrize(("side", "precision"), [(128, "f32"), (64, "f64"), (64, "bf16")])
    def test_other_sizes_and_precisions_train_and_infer(
        self, side: int, precision: str, pipeline: Pipeline, tmp_path: Path
    ) -> None:
        probe, obj = simulate.own_probe_and_object(n_images=12, side=side, seed=1, step_px=3.5, buffer=3)
        scan = simulate.simulate(probe=probe, obj=obj, n_images=12, nphotons=1e6, seed=1, buffer=3, step_px=3.5)
        contract.save(tmp_path / "scan.npz", scan)
        options = {"nepochs": 1, "n_images": 8, "precision": precision, "gridsize": 2}
        summary = pipeline.train(tmp_path / "scan.npz", tmp_path / "out", **options)
        assert summary["engine"]["precision"] == precision
        assert np.isfinite(summary["train_loss"])
        pipeline.infer(tmp_path / "out", tmp_path / "scan.npz", tmp_path / "inferred", precision=precision)
        assert np.isfinite(load_reconstruction(tmp_path / "inferred").obj).all()

    @pytest.mark.deep
    def test_suspicious_data_are_warned_of_as_inspect_does(self, pipeline: Pipeline, tmp_path: Path) -> None:
        plant = planted_data.PLANTED["x and y"][1]
        scan = planted_data.write(tmp_path / "scan.npz", plant(planted_data.right()))
        inspected = pipeline.run("-m", "ptycho", "inspect", scan, "--json")
        (sentence,) = json.loads(inspected.stdout)["suspicions"]
        assert sentence.startswith("it looks as if x and y were swapped: ")
        folder, model = tmp_path / "out", tmp_path / "out" / "model.safetensors"
        trained = pipeline.run(*pipeline.train_arguments(scan, folder, nepochs=1, n_images=8))
        common = ["--test_data", scan, "--threads", 1, "--quiet"]
        infer = ["-m", f"{self.backend}.inference", "--model_path", model, *common]
        inferred = pipeline.run(*infer, "--output_dir", tmp_path / "inferred")
        for done, summary in ((trained, folder / "summary.json"), (inferred, tmp_path / "inferred" / "inference.json")):
            assert done.returncode == 0, done.stderr
            assert f"warning: scan.npz: {sentence}" in done.stderr.splitlines()
            assert json.loads(summary.read_text())["suspicions"] == [sentence]
        assert sentence in (folder / "train.log").read_text()
        refused = pipeline.run(*infer, "--strict", "--output_dir", tmp_path / "refused")
        assert refused.returncode == 1
        assert sentence in refused.stderr

    @pytest.mark.deep
    def test_mlflow_reads_back_through_its_own_client(
        self, pipeline: Pipeline, scans: dict[str, Path], tmp_path: Path
    ) -> None:
        folder = tmp_path / "tracked"
        summary = pipeline.train(scans["canonical"], folder, disable_mlflow=False, nepochs=2)
        assert summary["tracking"].startswith("FINISHED")
        assert pipeline.leavings() == []
        script = (
            "import json, sys; from mlflow.tracking import MlflowClient; "
            "c = MlflowClient('sqlite:///' + sys.argv[1]); "
            "r = c.search_runs([e.experiment_id for e in c.search_experiments()])[0]; "
            "m = [x.value for x in c.get_metric_history(r.info.run_id, 'train_loss')]; "
            "ls = lambda folder: c.list_artifacts(r.info.run_id, folder); "
            "a = sorted(item.path for folder in ls(None) for item in ls(folder.path)); "
            "print(json.dumps([r.info.status, r.data.params['batch_size'], m, a]))"
        )
        read = pipeline.run("-W", "ignore", "-c", script, folder / "mlflow" / "mlflow.db")
        assert read.returncode == 0, read.stderr
        status, batch_size, losses, artifacts = json.loads(read.stdout.splitlines()[-1])
        assert ("FINISHED", "4") == (status, batch_size)
        assert losses == [row.train_loss for row in history.read(folder / "history.csv")]
        assert "weights/model.safetensors" in artifacts
        assert "pictures/loss_curve.png" in artifacts

    @pytest.mark.deep
    def test_without_mlflow_it_is_not_even_imported(
        self, pipeline: Pipeline, scans: dict[str, Path], tmp_path: Path
    ) -> None:
        arguments = pipeline.train_arguments(scans["canonical"], tmp_path / "out", nepochs=1, n_images=8)[2:]
        script = (
            f"import sys; from {self.backend} import train; train.main(sys.argv[1:]); "
            "print([name for name in sys.modules if name.partition('.')[0] == 'mlflow'])"
        )
        done = pipeline.run("-c", script, *arguments)
        assert done.returncode == 0, done.stderr
        assert "[]" == done.stdout.strip()
        assert not (tmp_path / "out" / "mlflow").exists()

    @pytest.fixture(scope="class")
    @classmethod
    def refusals(cls, pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
        """Exit code and error of every bad input, from a process in which importing a framework is an error."""
        at = tmp_path_factory.mktemp("bad")
        cases: dict[str, tuple[str, list[str]]] = {}
        for broken in crafted_npz.BROKEN:
            data = str(broken.build(at))
            cases[broken.name] = ("train", _train_options(data, at / "out"))
        (at / "file").write_text("")
        good = str(FIXTURE)
        swapped = str(planted_data.write(at / "swapped.npz", planted_data.PLANTED["x and y"][1](planted_data.right())))
        cases |= {
            "output is a file": ("train", _train_options(good, at / "file")),
            "n_images > M": ("train", [*_train_options(good, at / "out"), "--n_images", "5000"]),
            "N": ("train", [*_train_options(good, at / "out"), "--N", "96"]),
            "gridsize": ("train", [*_train_options(good, at / "out"), "--gridsize", "3"]),
            "no model": ("inference", ["--model_path", str(at), "--test_data", good, "--output_dir", str(at / "out")]),
            "nothing to resume": ("train", [*_train_options(good, at / "fresh"), "--resume"]),
            "suspicious": ("train", [*_train_options(swapped, at / "out"), "--strict", "--quiet"]),
        }
        process = pipeline.start("-c", _REFUSALS, cls.backend)
        stdout, stderr = process.communicate(json.dumps(cases), timeout=300)
        assert process.returncode == 0, stderr
        return {name: (code, error) for name, (code, error) in json.loads(stdout).items()}

    @pytest.mark.parametrize("broken", crafted_npz.BROKEN, ids=lambda broken: broken.name)
    def test_a_bad_file_is_refused_before_the_framework_is_imported(
        self, broken: crafted_npz.Broken, refusals: dict[str, tuple[int, str]]
    ) -> None:
        code, error = refusals[broken.name]
        assert code == 2, error
        assert broken.says in error
        assert len(error.splitlines()) < 25, "more than one screen"
        assert "Traceback" not in error

    @pytest.mark.parametrize(
        ("case", "code", "says"),
        [
            ("output is a file", 13, "there is a file where the folder should be"),
            ("n_images > M", 2, "n_images = 5000"),
            ("N", 2, "N = 96; allowed: 64, 128, 256"),
            ("gridsize", 2, "gridsize = 3; allowed: 1, 2"),
            ("no model", 2, "holds no model.safetensors"),
            ("nothing to resume", 2, "checkpoint.safetensors"),
            ("suspicious", 1, "it looks as if x and y were swapped"),
        ],
    )
    def test_a_bad_option_is_refused_before_the_framework_is_imported(
        self, case: str, code: int, says: str, refusals: dict[str, tuple[int, str]]
    ) -> None:
        found, error = refusals[case]
        assert code == found, error
        assert says in error

    def test_cuda_without_a_gpu_is_an_error_and_no_skip(self, pipeline: Pipeline, tmp_path: Path) -> None:
        arguments = pipeline.train_arguments(FIXTURE, tmp_path / "out", device="cuda")
        hidden = Pipeline(backend=self.backend, home=pipeline.home)
        done = hidden.run("-c", "import os; os.environ['CUDA_VISIBLE_DEVICES'] = ''; " + _as_module(arguments))
        assert done.returncode == 13, done.stderr
        assert "cuda" in done.stderr


def _as_module(arguments: list[object]) -> str:
    module, rest = arguments[1], [str(word) for word in arguments[2:]]
    return f"from {module} import main; main({rest!r})"


def _train_options(data: str, output: Path) -> list[str]:
    return ["--train_data_file", data, "--output_dir", str(output), "--nepochs", "1", "--quiet", "--disable_mlflow"]


def _losses(folder: Path) -> list[tuple[float, float]]:
    return [(row.train_loss, row.validation_loss) for row in history.read(folder / "history.csv")]


def _arrays(folder: Path) -> dict[str, NDArray[Any]]:
    with np.load(folder / "reconstruction.npz") as archive:
        return {name: archive[name] for name in archive.files}


def _assert_same(first: Path, second: Path) -> None:
    """Two reconstructions, bit for bit."""
    one, two = _arrays(first), _arrays(second)
    assert sorted(one) == sorted(two) == ["crop", "object", "overlap"]
    for name, value in one.items():
        assert value.tobytes() == two[name].tobytes(), name


def _wait_for_rows(path: Path, count: int, process: Any) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        if path.exists() and path.read_text().count("\n") > count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} has no {count} rows after 120 s")
