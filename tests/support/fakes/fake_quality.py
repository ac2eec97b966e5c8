"""
Two pipelines of a few lines of NumPy for campaigns: what they reach is the seed's luck, a little of their own, a fault.

The "network" knows the object and blurs it with noise: the standard deviation of the noise is what a training reached.
"""

from collections.abc import Mapping
from pathlib import Path

HEADER = "epoch,train_loss,validation_loss,train_deviance,validation_deviance,learning_rate,seconds,patterns_per_second"

TRAIN = """
import hashlib, json, math, pathlib, random, sys, time
data, output, side, seed, epochs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:6]
fault = json.loads(sys.argv[6])
if int(seed) in fault.get("crash", []):
    raise SystemExit("planted crash")
shared, own = random.Random(int(seed)), random.Random(f"{side}{seed}")
noise = 0.1 * math.exp(0.3 * shared.gauss(0, 1) + 0.05 * own.gauss(0, 1) + fault.get("worse", 0))
precision = dict(zip(sys.argv, sys.argv[1:])).get("--precision")
noise *= math.exp(fault.get(f"worse_in_{precision}", 0))
print("precision", precision)
output.mkdir(parents=True)
(output / "noise").write_text(str(noise))
rows = [f"{k},{-k},{-k},1,{noise**2!r},0.001,1,1" for k in range(1, int(epochs) + 1)]
(output / "history.csv").write_text("\\n".join(["HEADER", *rows]) + "\\n")
digest = hashlib.sha256(data.read_bytes() + (seed.encode() if "input" in fault else b"")).hexdigest()
packages = {"framework": fault.get("version", "1.0")}
(output / "summary.json").write_text(json.dumps({"input_sha256": digest, "fingerprint": {"packages": packages}}))
""".replace("HEADER", HEADER)

INFER = """
import json, pathlib, sys
import numpy as np
data, model, output, side, seed = *map(pathlib.Path, sys.argv[1:4]), *sys.argv[4:6]
fault, truth = json.loads(sys.argv[6]), np.load(data)["objectGuess"]
noise = float((model / "noise").read_text())
rng = np.random.default_rng(int(seed))
obj = truth * np.exp(noise * (rng.normal(size=truth.shape) + 1j * rng.normal(size=truth.shape)))
if int(seed) in fault.get("flat", []):
    obj = np.ones_like(truth)
if int(seed) in fault.get("nan", []):
    obj = obj * np.nan
output.mkdir(parents=True)
height, width = truth.shape
crop = np.array([16, height - 16, 16, width - 16])
inner = obj[16:-16, 16:-16].astype(np.complex64)
np.savez(output / "reconstruction.npz", object=inner, overlap=np.ones(inner.shape), crop=crop)
"""

TOML = """
[target]
name = "{side}"
framework = "none"
root = "."

[train]
argv = ["{{python}}", "{{root}}/train.py", "{{train}}", "{{output}}", "{side}", "{{seed}}", "{{nepochs}}", '{fault}']
artifacts = ["history.csv", "summary.json"]

[infer]
argv = ["{{python}}", "{{root}}/infer.py", "{{test}}", "{{model}}", "{{output}}", "{side}", "{{seed}}", '{fault}']
artifacts = ["reconstruction.npz"]

[reconstruction]
min_phase_correlation = 0.3

[summary]
path = "summary.json"

[job]
fixtures = ["scan"]
n_images = 1
nepochs = 1
"""


def write(folder: Path, faults: Mapping[str, str]) -> dict[str, Path]:
    """
    Write both pipelines and their target files.

    Args:
        folder: where to.
        faults: JSON by side: `worse` and `worse_in_bf16` (of the logarithm of the noise), `crash`, `flat`, `nan`
            (lists of seeds), `input` (another input for each seed), `version` (of the framework).

    Returns:
        Target file by side.
    """
    files = {}
    for side in ("torch", "tf"):
        place = folder / side
        place.mkdir(parents=True, exist_ok=True)
        (place / "train.py").write_text(TRAIN)
        (place / "infer.py").write_text(INFER)
        files[side] = place / "target.toml"
        text = faults.get(side, "{}").replace("{", "{{").replace("}", "}}")
        files[side].write_text(TOML.format(side=side, fault=text))
    return files
