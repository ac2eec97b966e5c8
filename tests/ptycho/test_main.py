"""`python -m ptycho inspect` and `convert`, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho import __main__ as command
from ptycho import config
from ptycho.data import contract, npz_writer
from tests.support.crafted_npz import legacy, replaced, scan, write

_ROOT = Path(command.__file__).parents[1]


def _exit_code(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(command.main([str(item) for item in argv]))
    return int(str(ended.value.code))


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from ptycho.__main__ import parser\n"
        "text = parser().format_help()\n"
        "heavy = ('numpy', 'scipy', 'matplotlib', 'rich', 'torch', 'tensorflow')\n"
        "print('inspect' in text, 'examples:' in text, [name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=_ROOT)
    assert done.stdout.strip() == "True True []"


def test_the_module_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ptycho", "inspect", tmp_path / "none.npz"], capture_output=True, text=True, cwd=_ROOT
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert "no such file; check the path" in done.stdout


def test_choices_are_those_of_the_configuration() -> None:
    assert (command.LAYOUTS, command.DOMAINS) == (config.LAYOUTS, config.DOMAINS)
    assert command.COORDINATE_TYPES == npz_writer.COORDINATE_TYPES


def test_inspect_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("inspect", write(tmp_path / "scan.npz", scan(8)), "--json") == 0
    assert json.loads(capsys.readouterr().out)["reading"]["n_patterns"] == 8
    assert _exit_code("inspect", write(tmp_path / "bad.npz", replaced(probeGuess=None)), "--json") == 2
    assert len(json.loads(capsys.readouterr().out)["violations"]) == 1


@pytest.mark.slow
def test_inspect_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "scan.png"
    assert _exit_code("inspect", write(tmp_path / "scan.npz", scan(8)), "--picture", picture) == 0
    assert picture.stat().st_size > 10_000
    shown = capsys.readouterr()
    assert "keeps the data contract" in shown.out
    assert shown.err == f"picture: {picture}\n"


def test_inspect_takes_layout_and_domain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = (scan(64)["diff3d"] ** 2).round().astype("u2")
    path = write(tmp_path / "cube.npz", scan(64) | {"diff3d": counts})
    assert _exit_code("inspect", path, "--json") == 2
    assert _exit_code("inspect", path, "--layout", "canonical", "--measurement_domain", "counts", "--json") == 0
    assert capsys.readouterr().err == ""


def test_convert_legacy_to_canonical(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = write(tmp_path / "old.npz", legacy(scan())), tmp_path / "new.npz"
    assert _exit_code("convert", source, target) == 0
    assert capsys.readouterr().out == f"{target}: 5 patterns of 64×64, canonical layout\n"
    converted = contract.load(target)
    assert converted.source.layout == "canonical"
    assert converted.diffraction.tobytes() == scan()["diff3d"].tobytes()
    assert converted.metadata["converted_from"] == {
        "file": "old.npz",
        "sha256": contract.load(source).source.sha256,
        "layout": "legacy",
        "measurement_domain": "amplitude",
    }


def test_convert_never_overwrites_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = write(tmp_path / "scan.npz", scan()), tmp_path / "there.npz"
    target.write_bytes(b"precious")
    assert _exit_code("convert", source, target) == 2
    assert target.read_bytes() == b"precious"
    assert "is already there" in capsys.readouterr().err
    assert _exit_code("convert", source, target, "--force", "--layout", "legacy") == 0
    assert contract.load(target).source.layout == "legacy"


def test_convert_refuses_what_breaks_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "bad.npz", replaced(ycoords=None))
    assert _exit_code("convert", source, tmp_path / "out.npz") == 2
    assert "missing key ycoords" in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()


def test_convert_into_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "scan.npz", scan())
    assert _exit_code("convert", source, tmp_path / "none" / "out.npz") == 13
    assert "there is no folder" in capsys.readouterr().err
