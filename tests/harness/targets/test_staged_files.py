"""Files in a command's working directory: there before it, gone after it, and what it left stays."""

from pathlib import Path

import pytest

from harness.isolation.sandbox import Sandbox
from harness.targets import staged_files
from harness.targets.model import Command, StagedFile
from ptycho.errors import InfrastructureError


def _put(tmp_path: Path, *files: StagedFile, make_output: bool = False) -> tuple[Sandbox, tuple[Path, ...]]:
    cell = Sandbox(path=tmp_path / "cell").make()
    command = Command(argv=("x",), files=files, make_output=make_output)
    values = {"seed": 7, "root": tmp_path}
    return cell, staged_files.put(command, cell, values, root=tmp_path, output=cell.output)


def test_a_text_is_filled_and_a_source_is_copied_file_or_folder(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.bin").write_bytes(b"a")
    files = (
        StagedFile(path="conf/run.yaml", text="seed: {seed}\nbraces: {{}}\n"),
        StagedFile(path="weights", source="weights"),
        StagedFile(path="one.bin", source="{root}/weights/a.bin"),
    )
    cell, placed = _put(tmp_path, *files)
    assert "seed: 7\nbraces: {}\n" == (cell.cwd / "conf" / "run.yaml").read_text()
    assert (b"a", b"a") == ((cell.cwd / "weights" / "a.bin").read_bytes(), (cell.cwd / "one.bin").read_bytes())
    assert not cell.output.exists()
    (cell.cwd / "conf" / "left.log").touch()
    staged_files.take_away(placed, cell)
    assert ["conf", "conf/left.log"] == sorted(str(path.relative_to(cell.cwd)) for path in cell.cwd.rglob("*"))


def test_the_output_folder_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    cell, placed = _put(tmp_path, make_output=True)
    assert (True, ()) == (cell.output.is_dir(), placed)


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"gone\.bin cannot be put into the working directory: No such file"):
        _put(tmp_path, StagedFile(path="x", source="gone.bin"))
