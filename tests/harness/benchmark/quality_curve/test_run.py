"""The whole command with stand-ins for both interpreters: what they leave becomes points, and the log judges."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.benchmark.quality_curve import run
from harness.benchmark.quality_curve.run import QualityCurveOptions
from harness.system.signals import Interruption
from ptycho.data import npz_writer
from ptycho.errors import PtychoError
from ptycho.simulation import simulate
from ptycho.verdict import Verdict

STAND_IN = """#!{python}
import json, pathlib, shutil, sys
words = sys.argv[2:]
given = dict(zip(words[1::2], words[2::2]))
folder = pathlib.Path(given["--output_dir"])
folder.mkdir()
if words[0].endswith("train"):
    seconds = {{"import": 50.0, "train": {seconds} * int(given["--nepochs"]), "validate": 1.0, "save": 50.0}}
    (folder / "summary.json").write_text(json.dumps({{"seconds": seconds}}))
    sys.exit({code})
shutil.copy({made!r}, folder / "reconstruction.npz")
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan with its object."""
    probe, obj = simulate.own_probe_and_object(n_images=70, side=64, seed=1)
    dataset = simulate.simulate(probe=probe, obj=obj, n_images=70, seed=1)
    path = tmp_path_factory.mktemp("scan") / "scan.npz"
    npz_writer.save(path, dataset)
    return path


Maker = Callable[..., str]


@pytest.fixture
def stand_in(tmp_path: Path, scan: Path) -> Maker:
    """An interpreter that leaves the scan's own object, or a flat one, and trains so many seconds an epoch."""

    def make(name: str, *, seconds: float = 10.0, flat: bool = False, code: int = 0) -> str:
        with np.load(scan) as archive:
            obj = archive["objectGuess"]
        made = tmp_path / f"{name}.npz"
        shown = np.ones_like(obj) if flat else obj
        height, width = obj.shape
        np.savez(made, object=shown, overlap=np.ones(obj.shape), crop=np.array([0, height, 0, width]))
        path = tmp_path / name
        path.write_text(STAND_IN.format(python=sys.executable, seconds=seconds, made=str(made), code=code))
        path.chmod(0o755)
        return str(path)

    return make


def options(scan: Path, root: Path, torch: str, tf: str, *, measured: bool = False) -> QualityCurveOptions:
    return QualityCurveOptions(
        pythons={"torch": torch, "tf": tf},
        scan=scan,
        epochs=(1, 3),
        batch_size=8,
        learning_rate=0.002,
        warmup_steps=5,
        seed=42,
        within_s=60.0,
        root=root,
        measured=measured,
    )


@pytest.mark.deep
def test_every_point_is_made_and_the_bar_is_met(scan: Path, stand_in: Maker, tmp_path: Path) -> None:
    asked = options(scan, tmp_path / "runs", stand_in("torch"), stand_in("tf"))
    report, folder = run.run(asked, Interruption())
    assert [(point.side, point.epochs, point.training_s) for point in report.points] == [
        ("torch", 1, 11.0),
        ("tf", 1, 11.0),
        ("torch", 3, 31.0),
        ("tf", 3, 31.0),
    ]
    assert (list(report.complaints()), report.verdict) == ([], Verdict.PASS)
    written = json.loads((folder / run.REPORT).read_text())
    assert (written["verdict"], len(written["points"])) == ("pass", 4)
    assert (folder / "pictures" / run.CURVE).is_file()
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == "pass"


@pytest.mark.deep
def test_a_flat_reconstruction_on_one_side_fails(scan: Path, stand_in: Maker, tmp_path: Path) -> None:
    asked = options(scan, tmp_path / "runs", stand_in("torch"), stand_in("tf", flat=True))
    report, folder = run.run(asked, Interruption())
    assert report.verdict is Verdict.FAIL
    assert {text.split(":")[0] for text in report.complaints()} == {"tf, 3 epochs in 31 s"}
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == "fail"


@pytest.mark.deep
@pytest.mark.parametrize(("flat", "verdict"), [(False, Verdict.PASS), (True, Verdict.FAIL)])
def test_of_a_measured_scan_the_way_to_the_given_object_counts(
    scan: Path, stand_in: Maker, tmp_path: Path, flat: bool, verdict: Verdict
) -> None:
    asked = options(scan, tmp_path / "runs", stand_in("torch"), stand_in("tf", flat=flat), measured=True)
    report, _ = run.run(asked, Interruption())
    ways = [point.way for point in report.points]
    assert ways == pytest.approx([1.0, 0.0 if flat else 1.0] * 2, abs=1e-6)
    assert report.verdict is verdict


@pytest.mark.deep
@pytest.mark.parametrize("wanted", [True, False])
def test_what_was_asked_reaches_the_trainings(scan: Path, stand_in: Maker, tmp_path: Path, wanted: bool) -> None:
    asked = options(scan, tmp_path / "runs", stand_in("torch"), stand_in("tf"))
    _, folder = run.run(replace(asked, epochs=(1,), intensity_scale_trainable=wanted), Interruption())
    rows = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    trained = [row["argv"] for row in rows if any(word.endswith(".train") for word in row.get("argv", ()))]
    assert len(trained) == 2
    assert all("--learning_rate 0.002 --warmup_steps 5 --seed 42" in " ".join(argv) for argv in trained)
    assert [wanted] * 2 == ["--intensity_scale_trainable" in argv for argv in trained]


@pytest.mark.deep
def test_trainings_that_take_too_long_do_not_count(scan: Path, stand_in: Maker, tmp_path: Path) -> None:
    asked = options(scan, tmp_path / "runs", stand_in("torch"), stand_in("tf", seconds=70.0))
    report, _ = run.run(asked, Interruption())
    assert (list(report.complaints()), report.verdict) == (["tf: no training fits 60 s"], Verdict.FAIL)


def test_a_training_that_breaks_is_no_point(scan: Path, stand_in: Maker, tmp_path: Path) -> None:
    asked = options(scan, tmp_path / "runs", stand_in("torch", code=3), stand_in("tf"))
    with pytest.raises(PtychoError, match="torch-1-train ended with exit code 3") as ended:
        run.run(asked, Interruption())
    assert ended.value.verdict is Verdict.FAIL
