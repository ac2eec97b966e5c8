"""
An iterative engine, and what its kind needs of a target file: nothing is trained, its input is a folder of files with
intensities under other names, it reads a configuration file from its working directory and makes no output folder.

Like `fake_target` it knows the answer, which the conversion hands on.
"""

import sys
from pathlib import Path

CONVERT = """
import pathlib, sys
import numpy as np
out = pathlib.Path(sys.argv[2])
with np.load(sys.argv[1]) as file:
    scan = dict(file)
frames = out / "frames"
frames.mkdir(parents=True)
for number, amplitude in enumerate(scan["diff3d"]):
    np.save(frames / f"{number:04d}.npy", np.asarray(amplitude, float) ** 2)
np.savez(frames / "places.npz", px=scan["xcoords"], py=scan["ycoords"], answer=scan["objectGuess"])
"""

ENGINE = """
import json, pathlib
import numpy as np
options = json.loads(pathlib.Path("engine.json").read_text())
assert pathlib.Path("start/guess.txt").read_text() == "ones"
frames, out = pathlib.Path(options["frames"]), pathlib.Path(options["out"])
counts = [np.load(path).sum() for path in sorted(frames.glob("*.npy"))]
with np.load(frames / "places.npz") as places:
    assert len(counts) == len(places["px"])
    answer = places["answer"]
rng = np.random.default_rng(options["seed"])
noise = rng.normal(0, 1 / (3 + options["rounds"]), (2, *answer.shape))
found = (answer * (1 + 0.2 * noise[0]) * np.exp(0.2j * noise[1]))[16:-16, 16:-16]
(out / "object.npz").open("xb").close()  # fails where nobody has made the folder
np.savez(out / "object.npz", psi=found.astype(np.complex64))
print("rounds", options["rounds"], flush=True)
"""

TOML = """
[target]
name = "engine"
framework = "numpy"
root = "source"

[convert]
argv = ["{{python}}", "{{here}}/convert.py", "{{train}}", "{{output}}"]
artifacts = ["frames/places.npz"]
train = "frames"

[infer]
argv = ["{{python}}", "{{root}}/engine.py"]
artifacts = ["object.npz"]
make_output = {make_output}

[[infer.files]]
path = "engine.json"
text = '{{{{"frames": "{{test}}", "out": "{{output}}", "rounds": {{nepochs}}, "seed": {{seed}}}}}}'

[[infer.files]]
path = "start/guess.txt"
source = "guess.txt"

[reconstruction]
path = "object.npz"
object = "psi"
overlap = ""
crop = ""
min_phase_correlation = 0.5

[job]
fixtures = ["small"]
n_images = 64
nepochs = 9

[checks]
legacy_layout = false
"""


def write(folder: Path, *, make_output: bool = True) -> Path:
    """Write the engine's checkout, and beside it converter and target file; returns the target file."""
    (folder / "source").mkdir(parents=True)
    (folder / "source" / "engine.py").write_text(ENGINE)
    (folder / "source" / "guess.txt").write_text("ones")
    (folder / "convert.py").write_text(CONVERT)
    target = folder / "engine.toml"
    target.write_text(TOML.format(make_output=str(make_output).lower(), python=sys.executable))
    return target
