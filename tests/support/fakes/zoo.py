"""
A zoo of foreign targets: a clean pipeline (`tests/harness/zoo/lensless`), and animals that differ from it by one edit.

Edits and not switches: the clean source is what a stranger would write, and an edit that no longer finds its place is
an error.
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.lanes import lane
from harness.system.signals import Interruption
from harness.targets import loader

SOURCES = Path(__file__).parents[2] / "harness" / "zoo"


@dataclass(frozen=True, kw_only=True)
class Animal:
    """
    One target.

    Attributes:
        name: name of the case.
        finding: the one id that the harness must find; `""` for none.
        file: what is edited, below the zoo's folder.
        old: text that is replaced.
        new: by what.
        more: further edits: file, text, by what.
        also: a second finding; `""` for none.
        verdict: what the lane must end with.
    """

    name: str
    finding: str
    file: str = ""
    old: str = ""
    new: str = ""
    more: tuple[tuple[str, str, str], ...] = ()
    also: str = ""
    verdict: str = "fail"

    @property
    def findings(self) -> list[str]:
        """All that the harness must find, in order."""
        return [finding for finding in (self.finding, self.also) if finding]


_FIT, _DRAW, _SCAN, _FILE = "lensless/fit.py", "lensless/draw.py", "lensless/scan.py", "target.toml"
_START = "    data = scan.load(args.data)\n    rng"
_SAVE = '    np.savez(args.into / "weights.npz", object=fitted)\n'
_PLACES = "    across, down = data.x, data.y\n"
_PAINTING = "    painting = total[inner] / np.maximum(count[inner], 1)\n"

_DATABASE = """
    import sqlite3

    with sqlite3.connect("mlflow.db") as runs:
        runs.execute("create table runs (id)")
"""

ANIMALS = (
    Animal(name="clean", finding="", verdict="pass"),
    Animal(
        name="mirrored_stitching",
        finding="stitching-mirrored",
        file=_DRAW,
        old=_PLACES,
        new="    across, down = 2 * data.x.mean() - data.x, data.y\n",
    ),
    Animal(
        name="mirrored_bright_and_without_a_place",
        finding="stitching-mirrored",
        also="object-scaled",
        file=_DRAW,
        old=_PLACES,
        new="    across, down = 2 * data.x.mean() - data.x, 2 * data.y.mean() - data.y\n",
        more=(
            (_DRAW, _PAINTING, "    painting = 4 * total[inner] / np.maximum(count[inner], 1)\n"),
            (_FILE, 'overlap = "hits"\ncrop = "box"', 'overlap = ""\ncrop = ""'),
        ),
    ),
    Animal(
        name="swapped_axes",
        finding="stitching-swapped",
        file=_DRAW,
        old=_PLACES,
        new="    across, down = data.y, data.x\n",
    ),
    Animal(
        name="scaled",
        finding="object-scaled",
        file=_DRAW,
        old=_PAINTING,
        new="    painting = 4 * total[inner] / np.maximum(count[inner], 1)\n",
    ),
    Animal(
        name="legacy_refused",
        finding="legacy-refused",
        file=_SCAN,
        old='found["diffraction"].transpose(2, 0, 1)',
        new='found["no_such_array"]',
    ),
    Animal(
        name="flag_ignored", finding="option-ignored", file=_FIT, old="if not args.no_curve:", new="if args.rounds:"
    ),
    Animal(
        name="writes_to_parent",
        finding="leak-parent",
        file=_FIT,
        old=_SAVE,
        new=_SAVE + '    np.savez(Path.cwd().parent / "last_checkpoint.npz", object=fitted)\n',
    ),
    Animal(
        name="telemetry_in_home",
        finding="leak-home",
        file=_FIT,
        old=_SAVE,
        new=_SAVE + '    (Path.home() / ".lensless").write_text("one more fit")\n',
    ),
    Animal(name="untrained_weights", finding="untrained-weights", file=_FIT, old="object=fitted)", new="object=obj)"),
    Animal(name="unseeded", finding="unseeded", file=_FIT, old="default_rng(args.random_state)", new="default_rng()"),
    Animal(
        name="leftover_database",
        finding="leak-database",
        file=_FIT,
        old=_SAVE,
        new=_SAVE + _DATABASE,
    ),
    Animal(name="no_output", finding="no-output", file=_FIT, old=_START, new="    return\n" + _START),
    Animal(
        name="hangs",
        finding="time-limit",
        file=_FIT,
        old=_START,
        new="    import threading\n\n    threading.Event().wait()\n" + _START,
        verdict="timeout",
    ),
)


def scan(path: Path, seed: int = 3) -> Path:
    """Write a noise-free canonical scan: 72 positions on a jittered grid, an object with texture of a few pixels."""
    rng = np.random.default_rng(seed)
    height, width, side = 124, 120, 64
    frequency = np.fft.fftfreq(height)[:, None] * 12, np.fft.fftfreq(width) * 9
    grain = np.exp(-(frequency[0] ** 2) - frequency[1] ** 2)
    phase, absorption = np.fft.ifft2(np.fft.fft2(rng.normal(size=(2, height, width))) * grain).real
    obj = np.exp(0.6j * phase / phase.std() - np.abs(0.1 * absorption / absorption.std())).astype(np.complex64)
    grid = np.mgrid[36:86:6.2, 36:82:6.2].reshape(2, -1)
    y, x = np.rint(grid + rng.uniform(-1.5, 1.5, grid.shape))
    axis = np.arange(side) - (side - 1) / 2
    probe = np.exp((-0.02 + 0.015j) * (axis[:, None] ** 2 + 1.3 * axis**2)).astype(np.complex64)
    half = side // 2
    waves = [
        probe * obj[int(j) - half : int(j) + half, int(i) - half : int(i) + half] for i, j in zip(x, y, strict=True)
    ]
    frames = np.fft.fftshift(np.abs(np.fft.fft2(np.stack(waves), norm="ortho")), axes=(1, 2)).astype(np.float32)
    np.savez(path, diff3d=frames, probeGuess=probe, objectGuess=obj, xcoords=x, ycoords=y)
    return path


def build(animal: Animal, folder: Path, *, known: str = "") -> Path:
    """
    Write an animal's sources and target file.

    Args:
        animal: which.
        folder: where to; it must not be there.
        known: text of its list of known failures; none where empty.

    Returns:
        The target file.
    """
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if animal.file:
        for file, old, new in ((animal.file, animal.old, animal.new), *animal.more):
            _edit(folder / file, old, new)
    target = folder / _FILE
    if animal.finding == "time-limit":
        _edit(target, "timeout_s = 60", "timeout_s = 2")
    if known:
        (folder / "known.toml").write_text(known)
        _edit(target, "[checks]\n", '[checks]\nknown_failures = "known.toml"\n')
    return target


def visit(target: Path, scan_file: Path, place: Path) -> dict[str, Any]:
    """
    Run the lane of a target in a process of its own: working directory, HOME and TMPDIR are those of the process.

    Args:
        target: its file.
        scan_file: the fixture.
        place: empty folder for all three.

    Returns:
        The outcome as JSON has it.
    """
    cwd, home, tmp = place / "parent" / "cwd", place / "home", place / "tmp"
    for folder in (cwd, home, tmp):
        folder.mkdir(parents=True)
    os.chdir(cwd)
    os.environ["HOME"], tempfile.tempdir = str(home), str(tmp)
    options = lane.LaneOptions(device="cpu", fixtures={"scan": scan_file}, root=cwd / ".harness", quiet=True)
    outcome = lane.run(loader.load(target), options, Interruption())
    found: dict[str, Any] = json.loads((outcome.run_root / "outcome.json").read_text())
    left = [path for folder in (home, tmp) for path in folder.iterdir()]
    return found | {"left": [str(path) for path in left]}


def _edit(path: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text that must be there."""
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{path.name} no longer holds {old!r}: adapt the animal")
    path.write_text(text.replace(old, new, 1))
