"""What the tests of the harness share: a scan, and a workspace in which no other program writes."""

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.isolation import sandbox
from harness.lanes.lane import LaneOptions, run
from harness.record.outcome import Outcome
from harness.system.signals import Interruption
from harness.targets import loader
from tests.support.fakes import fake_target


@pytest.fixture(autouse=True)
def _orphans_go_to_init() -> Iterator[None]:
    """
    Undo what a command that ran in this process set: it adopts orphans, and so would the tests after it.

    What they leave on purpose would become children of this process that nobody waits for: thousands of zombies.
    """
    yield
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 0, 0, 0, 0)


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scan with its object."""
    return fake_target.scan(tmp_path_factory.mktemp("scan") / "scan.npz")


_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
NEIGHBOURS = (f"/dev/shm/ptycho-test-*gw[!{_WORKER.removeprefix('gw')}]",) if _WORKER else ()
"""What tests that run beside this one in other processes write to places that all share."""


class Workspace:
    """A working directory, its parent, a HOME and a TMPDIR of the test's own."""

    def __init__(self, path: Path, scan: Path) -> None:
        self.path, self.scan = path, scan
        self.cwd, self.home, self.tmp = path / "parent" / "cwd", path / "home", path / "tmp"
        for folder in (self.cwd, self.home, self.tmp):
            folder.mkdir(parents=True)
        self.root = self.cwd / ".harness"

    def target(self, **settings: object) -> loader.Target:
        """The fake target with a fault to order."""
        return loader.load(fake_target.write(self.path / "target", **settings))  # type: ignore[arg-type]

    def run(
        self, *, device: str = "cpu", strict: bool = False, keep: bool = False, brief: bool = True, **settings: object
    ) -> Outcome:
        """Run the fake target's lane here, without a suite if none is ordered, and only the job's own trainings."""
        options = LaneOptions(
            device=device,
            fixtures={"scan": self.scan},
            root=self.root,
            strict=strict,
            keep=keep,
            quiet=True,
            brief=brief,
            foreign=NEIGHBOURS,
        )
        return run(self.target(**{"suite": None, **settings}), options, Interruption())


@pytest.fixture
def workspace(tmp_path: Path, scan: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace, entered."""
    made = Workspace(tmp_path, scan)
    monkeypatch.chdir(made.cwd)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setattr(tempfile, "tempdir", str(made.tmp))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return made


@pytest.fixture
def cell(tmp_path: Path) -> sandbox.Sandbox:
    """The folders of one command."""
    return sandbox.Sandbox(path=tmp_path / "cell").make()
