"""Control groups: a stand-in for their file system says in which order, the kernel's own that everything ends."""

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.process import control_group, supervise
from harness.process.control_group import ControlGroup
from harness.system.signals import Interruption
from tests.support.injected import bites, control_group_or_skip

FILES = ("cgroup.procs", "cgroup.kill", "cgroup.events")


class StandIn:
    """A folder that looks like a file system of control groups, and a record of what is written into it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...]) -> None:
        self.place, self.own = folder / "groups", folder / "groups" / "user.slice" / "me"
        self.said: list[tuple[str, str]] = []
        self._files = files
        (folder / "proc").mkdir()
        self.show("/", "/user.slice/me")
        self.own.mkdir(parents=True)
        self._fill(self.own)
        mkdir, rmdir = Path.mkdir, Path.rmdir

        def made(path: Path, *arguments: Any, **named: Any) -> None:
            mkdir(path, *arguments, **named)
            self._fill(path)

        def removed(path: Path) -> None:
            for file in FILES:
                (path / file).unlink(missing_ok=True)
            rmdir(path)

        def wrote(path: Path, text: str) -> None:
            path.write_text(text)
            self.said.append((path.relative_to(self.place).as_posix(), text))
            if path.name == "cgroup.kill":
                (path.parent / "cgroup.events").write_text("populated 0\nfrozen 0\n")

        monkeypatch.setattr(control_group, "_PROC", folder / "proc")
        monkeypatch.setattr(Path, "mkdir", made)
        monkeypatch.setattr(Path, "rmdir", removed)
        monkeypatch.setattr(control_group, "_write", wrote)

    def show(self, root: str, own: str) -> None:
        """What `/proc/self` says."""
        place = str(self.place).replace(" ", r"\040")
        lines = f"24 1 0:21 / /proc rw - proc proc rw\n31 24 0:27 {root} {place} rw,nosuid - cgroup2 cgroup2 rw\n"
        (self.place.parent / "proc" / "mountinfo").write_text(lines)
        (self.place.parent / "proc" / "cgroup").write_text(f"4:memory:/elsewhere\n0::{own}\n")

    def _fill(self, folder: Path) -> None:
        for file in self._files:
            (folder / file).write_text("populated 0\n" if file == "cgroup.events" else "")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return StandIn(tmp_path, monkeypatch, FILES)


def test_a_command_is_started_in_its_group_and_the_harness_is_back_in_its_own(stand_in: StandIn) -> None:
    group = control_group.make("abc")
    assert group is not None
    stand_in.said.clear()
    with group.entered():
        stand_in.said.append(("start", ""))
    (group.path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert control_group.end_rest(group) == ("processes that live too short to be named",)
    name = f"user.slice/me/{group.path.name}"
    assert stand_in.said == [
        (f"{name}/cgroup.procs", "0"),
        ("start", ""),
        ("user.slice/me/cgroup.procs", "0"),
        (f"{name}/cgroup.kill", "1"),
    ]
    assert not group.path.exists()
    assert stand_in.own.exists()


def test_a_kernel_without_the_file_that_kills_has_no_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn(tmp_path, monkeypatch, ("cgroup.procs", "cgroup.events"))
    assert control_group.make("abc") is None
    assert [path.name for path in stand_in.own.iterdir() if path.is_dir()] == []


def test_a_group_that_may_not_be_made_is_none(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert control_group.make("abc") is None
    assert stand_in.said == []


def test_a_group_that_cannot_be_left_again_is_not_entered(stand_in: StandIn) -> None:
    (stand_in.own / "cgroup.procs").unlink()
    assert control_group.make("abc") is None
    assert stand_in.said == []


@pytest.mark.parametrize(
    ("root", "own", "found"),
    [
        ("/", "/user.slice/me", "user.slice/me"),
        ("/", "/", "."),
        ("/user.slice", "/user.slice/me", "me"),
        ("/user.slice", "/user.slices/me", None),
        ("/", "/../other", None),
    ],
)
def test_the_own_group_is_found_below_what_is_mounted(
    stand_in: StandIn, root: str, own: str, found: str | None
) -> None:
    stand_in.show(root, own)
    assert control_group.own() == (None if found is None else stand_in.place / found)


def test_a_place_with_a_blank_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b").mkdir()
    stand_in = StandIn(tmp_path / "a b", monkeypatch, FILES)
    assert control_group.mounts() == [(stand_in.place, "/")]


def test_only_groups_of_the_run_are_found_and_no_link_is_followed(stand_in: StandIn, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "ptycho-abc-1").mkdir(parents=True)
    (stand_in.place / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("ptycho-abcd-1", "ptycho-abc", "user.slice/ptycho-abc-2"):
        (stand_in.place / name).mkdir()
    assert [group.path for group in control_group.find("abc")] == [stand_in.place / "user.slice" / "ptycho-abc-2"]


def test_a_group_that_this_process_is_in_is_not_ended(stand_in: StandIn) -> None:
    group = control_group.make("abc")
    assert group is not None
    stand_in.said.clear()
    (group.path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (sentence,) = group.end()
    assert sentence.endswith("is not ended: this process is in it")
    assert stand_in.said == []


def test_empty_groups_of_runs_that_nobody_sweeps_go_and_others_stay(stand_in: StandIn) -> None:
    for name in ("ptycho-old-1", "ptycho-young-1", "ptycho-busy-1", "another"):
        (stand_in.own / name).mkdir()
    (stand_in.own / "ptycho-busy-1" / "cgroup.events").write_text("populated 1\n")
    for name in ("ptycho-old-1", "ptycho-busy-1", "another"):
        os.utime(stand_in.own / name, (0, 0))
    made = control_group.make("abc")
    assert made is not None
    left = {path.name for path in stand_in.own.iterdir() if path.is_dir()}
    assert left == {"ptycho-young-1", "ptycho-busy-1", "another", made.path.name}


@pytest.fixture
def real() -> ControlGroup:
    """A group of the kernel's."""
    return control_group_or_skip(secrets.token_hex(6))


HOPPER = """
import os, sys, time
until = time.time() + 60
while time.time() < until:
    if os.fork():
        os._exit(0)
    os.setsid()
    os.utime(sys.argv[1])
    time.sleep(0.0002)
"""


@pytest.mark.slow
@pytest.mark.fault("pid-hopper")
@pytest.mark.fault("empty-environment")
def test_what_has_no_environment_and_a_new_session_at_every_look_is_ended(real: ControlGroup, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    alive.touch()
    program = tmp_path / "hop.py"
    program.write_text(HOPPER)
    with real.entered():
        subprocess.run([sys.executable, "-S", "-E", str(program), str(alive)], env={}, check=True)
    time.sleep(0.3)
    bites(time.time() - alive.stat().st_mtime < 0.2, "it hops")
    said = control_group.end_rest(real)
    assert said != ()
    time.sleep(0.3)
    assert time.time() - alive.stat().st_mtime > 0.25
    assert not real.path.exists()


def test_a_command_leaves_no_group(real: ControlGroup, tmp_path: Path) -> None:
    real.end()
    token = real.path.name.split("-")[1]
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], env={})"
    said = supervise.run(
        [sys.executable, "-c", f"print(open('/proc/self/cgroup').read())\n{code}"],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        log=tmp_path / "log",
        timeout_s=60,
        token=token,
        interruption=Interruption(),
    )
    assert f"ptycho-{token}-" in (tmp_path / "log").read_text()
    assert len(said.survivors) == 1
    assert control_group.find(token) == []
