"""The machine's browser, headless, and a page to open in it. Without one these tests fail and say how to get it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from harness.report import write
from tests.support import sample_runs
from tests.support.fakes import fake_target

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str:
    """The browser's program: `PTYCHO_CHROMIUM`, or the first one on the path."""
    found = os.environ.get("PTYCHO_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None or not Path(found).is_file():
        pytest.fail(
            f"no browser (PTYCHO_CHROMIUM is {os.environ.get('PTYCHO_CHROMIUM')!r}); install one (apt-get install "
            "chromium, or playwright install chromium) or set PTYCHO_CHROMIUM to its program",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser, without a sandbox where it must run as root."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    program = executable()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=[*root, "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a workspace in which a fault was planted in one side of the ladder."""
    folder = tmp_path_factory.mktemp("workspace")
    scan = fake_target.scan(folder / "scan.npz")
    sample_runs.everything(folder, scan, spoilt=0.1)
    sample_runs.killed(folder, "other")
    return write.write([], root=folder).path
