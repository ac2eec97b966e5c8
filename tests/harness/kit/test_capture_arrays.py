"""A program that leaves pictures only, run unchanged: its arrays are kept in full precision."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.kit import capture_arrays

PROGRAM = """
import argparse, pathlib, sys
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import beside

parser = argparse.ArgumentParser()
parser.add_argument("--output_dir", type=pathlib.Path, required=True)
parser.add_argument("--fail", action="store_true")

if __name__ == "__main__":
    args = parser.parse_args()
    args.output_dir.mkdir(parents=True, exist_ok=True)
    for name, array in (("amplitude", beside.AMPLITUDE), ("phase", beside.PHASE)):
        figure, axes = plt.subplots()
        plt.colorbar(axes.imshow(array, cmap="gray"), ax=axes)
        axes.set_title(name)
        plt.savefig(args.output_dir / f"reconstructed_{name}.png", dpi=40, bbox_inches="tight")
        plt.close(figure)
    sys.exit(3 if args.fail else 0)
"""
BESIDE = """
import numpy as np
AMPLITUDE = np.linspace(0.5, 1.5, 35).reshape(5, 7).astype(np.float32)
PHASE = np.linspace(-3, 2, 35).reshape(5, 7)
"""


def _run(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    package = tmp_path / "src" / "theirs"
    package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("infer", PROGRAM.replace("import beside", "from theirs import beside"))):
        (package / f"{name}.py").write_text(text)
    (package / "beside.py").write_text(BESIDE)
    (tmp_path / "src" / "script.py").write_text(PROGRAM)
    (tmp_path / "src" / "beside.py").write_text(BESIDE)
    env = {"PYTHONPATH": str(tmp_path / "src"), "MPLCONFIGDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, capture_arrays.__file__, *arguments]
    return subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)


PICTURES = ("reconstructed_amplitude.png", "reconstructed_phase.png")


@pytest.mark.slow
@pytest.mark.parametrize("program", [("-m", "theirs.infer"), ("src/script.py",)])
def test_what_is_drawn_is_kept_in_full_precision(tmp_path: Path, program: tuple[str, ...]) -> None:
    done = _run(tmp_path, "kept/out.npz", *PICTURES, *program, "--output_dir", "pictures")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, np.ndarray] = {}
    exec(BESIDE, found)
    expected = found["AMPLITUDE"].astype(np.float64) * np.exp(1j * found["PHASE"])
    with np.load(tmp_path / "kept" / "out.npz") as archive:
        np.testing.assert_array_equal(expected, archive["object"])
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == sorted(PICTURES)


@pytest.mark.slow
def test_a_program_that_fails_keeps_its_own_exit_code(tmp_path: Path) -> None:
    done = _run(tmp_path, "out.npz", *PICTURES, "-m", "theirs.infer", "--output_dir", "pictures", "--fail")
    assert (done.returncode, (tmp_path / "out.npz").exists()) == (3, False)


@pytest.mark.slow
def test_nothing_drawn_under_a_name_is_an_error(tmp_path: Path) -> None:
    done = _run(tmp_path, "out.npz", "other.png", PICTURES[1], "-m", "theirs.infer", "--output_dir", "pictures")
    assert (done.returncode, (tmp_path / "out.npz").exists()) == (1, False)
    assert done.stderr == "error: the program drew no image into other.png; repair the names\n"


def test_too_few_arguments_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert capture_arrays.main(["out.npz", "a.png", "p.png", "-m"]) == 2
    assert capsys.readouterr().err == f"{capture_arrays.USAGE}\n"
