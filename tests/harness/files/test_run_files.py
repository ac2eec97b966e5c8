"""Writing into a run's folder, whatever a target has put there: nothing outside changes."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.files import run_files
from ptycho.errors import InfrastructureError
from tests.support.injected import bites


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run" / "logs").mkdir(parents=True)
    return tmp_path / "run"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "file").write_text("precious")
    return tmp_path / "home"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _create(path: Path) -> None:
    with run_files.create(path) as file:
        file.write(b"new")


def _replace(path: Path) -> None:
    run_files.write_text(path, "new")


WRITERS = (_create, _replace)


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_is_written_and_written_again(write: Callable[[Path], None], run: Path) -> None:
    write(run / "logs" / "x")
    write(run / "logs" / "x")
    assert (run / "logs" / "x").read_text() == "new"
    assert _names(run / "logs") == ["x"]
    assert run_files.strange(run) == []


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.fault("planted-reports")
def test_a_planted_link_is_replaced_and_named(write: Callable[[Path], None], run: Path, precious: Path) -> None:
    (run / "logs" / "x").symlink_to(precious / "file")
    bites((run / "logs" / "x").read_text() == "precious", "the name leads outside")
    write(run / "logs" / "x")
    assert (precious / "file").read_text() == "precious"
    assert not (run / "logs" / "x").is_symlink()
    (sentence,) = run_files.strange(run)
    assert sentence.endswith(str(run / "logs" / "x"))


@pytest.mark.parametrize("write", WRITERS)
def test_a_dangling_link_makes_no_file_elsewhere(write: Callable[[Path], None], run: Path, precious: Path) -> None:
    (run / "x").symlink_to(precious / "made")
    write(run / "x")
    assert _names(precious) == ["file"]


@pytest.mark.parametrize("write", WRITERS)
def test_a_folder_that_became_a_link_is_refused(write: Callable[[Path], None], run: Path, precious: Path) -> None:
    (run / "logs").rmdir()
    (run / "logs").symlink_to(precious)
    with pytest.raises(InfrastructureError, match="cannot be written"):
        write(run / "logs" / "file")
    assert (precious / "file").read_text() == "precious"
    assert len(run_files.strange(run)) == 1


@pytest.mark.parametrize("write", WRITERS)
def test_a_pipe_waits_for_nobody(write: Callable[[Path], None], run: Path) -> None:
    os.mkfifo(run / "x")
    write(run / "x")
    assert stat.S_ISREG((run / "x").stat().st_mode)


def test_a_hard_link_to_a_file_elsewhere_is_not_written_through(run: Path, precious: Path) -> None:
    os.link(precious / "file", run / "x")
    _create(run / "x")
    assert (precious / "file").read_text() == "precious"


def test_a_block_that_fails_leaves_what_was_there(run: Path) -> None:
    (run / "x").write_text("old")

    def fail() -> None:
        with run_files.replacing(run / "x") as file:
            file.write(b"new")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - whatever the block raises
        fail()
    assert (run / "x").read_text() == "old"
    assert _names(run) == ["logs", "x"]


def test_a_folder_is_made_once_and_through_no_link(run: Path, precious: Path) -> None:
    run_files.make(run / "pictures")
    run_files.make(run / "pictures")
    (run / "reconstructions").symlink_to(precious)
    with pytest.raises(InfrastructureError, match="cannot be made"):
        run_files.make(run / "reconstructions")
    with pytest.raises(InfrastructureError, match="cannot be made"):
        run_files.make(run / "reconstructions" / "inner")
    assert _names(precious) == ["file"]


def test_a_long_file_is_cut_in_the_middle(run: Path) -> None:
    (run / "x").write_bytes(b"a" * 100 + b"m" * 10_000 + b"z" * 100)
    run_files.shorten(run / "x", limit=10_000, kept=100)
    text = (run / "x").read_text()
    assert text.startswith("a" * 100)
    assert text.endswith("z" * 100)
    assert "10,000 bytes were left out here" in text
    before = (run / "x").read_bytes()
    run_files.shorten(run / "x", limit=10_000, kept=100)
    assert before == (run / "x").read_bytes()
