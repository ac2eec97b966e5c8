"""
A pipeline of a few lines of NumPy, with faults to order, and its target file: what the tests drive.

Its "network" knows the answer: it writes the file's own object, with noise, as its reconstruction.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TRAIN = """
import hashlib, json, os, pathlib, pwd, subprocess, sys, tempfile, time
data, output, fault = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
home = pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir)
if fault == "crash":
    raise SystemExit("planted crash")
if fault == "hang":
    print("hanging", flush=True); time.sleep(600)
if fault == "code":
    raise SystemExit(12)
if fault == "cwd":
    pathlib.Path("mlflow.db").write_text("x")
if fault == "parent":
    pathlib.Path("../stray.npz").write_text("x")
if fault == "home":
    (pathlib.Path.home() / ".telemetry").write_text("x")
if fault == "tmp":
    tempfile.mkstemp(prefix="memmap-")
if fault == "absolute":
    pathlib.Path(sys.argv[4]).write_text("x")
if fault == "daemon":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
if fault == "environment":
    print(json.dumps(dict(os.environ)), flush=True)
if fault != "nothing":
    output.mkdir(parents=True)
    (output / "weights.bin").write_bytes(b"weights")
    with open(data, "rb") as file:
        digest = "constant" if fault != "bytes" else hashlib.sha256(file.read()).hexdigest()
    (output / "summary.json").write_text(json.dumps({"input_sha256": digest}))
"""

INFER = """
import pathlib, sys
import numpy as np
data, model, output, fault = (*map(pathlib.Path, sys.argv[1:4]), sys.argv[4])
assert (model / "weights.bin").read_bytes() == b"weights"
truth = np.load(data)["objectGuess"]
noise = np.random.default_rng(0).normal(0, 0.01, truth.shape)
obj = np.ones_like(truth) if fault == "flat" else truth * np.exp(1j * noise)
if fault == "mirrored":
    obj = truth[::-1]
output.mkdir(parents=True)
height, width = truth.shape
crop = np.array([16, height - 16, 16, width - 16])
inner = obj[16:-16, 16:-16].astype(np.complex64)
np.savez(output / "reconstruction.npz", object=inner, overlap=np.ones(inner.shape), crop=crop)
"""

TOML = """
[target]
name = "fake"
framework = "none"
root = "."

[train]
argv = ["{{python}}", "{{root}}/train.py", "{{train}}", "{{output}}", "{fault}", "{absolute}"]
artifacts = ["weights.bin", "summary.json"]
timeout_s = {timeout_s}

[infer]
argv = ["{{python}}", "{{root}}/infer.py", "{{test}}", "{{model}}", "{{output}}", "{fault}"]
artifacts = ["reconstruction.npz"]
timeout_s = 60

[device_probe]
argv = ["{{python}}", "-c", "{probe}"]

[reconstruction]
min_phase_correlation = 0.5

[summary]
path = "summary.json"

[job]
fixtures = ["scan", "scan_again"]
n_images = 1
nepochs = 1
{suite}
"""


def truth(side: int = 96) -> NDArray[np.complex64]:
    """An object without symmetry, amplitude and phase structured, `(side, side)`."""
    y, x = np.mgrid[:side, :side] / side
    phase = np.sin(9 * x + 4 * y * y) + 0.5 * np.cos(17 * x * y) + 0.3 * x
    return np.asarray((0.8 + 0.2 * np.cos(11 * y + 3 * x)) * np.exp(1j * phase), np.complex64)


def scan(path: Path, side: int = 64) -> Path:
    """Write a file that the data contract accepts: a small canonical scan with its object."""
    from ptycho.data import contract
    from ptycho.data.dataset import Dataset, Source
    from ptycho.physics import forward, patches

    obj = truth(128)
    y, x = (coordinate.ravel().astype(np.float64) for coordinate in np.mgrid[36:92:7, 36:94:7])
    axis = np.arange(side) - side / 2 + 0.5
    spread = np.exp(-(axis[:, None] ** 2 + axis**2) / 120) * np.exp(1j * (axis[:, None] ** 2 + axis**2) / 90)
    probe = spread[None].astype(np.complex64)
    seen = patches.extract(obj, x, y, side)
    diffraction = forward.amplitude(seen, probe).astype(np.float32)
    source = Source(path=path, sha256="", layout="canonical", measurement_domain="amplitude")
    dataset = Dataset(
        frames=diffraction,
        probe=probe,
        obj=obj,
        xcoords=x,
        ycoords=y,
        xcoords_start=x.copy(),
        ycoords_start=y.copy(),
        scan_index=np.zeros(len(x), np.int64),
        metadata={"nphotons": 1e6, "measurement_domain": "amplitude"},
        source=source,
    )
    contract.save(path, dataset)
    return path


def write(
    folder: Path,
    *,
    fault: str = "none",
    absolute: str = "-",
    timeout_s: float = 60,
    probe: str = "raise SystemExit('no GPU here')",
    suite: str | None = "def test_truth() -> None:\n    assert 4 == 2 + 2\n",
) -> Path:
    """
    Write the pipeline and its target file.

    Args:
        folder: where to.
        fault: what it does wrong; see the scripts above.
        absolute: path that the fault `absolute` writes.
        timeout_s: limit of the training.
        probe: Python of the device probe.
        suite: contents of its one test module, or None for no suite.

    Returns:
        The target file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(TRAIN)
    (folder / "infer.py").write_text(INFER)
    if suite is not None:
        (folder / "checks").mkdir(exist_ok=True)
        (folder / "checks" / "test_fake.py").write_text(suite)
    table = '[suite]\npath = "checks"\ntimeout_s = 60\n' if suite is not None else ""
    target = folder / "fake.toml"
    target.write_text(TOML.format(fault=fault, absolute=absolute, timeout_s=timeout_s, probe=probe, suite=table))
    return target
