"""Both commands end to end, with this interpreter, which has no framework: adapters in NumPy, and what is refused."""

import json
import sys
from pathlib import Path

import pytest

from harness.cli.main import main

ROOT = Path(__file__).parents[3]

RIGHT = """
import numpy as np
from ptycho.physics import forward, stitching
from ptycho.data.contract import load as read


def stitch(patches, positions):
    return stitching.stitch(patches, positions[:, 0], positions[:, 1]).obj


def diffract(exit_wave):
    return forward.intensity(np.ones(exit_wave.shape[-2:]), exit_wave)


def normalise_probe(probe):
    return forward.normalise_probe(probe)


def load(file):
    known = read(file)
    return {"diffraction": known.diffraction, "xcoords": known.xcoords, "ycoords": known.ycoords, "probe": known.probe}
"""


def adapter(tmp_path: Path, text: str) -> Path:
    (tmp_path / "mine.py").write_text(text)
    return tmp_path / "mine.py"


def physics(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, object]]]:
    words = [
        "attach",
        "physics",
        str(adapter(tmp_path, text)),
        "--folder",
        str(ROOT),
        "--root",
        str(tmp_path / "runs"),
        "--json",
    ]
    code = main(words)
    return code, json.loads(capsys.readouterr().out)["functions"]


def test_the_projects_own_core_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, functions = physics(tmp_path, RIGHT, capsys)
    assert {"stitch": "pass", "diffract": "pass", "load": "pass", "normalise_probe": "pass"} == {
        name: row["result"] for name, row in functions.items()
    }
    assert 0 == code
    assert [] == list((tmp_path / "runs" / "runs").iterdir())


def test_a_planted_mistake_fails_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, functions = physics(tmp_path, RIGHT.replace(".obj", ".obj[::-1] * 4"), capsys)
    assert 1 == code
    assert [
        {"name": "object mirrored along y (axis 0)", "sentence": "the object comes out mirrored along y (axis 0)"},
        {"name": "factor", "sentence": "the object is 4 × as bright as the true one"},
    ] == functions["stitch"]["findings"]


def test_what_is_not_exposed_is_said_and_no_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, functions = physics(tmp_path, "def diffract(w):\n    raise ValueError('no such thing')\n", capsys)
    assert 1 == code
    assert "not exposed" == functions["stitch"]["result"]
    assert "fail" == functions["diffract"]["result"]


def test_a_missing_package_is_the_environments_fault(tmp_path: Path) -> None:
    file = adapter(tmp_path, "import a_package_that_is_not_there\n")
    with pytest.raises(SystemExit) as ended:
        main(["attach", "physics", str(file), "--root", str(tmp_path / "runs")])
    assert 13 == ended.value.code


def test_a_missing_interpreter_is_the_environments_fault(tmp_path: Path) -> None:
    file = adapter(tmp_path, "")
    with pytest.raises(SystemExit) as ended:
        main(["attach", str(file), str(file), "--python-one", str(tmp_path / "python"), "--root", str(tmp_path / "r")])
    assert 13 == ended.value.code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def model(): pass\n", "has no function batch, loss"),
        ("def model(): return 3\ndef batch(): return [1]\ndef loss(m, x): return 1\n", "model() gave a builtins.int"),
    ],
)
def test_a_file_that_is_no_subject_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    file = adapter(tmp_path, text)
    with pytest.raises(SystemExit) as ended:
        main(["attach", str(file), str(file), "--python-one", sys.executable, "--root", str(tmp_path / "runs")])
    assert 2 == ended.value.code
    assert words in capsys.readouterr().err


def test_a_map_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = adapter(tmp_path, "")
    with pytest.raises(SystemExit) as ended:
        main(["attach", str(file), str(file), "--map", str(tmp_path / "no.toml"), "--root", str(tmp_path / "runs")])
    assert 2 == ended.value.code
    assert "is not a file" in capsys.readouterr().err
