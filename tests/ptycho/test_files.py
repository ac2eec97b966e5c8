import errno
import io
import logging
import os
import sys
from pathlib import Path

import pytest

from ptycho import files
from ptycho.errors import InfrastructureError
from tests.support.injected import bites

AWKWARD = ["a b", "Прибор é", "line\nbreak", "100%41", "-x", "n" * 250, "q?u#o'te\""]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.fault("odd-paths")
@pytest.mark.parametrize("name", AWKWARD)
def test_prepare_makes_and_tries_awkward_folders_and_leaves_them_empty(tmp_path: Path, name: str) -> None:
    assert tmp_path / "parent" / name == files.prepare(tmp_path / "parent" / name)
    bites(name in os.listdir(tmp_path / "parent"), "the folder has the awkward name")  # noqa: PTH208
    assert list((tmp_path / "parent" / name).iterdir()) == []


def test_prepare_returns_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert tmp_path / "-out" == files.prepare(Path("-out"))


@pytest.mark.parametrize("below", ["", "deeper"])
def test_prepare_refuses_a_file_in_the_folders_place(tmp_path: Path, below: str) -> None:
    (tmp_path / "out").write_text("mine")

    with pytest.raises(InfrastructureError, match="there is a file where the folder should be") as caught:
        files.prepare(tmp_path / "out" / below)

    assert caught.value.verdict == 13
    assert str(tmp_path / "out" / below) in str(caught.value)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.fault("odd-paths")
@pytest.mark.fault("disk-full")
@pytest.mark.parametrize(("code", "reason"), [(errno.EROFS, "Read-only file system"), (errno.ENOSPC, "No space left")])
def test_prepare_finds_out_by_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str) -> None:
    refused = []

    def refuse(descriptor: int) -> None:
        refused.append(descriptor)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(InfrastructureError, match=reason):
        files.prepare(tmp_path / "out")

    bites(len(refused) == 1, "the file system refused to write")

    assert list((tmp_path / "out").iterdir()) == []


def test_prepare_refuses_what_the_system_lets_nobody_write() -> None:
    with pytest.raises(InfrastructureError, match="'/proc/here' cannot be used"):
        files.prepare(Path("/proc/here"))


def test_prepare_refuses_a_null_byte() -> None:
    with pytest.raises(InfrastructureError, match="null"):
        files.prepare(Path("a\0b"))


@pytest.mark.parametrize("name", ["n" * 255, "a b%41\n"])
def test_replacing_writes_whole_files_under_any_name(tmp_path: Path, name: str) -> None:
    files.write_text(tmp_path / name, "first")
    files.write_text(tmp_path / name, "second")

    assert {name: "second"} == {path.name: path.read_text() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_replacing_keeps_the_old_file_when_the_block_fails(tmp_path: Path, error: BaseException) -> None:
    files.write_text(tmp_path / "file", "old")

    def interrupted() -> None:
        with files.replacing(tmp_path / "file") as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises((InfrastructureError, KeyboardInterrupt)) as caught:
        interrupted()

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "old"}
    if isinstance(error, OSError):
        assert "No space left on device; the file that was there is unchanged; free space" in str(caught.value)


def test_replacing_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"there is no folder .*; no file was left"):
        files.write_text(tmp_path / "no" / "file", "text")


@pytest.mark.parametrize(
    ("quiet", "terminal", "shown"),
    [
        (False, False, "an epoch\nwarning: careful\nerror: broken\n"),
        (False, True, "warning: careful\nerror: broken\n"),
        (True, False, "error: broken\n"),
        (True, True, "error: broken\n"),
    ],
)
def test_the_log_holds_everything_and_the_screen_what_it_should(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quiet: bool,
    terminal: bool,
    shown: str,
) -> None:
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)

    with files.logging_to(tmp_path, quiet=quiet) as path:
        logging.getLogger("ptycho.training").info("an epoch")
        logging.getLogger("ptycho_torch.engine").warning("careful")
        logging.getLogger("ptycho_tf.engine").error("broken")

    assert shown == screen.getvalue()
    assert capsys.readouterr().out == ""
    assert [line.split(" ", 2)[2] for line in path.read_text().splitlines()] == [
        "INFO ptycho.training: an epoch",
        "WARNING ptycho_torch.engine: careful",
        "ERROR ptycho_tf.engine: broken",
    ]


def test_the_log_is_continued_and_the_loggers_are_left_as_they_were(tmp_path: Path) -> None:
    before = [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in files.LOGGED_PACKAGES]
    for text in ("first", "resumed"):
        with files.logging_to(tmp_path, quiet=True):
            logging.getLogger("ptycho").info(text)

    assert before == [
        (logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in files.LOGGED_PACKAGES
    ]
    assert [line.rsplit(" ", 1)[1] for line in (tmp_path / "train.log").read_text().splitlines()] == [
        "first",
        "resumed",
    ]


def test_a_log_that_cannot_be_opened_is_an_error_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "train.log").mkdir()

    with pytest.raises(InfrastructureError, match=r"train.log' cannot be opened"), files.logging_to(tmp_path):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("quiet", [True, False])
def test_a_warning_is_seen_once_however_quiet_and_is_in_the_log(
    tmp_path: Path, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("ptycho.anything")
    with files.logging_to(tmp_path, quiet=quiet) as path:
        files.warn("look here", log)
    assert tuple(capsys.readouterr()) == ("", "warning: look here\n")
    assert path.read_text().endswith("WARNING ptycho.anything: look here\n")
    files.warn("no log")
    assert capsys.readouterr().err == "warning: no log\n"
